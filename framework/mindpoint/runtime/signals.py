"""Deferred handling of SIGINT, SIGTERM and SIGHUP.

When MindSpore runs a graph it replaces Python's signal handler with its own, which turns every SIGINT into a SIGTERM. Commands therefore
do not use a handler: all threads block these signals, and one of our threads waits for them.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import threading
import time
from typing import Iterator, Optional

_HANGUP = getattr(signal, "SIGHUP", None)  # Windows lacks it
_SIGNALS = tuple(number for number in (signal.SIGINT, signal.SIGTERM, _HANGUP) if number is not None)
_SAME = 1.0  # seconds within which signals count as one: all processes of a group receive them, and some pass them on


class Signals:
    """The signals received by this process.

    Attributes:
        received: the first one received within :meth:`noted`.
    """

    def __init__(self) -> None:
        self.received: Optional[signal.Signals] = None
        self._time = 0.0
        self._noting = self._watching = self._came = False

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Within the block, receive the signals. Must begin before other threads exist, so before MindSpore is imported: threads and child
        processes inherit the blocked signals. Systems that cannot block them (Windows) use :meth:`handled`."""
        if not hasattr(signal, "pthread_sigmask"):
            with self.handled():
                yield
            return
        # An ignored signal, such as SIGHUP under nohup, stays ignored. SIGINT is also ignored under a shell's &, but must be handled.
        self._heeded = [number for number in _SIGNALS if number != _HANGUP or signal.getsignal(number) != signal.SIG_IGN]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._heeded)
        thread = threading.Thread(target=self._wait, name="signals", daemon=True)
        self._watching = True
        thread.start()
        try:
            yield
        finally:
            if not self._came:  # otherwise the process is ending, and the same signal may arrive again
                self._watching = False
                signal.pthread_kill(thread.ident, signal.SIGTERM)  # wakes the thread, so that it ends
                thread.join()
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Within the block, handle SIGINT and SIGTERM in Python, in a program that continues and may have other threads, such as a
        notebook.

        MindSpore's handler turns a SIGINT that arrives while a graph runs into a SIGTERM, so both have the same effect here. Outside of
        :meth:`noted`, and for a second signal, they raise KeyboardInterrupt. Only the main thread can have handlers; in other threads this
        does nothing.
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
        """Within the block, only record the first signal, for the caller to act on; a second one ends the process at once."""
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
