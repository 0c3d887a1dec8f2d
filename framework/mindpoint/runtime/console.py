"""Standard output and standard error as they are found: closed, without a reader, in a narrow encoding."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from typing import TextIO

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return a text whose control characters are written out, such as ``\\x1b``: those of a file's name must not steer a terminal.

    Line ends and tabs stay.
    """
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


def prepare() -> None:
    """Make standard output and error usable whatever they are: one that is closed leads nowhere, a character that the encoding lacks is
    written out."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  open as long as the process
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def drop(stream: TextIO) -> None:
    """Let a stream that cannot be written lead nowhere: the interpreter flushes it once more when it ends, and that would fail, too."""
    with contextlib.suppress(OSError, ValueError):  # a stream without a file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def outlive() -> None:
    """Have what is printed from now on be dropped once nobody takes it, as when a terminal has gone: the work goes on."""
    sys.stdout, sys.stderr = _Outliving(sys.stdout), _Outliving(sys.stderr)


class _Outliving:
    """A text stream that goes quiet when writing fails."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._gone = False

    def write(self, text: str) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def isatty(self) -> bool:
        return not self._gone and self._stream.isatty()

    def _try(self, act) -> None:
        if not self._gone:
            try:
                act()
            except (OSError, ValueError):
                self._gone = True

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
