"""Checks that a checkpoint file is complete. Examines its records without reading the numbers, before MindSpore allocates memory for them.

MindSpore accepts a file that ends between two records, and trusts the sizes in a record. A file is a sequence of protobuf records, each
a parameter or a slice of one (name, sizes, type, bytes), followed by a checksum of 17 bytes.
"""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import Iterator, Tuple, Union

from mindpoint.errors import WeightsError

_ITEM_BYTES = {"Int8": 1, "UInt8": 1, "Bool": 1, "Int16": 2, "UInt16": 2, "Float16": 2, "BFloat16": 2}
_ITEM_BYTES.update({"Int32": 4, "UInt32": 4, "Float32": 4, "Int64": 8, "UInt64": 8, "Float64": 8})
_CHECK_SUM, _CHECK_SUM_BYTES = b"crc_num", 17
_MOST_DIMENSIONS, _MOST_RECORDS = 32, 1_000_000
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of protobuf

Span = Tuple[int, int]  # begin and end of a value in the file


class _Wrong(Exception):
    """The file is not a complete checkpoint; the message gives the reason."""


def check_complete(path: Union[str, Path], check_sum: bool = True) -> None:
    """Raise WeightsError if a file is not a checkpoint, or a parameter's bytes do not match its sizes.

    Args:
        check_sum: require a checksum at the end, as in checkpoints written by this framework.
    """
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _check(data, check_sum)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from error
    except (_Wrong, ValueError) as error:  # ValueError: an empty file cannot be mapped
        said = str(error) if isinstance(error, _Wrong) else "it is empty"
        kind = "checkpoint of mindpoint" if check_sum else "checkpoint of MindSpore"
        raise WeightsError(f"{path}: damaged, truncated, or not a {kind}: {said}; use another one or train again") from error


def _check(data: mmap.mmap, check_sum: bool) -> None:
    end = len(data) - _CHECK_SUM_BYTES
    if end < 0 or data[end : end + len(_CHECK_SUM)] != _CHECK_SUM:
        if check_sum:
            raise _Wrong("its checksum is missing; convert checkpoints of other implementations with 'mindpoint weights convert'")
        end = len(data)
    name, expected, found = None, 0, 0
    for count, (number, value) in enumerate(_fields(data, 0, end)):
        if number != 1 or isinstance(value, int) or count > _MOST_RECORDS:
            raise _Wrong("a record is not a parameter")
        record = dict(_fields(data, *value))
        if not isinstance(record.get(1), tuple) or not isinstance(record.get(2), tuple):
            raise _Wrong("a record lacks a name or numbers")
        begin, stop = record[1]
        size, stored = _sizes(data, record[2])
        if data[begin:stop] != name:
            _compare(name, expected, found)
            name, expected, found = data[begin:stop], size, 0
        found += stored
    _compare(name, expected, found)


def _compare(name: Union[bytes, None], expected: int, found: int) -> None:
    if expected not in (found, -1):
        shown = (name or b"")[:60].decode("utf-8", "replace")
        raise _Wrong(f"the sizes of '{shown}' need {expected} bytes, but there are {found}")


def _sizes(data: mmap.mmap, span: Span) -> Tuple[int, int]:
    """Return the number of bytes that a tensor needs (-1 for a text, of any length), and the number in this record."""
    dimensions, values = [], {}
    for number, value in _fields(data, *span):
        if number == 1:
            dimensions += [value] if isinstance(value, int) else list(_packed(data, *value))
        values[number] = value
        if len(dimensions) > _MOST_DIMENSIONS or any(side >= 2**40 for side in dimensions):
            raise _Wrong("a parameter has impossible sizes")
    kind, content = values.get(2), values.get(3, (0, 0))
    if not isinstance(kind, tuple) or not isinstance(content, tuple):
        raise _Wrong("the type of a parameter is missing")
    name = data[kind[0] : min(kind[1], kind[0] + 20)].decode("ascii", "replace")
    if name != "str" and name not in _ITEM_BYTES:
        raise _Wrong(f"a parameter has the unknown type '{name}'")
    stored = content[1] - content[0]
    if name == "str":
        if stored % 4:
            raise _Wrong("a text is truncated")
        return -1, stored
    return math.prod(dimensions if dimensions != [0] else []) * _ITEM_BYTES[name], stored


def _fields(data: mmap.mmap, position: int, end: int) -> Iterator[Tuple[int, Union[int, Span]]]:
    """Yield number and value of each field of a protobuf message: a whole number, or the span of its bytes."""
    while position < end:
        tag, position = _varint(data, position, end)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, position = _varint(data, position, end)
            yield number, value
            continue
        if wire not in (_BYTES, _FIXED32, _FIXED64):
            raise _Wrong("a record cannot be read")
        length, position = _varint(data, position, end) if wire == _BYTES else ({_FIXED32: 4, _FIXED64: 8}[wire], position)
        if length > end - position:
            raise _Wrong("a record is truncated")
        yield number, (position, position + length)
        position += length


def _packed(data: mmap.mmap, position: int, end: int) -> Iterator[int]:
    while position < end:
        value, position = _varint(data, position, end)
        yield value


def _varint(data: mmap.mmap, position: int, end: int) -> Tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise _Wrong("a record is truncated")
        byte = data[position]
        value, position = value | (byte & 127) << shift, position + 1
        if byte < 128:
            return value, position
    raise _Wrong("a record cannot be read")
