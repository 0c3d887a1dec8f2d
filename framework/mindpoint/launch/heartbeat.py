"""Heartbeats: the current activity of the main thread of each process of a job, in a file that the launcher watches.

A separate thread would keep writing heartbeats while the main thread hangs; therefore the main thread itself writes them.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

VARIABLE = "MINDPOINT_HEARTBEAT"  # path of this process's file, set by the launcher
FINISHED = "finished"  # the last beat of a completed process
_SIZE = 200  # bytes; rewriting a file in place needs no further disk space

_file: Optional[int] = None


def watched() -> bool:
    """Tell whether a launcher watches this process."""
    return VARIABLE in os.environ


def beat(what: str) -> None:
    """Report the start of ``what``, e.g. ``"step 12"``. Takes microseconds; does nothing without a launcher."""
    global _file
    if watched():
        if _file is None:
            _file = os.open(os.environ[VARIABLE], os.O_WRONLY)
        os.pwrite(_file, what.encode()[:_SIZE].ljust(_SIZE), 0)


def wait_for_launcher() -> None:
    """Report that the work is done, and wait for the launcher to end this process when all processes are done. MindSpore sends data in
    separate threads, which may still hold data that other processes wait for. Returns at once without a launcher."""
    if watched():
        beat(FINISHED)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(60)


@dataclass(frozen=True)
class Beat:
    """The last heartbeat.

    Attributes:
        what: the activity that the process began.
        age: its age in seconds.
    """

    what: str
    age: float


class Pulse:
    """The launcher's side of a process's file. It creates the file; the process may start later."""

    def __init__(self, path: Path):
        self._path = path
        path.write_bytes(b"start".ljust(_SIZE))
        self._written = path.stat().st_mtime_ns
        self._seen = time.monotonic()

    def last(self) -> Beat:
        """Return the last heartbeat. Its age counts from its first observation, on a monotonic clock."""
        written = self._path.stat().st_mtime_ns
        if written != self._written:
            self._written, self._seen = written, time.monotonic()
        return Beat(self._path.read_bytes().decode(errors="replace").strip(), time.monotonic() - self._seen)
