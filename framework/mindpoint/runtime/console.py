"""Standard output and error: closed streams, missing readers, limited encodings, text that would control a terminal, colours and width."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import sys
from typing import Optional, TextIO

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


_STYLES = {"bold": 1, "bad": 31, "good": 32, "doubtful": 33}  # codes of terminals: bold, red, green, yellow


def colored(stream: TextIO) -> bool:
    """Return whether a stream takes colours: ``NO_COLOR`` forbids them, ``FORCE_COLOR`` and ``CLICOLOR_FORCE`` force them. By default,
    terminals take them, unless ``CLICOLOR=0`` or ``TERM=dumb``."""
    said = os.environ.get
    if said("NO_COLOR"):
        return False
    if any(said(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return said("CLICOLOR") != "0" and said("TERM") != "dumb" and stream.isatty() and (os.name != "nt" or "WT_SESSION" in os.environ)


def styled(text: str, style: Optional[str], stream: Optional[TextIO] = None) -> str:
    """Return a text with terminal codes for its style, or unchanged if the stream does not take colours. The default stream is standard
    output.

    Args:
        style: ``bold``, ``good`` (green), ``bad`` (red), ``doubtful`` (yellow), or None.
    """
    stream = sys.stdout if stream is None else stream
    if not style or not text or not colored(stream):
        return text
    escape = "\x1b" + getattr(stream, "mark", "")
    return f"{escape}[{_STYLES[style]}m{text}{escape}[0m"


def columns() -> Optional[int]:
    """Return the width of standard output: the width of its terminal, or the value of ``COLUMNS``; None if lines may have any length, as in
    a pipe."""
    said = os.environ.get("COLUMNS", "")
    known = sys.stdout.isatty() or re.fullmatch("0*[1-9][0-9]{0,5}", said)
    return shutil.get_terminal_size().columns if known else None


def printable(text: str) -> str:
    """Return a text with escaped control characters, such as ``\\x1b``: those in a file name must not control the terminal.

    Line ends and tabs are kept.
    """
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


def prepare() -> None:
    """Make standard output and error usable: a closed one is replaced by the null device, and characters that the encoding lacks are
    escaped. Standard output escapes control characters, too. Standard error keeps them, because progress lines are redrawn with them."""
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
    """A text stream that passes everything on to another stream."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


class _Printable(_Stream):
    """A text stream that escapes control characters, except those of :func:`styled`, which have a mark that no other text can have.

    Attributes:
        mark: secret of this process.
    """

    def __init__(self, stream: TextIO):
        super().__init__(stream)
        self.mark = secrets.token_hex(16)

    def write(self, text: str) -> int:
        self.stream.write("\x1b".join(map(printable, text.split("\x1b" + self.mark))))
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
