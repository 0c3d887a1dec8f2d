"""Signs of life: what the main thread of each process of a job is doing, in a file that the launcher watches.

A thread that beats by itself would go on beating while the main thread hangs; so the work itself beats.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

VARIABLE = "MINDPOINT_HEARTBEAT"  # path of this process's file, set by the launcher
FINISHED = "finished"  # the last beat of a process that has done its work
_SIZE = 200  # bytes; a file that is rewritten in place needs no space on a disk that is full

_file: Optional[int] = None


def watched() -> bool:
    """Tell whether a launcher watches this process."""
    return VARIABLE in os.environ


def beat(what: str) -> None:
    """Say that ``what`` begins now, e.g. ``"step 12"``. Costs microseconds; does nothing in a process that no launcher watches."""
    global _file
    if watched():
        if _file is None:
            _file = os.open(os.environ[VARIABLE], os.O_WRONLY)
        os.pwrite(_file, what.encode()[:_SIZE].ljust(_SIZE), 0)


def wait_for_launcher() -> None:
    """Say that all is done, and wait for the launcher to end this process when all have said so. MindSpore sends in threads of its own:
    what this process gave away last may still be in it, and others wait for it. Returns at once in a process that no launcher watches."""
    if watched():
        beat(FINISHED)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(60)


@dataclass(frozen=True)
class Beat:
    """The last sign of life.

    Attributes:
        what: what the process began to do.
        age: seconds since then.
    """

    what: str
    age: float


class Pulse:
    """The watcher's side of a process's file, which it makes; the process may start after that."""

    def __init__(self, path: Path):
        self._path = path
        path.write_bytes(b"start".ljust(_SIZE))
        self._written = path.stat().st_mtime_ns
        self._seen = time.monotonic()

    def last(self) -> Beat:
        """Return the last sign; its age counts from when it was first seen, on a clock that nobody sets."""
        written = self._path.stat().st_mtime_ns
        if written != self._written:
            self._written, self._seen = written, time.monotonic()
        return Beat(self._path.read_bytes().decode(errors="replace").strip(), time.monotonic() - self._seen)
