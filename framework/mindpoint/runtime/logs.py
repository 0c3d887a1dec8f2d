"""Console messages of the framework."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import Iterator, TextIO

from mindpoint.runtime.console import printable
from mindpoint.storage.files import append


def errors_of_mindspore_only() -> None:
    """Limit MindSpore's log to errors, unless the user has set ``GLOG_v``, because its internal warnings would hide important messages.

    The commands do this before they import MindSpore; a program that uses the framework decides for itself.
    """
    os.environ.setdefault("GLOG_v", "3")


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _Console(logging.StreamHandler):
    """Writes to the current standard output."""

    @property
    def stream(self) -> TextIO:
        return sys.stdout

    @stream.setter
    def stream(self, _: TextIO) -> None:
        pass

    def handleError(self, record: logging.LogRecord) -> None:
        raise  # the command reports it in one message, for the user to correct


def setup() -> None:
    """Print the framework's own messages on standard output, one plain line each."""
    log = logging.getLogger("mindpoint")
    if not log.handlers:
        handler = _Console()
        handler.setFormatter(_Printable("%(message)s"))
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


@contextlib.contextmanager
def transcript(path: Path) -> Iterator[None]:
    """Within the block, append everything printed on standard output to a file, line by line.

    Raises:
        OutputError: no permission or no space.
    """
    stdout = sys.stdout
    sys.stdout = _Copied(stdout, path)
    try:
        yield
    finally:
        sys.stdout = stdout


class _Copied:
    """A text stream that also copies whole lines to a file."""

    def __init__(self, stream: TextIO, path: Path):
        self._stream, self._path, self._line = stream, path, ""

    def write(self, text: str) -> int:
        self._stream.write(text)
        lines, newline, rest = (self._line + printable(text)).rpartition("\n")
        self._line = rest
        if newline:
            append(self._path, lines + newline)
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
