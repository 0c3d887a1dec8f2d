"""The activity of this process, told to whoever watches it."""

from __future__ import annotations

from typing import Callable, Optional

_listener: Optional[Callable[[str], None]] = None


def listen(listener: Optional[Callable[[str], None]]) -> None:
    """Have ``listener`` told of everything that begins from now on; ``None``: nobody."""
    global _listener
    _listener = listener


def announce(what: str) -> None:
    """Say that ``what`` begins now, e.g. ``"evaluating: image 12"``. Does nothing where nobody listens."""
    if _listener is not None:
        _listener(what)
