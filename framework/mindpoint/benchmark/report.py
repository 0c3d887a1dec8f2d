"""The results of a benchmark, as numbers and as text."""

from __future__ import annotations

import resource
import statistics
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Callable, Dict, Iterator, List, Optional, Sequence

from mindpoint.runtime.tables import table

Row = Dict[str, object]


@dataclass
class Report:
    """Result of a benchmark.

    Attributes:
        facts: single values by name; each name ends in the unit of its value.
        tables: lists of rows by title; the rows of a table have the same keys.
    """

    facts: Row = field(default_factory=dict)
    tables: Dict[str, List[Row]] = field(default_factory=dict)

    def __str__(self) -> str:
        blocks = [table(None, [(name.replace("_", " "), _text(value)) for name, value in self.facts.items()])]
        for title, rows in self.tables.items():
            titles = [name.replace("_", " ") for name in rows[0]] if rows else []
            blocks.append(f"{title}\n{table(titles, [[_text(value) for value in row.values()] for row in rows])}")
        return "\n\n".join(blocks)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "" if value is None else str(value)


def spread(seconds: Sequence[float]) -> Row:
    """Return median and quartiles in milliseconds."""
    ordered = sorted(seconds)
    lower, middle, upper = statistics.quantiles(ordered, n=4, method="inclusive") if len(ordered) > 1 else ordered * 3
    return {"median_ms": 1e3 * middle, "quartile_1_ms": 1e3 * lower, "quartile_3_ms": 1e3 * upper}


class Clock:
    """Measures time by part: ``with clock("decode"): ...`` adds to the current round, ``clock.close()`` ends it.

    The time of a nested part is not added to the outer part.

    Args:
        now: clock in seconds; ``time.thread_time`` counts only the CPU time of this thread.
        cpu: another clock for the same parts, whose median becomes the column ``cpu_ms``: ``Clock(time.process_time)`` adds up all threads.
            On a busy machine it is more meaningful than wall-clock time.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter, cpu: Optional["Clock"] = None) -> None:
        self._now, self._cpu = now, cpu
        self.rounds: List[Dict[str, float]] = []
        self._running: Dict[str, float] = {}
        self._inner = [0.0]

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        self._inner.append(0.0)
        self._running.setdefault(part, 0.0)  # keeps parts in the order of their start
        started = self._now()
        try:
            with self._cpu(part) if self._cpu else nullcontext():
                yield
        finally:
            taken = self._now() - started
            self._running[part] += taken - self._inner.pop()
            self._inner[-1] += taken

    def around(self, part: str, function: Callable) -> Callable:
        """Return a wrapper of the function that measures each call as a part."""

        def timed(*args, **kwargs):
            with self(part):
                return function(*args, **kwargs)

        return timed

    def close(self) -> None:
        """End a round."""
        self.rounds.append(self._running)
        self._running = {}
        if self._cpu is not None:
            self._cpu.close()

    def rows(self, skip: int = 0, each: int = 1) -> List[Row]:
        """Return a row for each part over all rounds except the first ``skip``, and one for the sums. Times are divided by ``each``."""
        kept = [{**times, "all": sum(times.values())} for times in self.rounds[skip:]]
        parts = {part: [times[part] / each for times in kept] for part in (kept[0] if kept else ())}
        whole = statistics.median(parts["all"])
        rows: List[Row] = [{"part": part, **spread(times)} for part, times in parts.items()]
        for row, used in zip(rows, self._cpu.rows(skip, each) if self._cpu else ()):
            row["cpu_ms"] = used["median_ms"]
        for row in rows:
            row["share"] = f"{row['median_ms'] / 1e3 / whole:.1%}"
        return rows


def peak_memory_mib(children: bool = False) -> float:
    """Return the peak memory, in MiB, of this process or of its largest finished child."""
    return resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF).ru_maxrss / 1024
