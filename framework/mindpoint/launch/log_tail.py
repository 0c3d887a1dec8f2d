"""Reading what a process writes to its log."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Optional

_TAIL = 20000  # bytes from the end in which the last error is looked for
_MINDSPORE = re.compile(r"(?s)\n+-{20,}\n- .*")  # what MindSpore adds to its errors: its call stack, titles between dashes
_LINES = 12  # of an error that is longer, the first ones


class LogTail:
    """Copies what is added to a file, from now on, to standard output.

    Args:
        path: the file, or None for nothing to show.
    """

    def __init__(self, path: Optional[Path]):
        self._file = open(path, "a+b") if path else None  # noqa: SIM115  open as long as the job runs
        if self._file:
            self._file.seek(0, 2)

    def show(self) -> None:
        """Copy what has come since the last time."""
        text = self._file.read() if self._file else b""
        if text:
            sys.stdout.write(text.decode(errors="replace"))
            sys.stdout.flush()


def last_error(log: Path) -> str:
    """Return the last message of ``mindpoint`` or the last traceback's end in a log; without either, its last line."""
    text = log.read_bytes()[-_TAIL:].decode(errors="replace").strip()
    starts = [match.start() for match in re.finditer(r"^(mindpoint: error:|Traceback \(most recent call last\):)", text, re.M)]
    found = text[starts[-1] :] if starts else text.rpartition("\n")[2]
    if found.startswith("Traceback"):
        found = re.sub(r"(?s)^.*\n(?=[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b)", "", found)
    found = _MINDSPORE.sub("", found)
    return "\n".join(found.splitlines()[:_LINES])
