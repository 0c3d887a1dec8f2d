"""Progress on a terminal, and lines now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Iterable, Optional

from tqdm import tqdm

from mindpoint.runtime import activity

SECONDS = 30  # between two lines where lines cannot be redrawn


def on_terminal() -> bool:
    """Whether standard error is a terminal: only there may lines be redrawn."""
    return sys.stderr is not None and sys.stderr.isatty()


def track(items: Iterable, total: Optional[int], what: str) -> Iterable:
    """The items, with a bar on a terminal and a line every half minute elsewhere; both show rate and, if ``total`` is known, remaining
    time."""
    items = _announced(items, what)
    if on_terminal():
        return tqdm(items, total=total, desc=what, leave=False, dynamic_ncols=True, file=sys.stderr)
    return _lines(items, total, what)


def _announced(items: Iterable, what: str) -> Iterable:
    for number, item in enumerate(items):
        activity.announce(f"{what}: {number}")
        yield item
    activity.announce(f"after {what}")


def _lines(items: Iterable, total: Optional[int], what: str) -> Iterable:
    started = said = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - said >= SECONDS:  # nothing is known of the rate before the first is done
            rate = done / (now - started)
            rest = f" of {total}, {rate:.1f} a second, {clock((total - done) / rate)} left" if total else f", {rate:.1f} a second"
            print(f"{what}: {done}{rest}", file=sys.stderr, flush=True)
            said = now
        yield item


def clock(seconds: float) -> str:
    """``m:ss`` or ``h:mm:ss``."""
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def duration(seconds: float) -> str:
    """For reading: ``0.4 ms``, ``12 ms``, ``1.25 s``."""
    if seconds >= 0.9995:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.00995 else f"{seconds * 1000:.1f} ms"
