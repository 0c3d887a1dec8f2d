"""Progress bars on a terminal, and occasional lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import Callable, Iterable, Optional, Union

from tqdm import tqdm
from tqdm.utils import disp_len

from mindpoint.runtime import activity
from mindpoint.runtime.console import printable

SECONDS = 30  # between two lines if lines cannot be redrawn


def on_terminal() -> bool:
    """Tell whether standard error is a terminal that can redraw lines."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class Bar(tqdm):
    """A bar on standard error that disappears at its end. In a narrow terminal it leaves out the least important parts and never cuts a
    number.

    Args:
        what: description at the beginning.
        total: number of items, None if unknown.
    """

    _FORMS = (
        "{desc}: {percentage:3.0f}% {n_fmt}/{total_fmt} {remaining} left{postfix}",
        "{desc} {n_fmt}/{total_fmt}{postfix}",
        "{n_fmt}/{total_fmt}{postfix}",
    )

    def __init__(self, what: str, total: Optional[int], items: Optional[Iterable] = None):
        super().__init__(items, desc=what, total=total, leave=False, dynamic_ncols=True, file=sys.stderr)

    @staticmethod
    def format_meter(n: float, total: Optional[float], elapsed: float, ncols: Optional[int] = None, **options: object) -> str:
        """Return the line for a terminal of ``ncols`` columns."""
        whole = tqdm.format_meter(n, total, elapsed, **options)
        if ncols is None or disp_len(whole) <= ncols:
            return tqdm.format_meter(n, total, elapsed, ncols, **options)
        forms = Bar._FORMS if total else Bar._FORMS[1:]
        lines = [tqdm.format_meter(n, total, elapsed, **{**options, "bar_format": form}) for form in forms]
        return next((line for line in lines if disp_len(line) <= ncols), lines[-1][:ncols])


Total = Union[int, None, Callable[[], Optional[int]]]
"""Number of items, None if unknown, or a function that returns the number during the iteration."""


def track(items: Iterable, total: Total, what: str) -> Iterable:
    """Return the items, with a bar on a terminal and a line every half minute elsewhere; both show rate and, if ``total`` is known,
    remaining time."""
    known, what = total if callable(total) else lambda: total, printable(what)
    return (_bar if on_terminal() else _lines)(_announced(items, what), known, what)


def _announced(items: Iterable, what: str) -> Iterable:
    for number, item in enumerate(items):
        activity.announce(f"{what}: {number}")
        yield item
    activity.announce(f"after {what}")


def _bar(items: Iterable, total: Callable[[], Optional[int]], what: str) -> Iterable:
    with Bar(what, total(), items) as bar:
        for item in bar:
            bar.total = total()
            yield item


def _lines(items: Iterable, total: Callable[[], Optional[int]], what: str) -> Iterable:
    started = said = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - said >= SECONDS:  # the rate is unknown before the first item is done
            rate, known = done / (now - started), total()
            rest = f" of {known}, {rate:.1f} a second, {clock((known - done) / rate)} left" if known else f", {rate:.1f} a second"
            print(f"{what}: {done}{rest}", file=sys.stderr, flush=True)
            said = now
        yield item


def clock(seconds: float) -> str:
    """Return a duration as ``m:ss`` or ``h:mm:ss``."""
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def duration(seconds: float) -> str:
    """Return a duration in readable form: ``0.4 ms``, ``12 ms``, ``1.25 s``."""
    if seconds >= 0.9995:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.00995 else f"{seconds * 1000:.1f} ms"
