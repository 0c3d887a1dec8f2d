"""JSON files of other programs, read within limits: any error in a file gives one message."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Tuple, Type, Union

import numpy as np

from mindpoint.errors import DataError, MindpointError

MOST_LEVELS = 100
_LONGEST_NUMBER = 400  # digits
_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"?'
_STRINGS, _BRACKETS = re.compile(_STRING, re.DOTALL), re.compile(_STRING + rb"|([\[{])|[\]}]", re.DOTALL)
_STEP = np.zeros(256, np.int8)
_STEP[list(b"[{")], _STEP[list(b"]}")] = 1, -1
_CHUNK = 1 << 22


def read_json(path: Union[str, Path], kind: str, most_bytes: int = 2 << 30, error: Type[MindpointError] = DataError) -> object:
    """Return the content of a JSON file.

    Args:
        kind: kind of the file in messages, such as ``annotation file``.
        most_bytes: a larger file is rejected before it is read.
        error: class of the raised errors.

    Raises:
        DataError, or the class ``error``: the file is missing, unreadable, too large, not UTF-8, not JSON, nested too deeply, or has a
            number with too many digits. The message gives line and column if known.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or device might never end
            raise error(f"{path}: not a file; name the {kind}")
        if status.st_size > most_bytes:
            raise error(f"{path}: too large: the {kind} has {status.st_size:,} bytes, at most {most_bytes:,} are allowed")
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise error(f"{path}: no such {kind}") from None
    except OSError as failure:
        raise error(f"{path}: the {kind} cannot be read: {failure.strerror}") from failure
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        raise error(f"{path}: the {kind} is not UTF-8 text (byte {failure.start}); save it as UTF-8, or download it again") from failure
    return parse_json(text, str(path), kind, error)


def parse_json(text: str, place: str, kind: str, error: Type[MindpointError] = DataError) -> object:
    """Return the content of a JSON text; messages start with ``place``. Arguments and errors are those of :func:`read_json`."""
    _check_levels(text.encode("utf-8", "surrogatepass"), place, kind, error)
    try:
        return json.loads(text, parse_int=_whole)
    except json.JSONDecodeError as failure:
        at = f"{place}:{failure.lineno}:{failure.colno}"
        raise error(f"{at}: the {kind} is not JSON: {failure.msg}; it is damaged or truncated") from failure
    except _LongNumber as failure:
        line, column = _line_and_column(text, text.find(failure.digits))
        raise error(f"{place}:{line}:{column}: the {kind} cannot be used: a number has more than {_LONGEST_NUMBER} digits") from None
    except RecursionError:  # the nesting limit is reached first, unless the caller's own calls are nested deeply
        raise error(f"{place}: the {kind} is nested too deeply") from None


class _LongNumber(Exception):
    def __init__(self, digits: str) -> None:
        super().__init__()
        self.digits = digits


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise _LongNumber(digits)
    return int(digits)


def _check_levels(data: bytes, place: str, kind: str, error: Type[MindpointError]) -> None:
    outside, level = np.frombuffer(_STRINGS.sub(b"", data), np.uint8), 0
    for start in range(0, len(outside), _CHUNK):
        levels = level + np.cumsum(_STEP[outside[start : start + _CHUNK]], dtype=np.int32)
        level = int(levels[-1])
        if levels.max() > MOST_LEVELS:
            line, column = _line_and_column(data, _first_too_deep(data))
            raise error(f"{place}:{line}:{column}: the {kind} cannot be used: values are nested in more than {MOST_LEVELS} levels")


def _first_too_deep(data: bytes) -> int:
    level = 0
    for found in _BRACKETS.finditer(data):
        level += 1 if found.group(1) else -1 if found.group() in (b"]", b"}") else 0
        if level > MOST_LEVELS:
            return found.start()
    raise AssertionError


def _line_and_column(text: Union[str, bytes], position: int) -> Tuple[int, int]:
    end = "\n" if isinstance(text, str) else b"\n"
    return text.count(end, 0, position) + 1, position - text.rfind(end, 0, position)
