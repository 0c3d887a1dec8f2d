"""Reports the activity of this process to a listener."""

from __future__ import annotations

from typing import Callable, Optional

_listener: Optional[Callable[[str], None]] = None


def listen(listener: Optional[Callable[[str], None]]) -> None:
    """Call ``listener`` with everything that begins from now on; ``None`` removes the listener."""
    global _listener
    _listener = listener


def announce(what: str) -> None:
    """Report that ``what`` begins now, e.g. ``"evaluating: image 12"``. Does nothing without a listener."""
    if _listener is not None:
        _listener(what)
