"""Reports the activity of this process to a listener."""

from __future__ import annotations

from typing import Callable, Optional

_listener: Optional[Callable[[str], None]] = None


def listen(listener: Optional[Callable[[str], None]]) -> None:
    """Call ``listener`` with all activities that start from now on; ``None`` removes the listener."""
    global _listener
    _listener = listener


def announce(what: str) -> None:
    """Report the start of ``what``, e.g. ``"evaluating: image 12"``. Does nothing without a listener."""
    if _listener is not None:
        _listener(what)
