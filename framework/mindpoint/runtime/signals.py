"""SIGINT, SIGTERM and SIGHUP, noted and acted upon when it suits.

Whenever MindSpore runs a graph it puts a handler of its own in place of Python's, which makes a SIGTERM of every SIGINT. So a command uses
no handler: all threads block these signals, and one of ours waits for them.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import threading
import time
from typing import Iterator, Optional

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SAME = 1.0  # seconds within which several are one: they are sent to all processes of a group, and some pass them on


class Signals:
    """Signals that this process was sent.

    Attributes:
        received: the first one that came within :meth:`noted`.
    """

    def __init__(self) -> None:
        self.received: Optional[signal.Signals] = None
        self._time = 0.0
        self._noting = self._watching = self._came = False

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Take the signals meanwhile. Must begin before there are other threads, so before MindSpore is imported: they and child
        processes inherit that signals are blocked."""
        # a signal that is ignored, as SIGHUP below nohup, stays so; SIGINT is ignored too below a shell's &, but is still asked for
        self._heeded = [number for number in _SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._heeded)
        thread = threading.Thread(target=self._wait, name="signals", daemon=True)
        self._watching = True
        thread.start()
        try:
            yield
        finally:
            if not self._came:  # else the process ends, and the same signal may come once more
                self._watching = False
                signal.pthread_kill(thread.ident, signal.SIGTERM)  # lets it end
                thread.join()
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM meanwhile by handlers of Python, in a program that goes on and may have other threads, such as a notebook.

        MindSpore's handler makes a SIGTERM of a SIGINT that comes while a graph runs, so that both mean the same here. Outside of
        :meth:`noted`, and the second time, they raise KeyboardInterrupt. Only the main thread can have handlers; elsewhere nothing is done.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _handle(self, number: int, frame: object) -> None:
        now = time.monotonic()
        if self._noting and self.received is None:
            self.received, self._time = signal.Signals(number), now
        elif self.received is None or now - self._time >= _SAME:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Meanwhile the first signal is only noted, for the caller to act upon; a second one ends the process at once."""
        self._noting = True
        try:
            yield
        finally:
            self._noting = False

    def _wait(self) -> None:
        while True:
            number = signal.sigwait(self._heeded)
            if not self._watching:
                return
            self._came = True
            self._take(signal.Signals(number))

    def _take(self, number: signal.Signals) -> None:
        now = time.monotonic()
        if self._noting and self.received is None:
            self.received, self._time = number, now
        elif self.received is not None and now - self._time < _SAME:
            return
        elif self.received is None and number == signal.SIGINT:
            _thread.interrupt_main()  # KeyboardInterrupt
        else:
            os._exit(128 + number)
