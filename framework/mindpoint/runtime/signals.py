"""SIGINT and SIGTERM, noted and acted upon when it suits."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Dict, Optional

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SAME = 1.0  # seconds within which several are one: a terminal sends Ctrl-C to all processes of a group, and they pass it on


class Signals:
    """While entered, the first SIGINT or SIGTERM is only noted; a later one ends the process at once.

    Does nothing outside the main thread, where Python allows no handlers.

    Attributes:
        received: the signal that came, if any.
    """

    def __init__(self) -> None:
        self.received: Optional[signal.Signals] = None
        self._time = 0.0
        self._before: Dict[int, object] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: object) -> None:
        now = time.monotonic()
        if self.received is None:
            self.received, self._time = signal.Signals(number), now
        elif now - self._time > _SAME:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
