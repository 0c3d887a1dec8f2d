"""Reads the log of a process."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Optional

_TAIL = 20000  # bytes at the end that are searched for the last error
_MINDSPORE = re.compile(r"(?s)\n+-{20,}\n- .*")  # MindSpore's additions to its errors: its call stack, titles between dashes
_LINES = 12  # maximum number of lines of an error, from the first


class LogTail:
    """Copies new content of a file to standard output.

    Args:
        path: the file, or None to show nothing.
    """

    def __init__(self, path: Optional[Path]):
        self._file = open(path, "a+b") if path else None  # noqa: SIM115  stays open while the job runs
        if self._file:
            self._file.seek(0, 2)

    def show(self) -> None:
        """Copy the content added since the last call."""
        text = self._file.read() if self._file else b""
        if text:
            sys.stdout.write(text.decode(errors="replace"))
            sys.stdout.flush()


def last_error(log: Path) -> str:
    """Return the last message of ``mindpoint`` or the end of the last traceback in a log; without either, its last line."""
    text = log.read_bytes()[-_TAIL:].decode(errors="replace").strip()
    starts = [match.start() for match in re.finditer(r"^(mindpoint: error:|Traceback \(most recent call last\):)", text, re.M)]
    found = text[starts[-1] :] if starts else text.rpartition("\n")[2]
    if found.startswith("Traceback"):
        found = re.sub(r"(?s)^.*\n(?=[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b)", "", found)
    found = _MINDSPORE.sub("", found)
    return "\n".join(found.splitlines()[:_LINES])
