"""Progress on a terminal; silence elsewhere."""

from __future__ import annotations

import sys
from typing import Iterable

from tqdm import tqdm


def on_terminal() -> bool:
    """Whether standard error is a terminal: only there may lines be redrawn."""
    return sys.stderr.isatty()


def track(items: Iterable, total: int, what: str) -> Iterable:
    """The items, with a bar that shows rate and remaining time where standard error is a terminal, and one line at the end elsewhere."""
    if on_terminal():
        return tqdm(items, total=total, desc=what, leave=False, dynamic_ncols=True, file=sys.stderr)
    return items
