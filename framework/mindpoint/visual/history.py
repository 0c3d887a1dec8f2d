"""The training history in a run's ``log.jsonl``, and its charts."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from mindpoint.contracts.analysis import Chart, Line
from mindpoint.errors import DataError

FILE = "log.jsonl"
_POINTS = 400  # maximum number of points of a drawn curve; more would overlap
NO_LOSSES = ("step", "epoch", "learning_rate", "data_seconds", "step_seconds", "skipped_steps", "loss_scale")
"""Values that a record of a step holds besides losses."""

Curve = Tuple[List[int], List[float]]


@dataclass(frozen=True)
class History:
    """Curves by name. A curve holds steps and the values after them, NaN where a value was not finite.

    Attributes:
        losses: ``loss``, the weighted total, and every term.
        learning_rate: one curve.
        statistics: statistics of the evaluations.
        epoch: epoch of the last record, counted from 1.
        main: name of the main statistic; None without an evaluation.
    """

    losses: Dict[str, Curve]
    learning_rate: Curve
    statistics: Dict[str, Curve]
    epoch: int
    main: Optional[str] = None

    @property
    def step(self) -> int:
        """Return the last step."""
        return max((steps[-1] for steps, _ in (*self.losses.values(), *self.statistics.values()) if steps), default=0)

    @staticmethod
    def read(run_dir: Path) -> "History":
        """Read a run's log. An incomplete last line is skipped.

        Raises:
            DataError: the log does not exist, or a line is not a record.
        """
        path = Path(run_dir) / FILE
        if not path.is_file():
            raise DataError(f"{path}: no such file; a run writes it with the hook JsonLines")
        losses: Dict[str, Curve] = {}
        statistics: Dict[str, Curve] = {}
        rate: Curve = ([], [])
        epoch, main = 0, None
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        for number, line in enumerate(lines[:-1], start=1):
            try:
                record = json.loads(line)
                step, epoch = int(record["step"]), int(record["epoch"])
                if "metrics" in record:
                    _add(statistics, step, record["metrics"])
                    main = record.get("main") or next(iter(statistics), None)
                elif "incident" not in record:
                    _add(losses, step, {name: value for name, value in record.items() if name not in NO_LOSSES})
                    rate[0].append(step)
                    rate[1].append(float(record["learning_rate"]))
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f"{path}:{number}: not a record of a training step or an evaluation; correct or remove the line") from error
        return History(losses, rate, statistics, epoch, main)


def _add(curves: Dict[str, Curve], step: int, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        steps, numbers = curves.setdefault(name, ([], []))
        steps.append(step)
        numbers.append(math.nan if value is None else float(value))


def charts(histories: Mapping[str, History]) -> List[Chart]:
    """Return the total loss, every term, the learning rate, the main statistic and the first statistic of each further group, with a line
    per run.

    The text before the ``/`` in the name of a statistic is its group, as ``bbox`` in ``bbox/AP``.
    """
    found = []
    for name in dict.fromkeys(name for history in histories.values() for name in history.losses):
        found.append(_chart(name, {label: history.losses.get(name) for label, history in histories.items()}, losses=True))
    found.append(_chart("learning rate", {label: history.learning_rate for label, history in histories.items()}))
    firsts: Dict[str, str] = {}
    mains = [history.main for history in histories.values() if history.main]
    for name in (*mains, *(name for history in histories.values() for name in history.statistics)):
        firsts.setdefault(name.partition("/")[0], name)
    for name in firsts.values():
        found.append(_chart(name, {label: history.statistics.get(name) for label, history in histories.items()}))
    return found


def _chart(name: str, curves: Mapping[str, Curve], losses: bool = False) -> Chart:
    lines = [Line(label, *_thinned(*curve)) for label, curve in curves.items() if curve]
    return Chart(name, "step", "", lines, form="log" if losses else "curves")


def _thinned(steps: List[int], values: List[float]) -> Tuple[List[float], List[float]]:
    """Return means of neighbouring values, which keeps a long curve readable; NaN where all of them are NaN."""
    size = max(1, math.ceil(len(steps) / _POINTS))
    chunks = [slice(start, start + size) for start in range(0, len(steps), size)]
    return [mean_of_finite(steps[chunk]) for chunk in chunks], [mean_of_finite(values[chunk]) for chunk in chunks]


def mean_of_finite(values: Sequence[float]) -> float:
    """Return the mean of the finite values; NaN if all are non-finite."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan
