"""Messages of the framework on the console."""

from __future__ import annotations

import logging
import os
import sys

from mindpoint.runtime.console import printable


def errors_of_mindspore_only() -> None:
    """Keep MindSpore's log to errors, unless the user has set ``GLOG_v``: its warnings are about itself and drown what a user must see.

    The commands do this before they import MindSpore; a program that uses the framework decides for itself.
    """
    os.environ.setdefault("GLOG_v", "3")


class _StandardOutput(logging.StreamHandler):
    """Writes to what is standard output at the time."""

    @property
    def stream(self):
        return sys.stdout

    @stream.setter
    def stream(self, stream: object) -> None:
        pass


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def setup() -> None:
    """Show the framework's own messages, one plain line each, on standard output."""
    log = logging.getLogger("mindpoint")
    if not log.handlers:
        handler = _StandardOutput()
        handler.setFormatter(_Printable("%(message)s"))
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
