"""Handling of standard output and error that are closed, have no reader, or have a limited encoding, and of text that would control a
terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from typing import TextIO

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return a text with escaped control characters, such as ``\\x1b``: those in a file name must not control the terminal.

    Line ends and tabs stay.
    """
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


def prepare() -> None:
    """Make standard output and error usable: a closed one is replaced by the null device, and characters that the encoding lacks are
    escaped. Standard output escapes control characters, too; on standard error, lines are redrawn with them."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  stays open until the process ends
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if not isinstance(sys.stdout, _Stream):
        sys.stdout = _Printable(sys.stdout)


def drop(stream: TextIO) -> None:
    """Redirect an unwritable stream to the null device, because the interpreter's final flush would fail, too."""
    with contextlib.suppress(OSError, ValueError):  # a stream without a file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def outlive() -> None:
    """Discard output that cannot be written, e.g. after the terminal has closed, so that the work continues."""
    sys.stdout, sys.stderr = _Outliving(sys.stdout), _Outliving(sys.stderr)


class _Stream:
    """A text stream that passes on to another."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


class _Printable(_Stream):
    """A text stream that escapes control characters."""

    def write(self, text: str) -> int:
        self.stream.write(printable(text))
        return len(text)


class _Outliving(_Stream):
    """A text stream that becomes silent when writing fails."""

    _gone = False

    def write(self, text: str) -> int:
        self._try(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self.stream.flush)

    def isatty(self) -> bool:
        return not self._gone and self.stream.isatty()

    def _try(self, act) -> None:
        if not self._gone:
            try:
                act()
            except (OSError, ValueError):
                self._gone = True
