"""Matlab files of version 5 (MAT-file Level 5, as Matlab 5 to 7.2 write it): arrays of numbers, texts and structs.

The layout is described in "MAT-File Format" by The MathWorks. SciPy reads it too, but a damaged file can crash it. Objects and functions
are not read.
"""

from __future__ import annotations

import contextlib
import math
import struct
import zlib
from pathlib import Path
from typing import Dict, Iterator, NamedTuple, Tuple, Union

import numpy as np
from mindpoint.errors import DataError

_MOST_BYTES = 1 << 28  # limit of a file
_MOST_INFLATED = 1 << 29  # limit of a variable, in bytes
_MOST_NUMBERS = 1 << 25  # limit of an array
_MOST_FIELDS = 1000  # limit of a struct
_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_STRUCT, _TEXT, _NUMBERS = 2, 4, range(6, 16)  # classes of arrays; numbers are double, single and integers
Bytes = Union[bytes, memoryview]


class Array(NamedTuple):
    """An array in a file, whose content is decoded on demand.

    Attributes:
        name: name of the variable; empty inside of a struct.
        kind: the number of its class.
        shape: Matlab's axes.
        parts: the elements of its content, with their types.
        order: order of the bytes, ``<`` or ``>``.
    """

    name: str
    kind: int
    shape: Tuple[int, ...]
    parts: Iterator[Tuple[int, Bytes]]
    order: str

    def numbers(self) -> np.ndarray:
        """Return the numbers, float64, with Matlab's axes. A text that is a number counts as one. Raises ValueError for other arrays."""
        if self.kind == _TEXT:
            return np.array([float(self.text())]) if math.prod(self.shape) else np.zeros(0)
        if self.kind not in _NUMBERS:
            raise ValueError("expected an array of numbers, but found another type")
        kind, content = next(self.parts)
        values = np.frombuffer(content, self.order + _TYPES[kind])
        if values.size > _MOST_NUMBERS:
            raise ValueError(f"an array has more than {_MOST_NUMBERS:,} numbers")
        return values.astype(np.float64).reshape(self.shape, order="F")

    def text(self) -> str:
        """Return the text. Raises ValueError for other arrays."""
        if self.kind != _TEXT:
            raise ValueError("expected a text, but found another type")
        kind, content = next(self.parts)
        end = "le" if self.order == "<" else "be"
        return bytes(content).decode({4: f"utf-16-{end}", 17: f"utf-16-{end}", 18: f"utf-32-{end}"}.get(kind, "utf-8"))

    def records(self) -> Iterator[Dict[str, "Array"]]:
        """Yield the values of each element of a struct by name. An empty array of any class has no element. Raises ValueError for other
        arrays."""
        count = math.prod(self.shape)
        if not count:
            return
        if self.kind != _STRUCT:
            raise ValueError("expected a struct, but found another type")
        (_, length), (_, names) = next(self.parts), next(self.parts)
        (size,) = struct.unpack_from(f"{self.order}i", length)
        if size < 1 or not 0 < len(names) <= size * _MOST_FIELDS:
            raise ValueError(f"a struct must have 1 to {_MOST_FIELDS:,} fields")
        fields = [bytes(names[start : start + size]).split(b"\0")[0].decode("latin-1") for start in range(0, len(names), size)]
        for _ in range(count):
            yield {name: _array(*next(self.parts), self.order) for name in fields}


def matlab_array(path: Path, name: str) -> np.ndarray:
    """Return an array of numbers, float64, with Matlab's axes.

    Raises:
        DataError: the file is unreadable, damaged, of another version, or lacks the array.
    """
    with damaged(path):
        for array in _variables(path):
            if array.name == name and array.kind in _NUMBERS:
                return array.numbers()
    raise DataError(f"{path}: has no numeric array '{name}'")


def matlab_struct(path: Path, name: str) -> Iterator[Dict[str, Array]]:
    """Return the elements of a struct; use them inside of :func:`damaged`.

    Raises:
        DataError: the file is unreadable, damaged, of another version, or lacks the struct.
    """
    with damaged(path):
        for array in _variables(path):
            if array.name == name and array.kind == _STRUCT:
                return array.records()
    raise DataError(f"{path}: has no struct '{name}'")


@contextlib.contextmanager
def damaged(path: Path) -> Iterator[None]:
    """Turn the errors of a damaged file in the block into a DataError."""
    try:
        yield
    except (StopIteration, RuntimeError) as error:  # in a generator, a StopIteration becomes a RuntimeError
        raise DataError(f"{path}: damaged: it ends too early") from error
    except (struct.error, ValueError, KeyError, IndexError, zlib.error, OverflowError, MemoryError) as error:
        raise DataError(f"{path}: damaged: {error or 'it ends too early'}") from error


def first_variable(path: Path) -> str:
    """Return the name of the first variable, from the first bytes of the file; an empty text if it is not a Matlab file."""
    try:
        with open(path, "rb") as file:
            data = file.read(1 << 12)
        order = _byte_order(data)
        kind, _ = struct.unpack_from(f"{order}II", data, _HEADER)
        content = data[_HEADER + 8 :]
        if kind == _COMPRESSED:
            content = zlib.decompressobj().decompress(content, 1 << 10)[8:]
        parts = _elements(content, order)
        return [bytes(next(parts)[1]) for _ in range(3)][2].decode("latin-1")
    except (OSError, struct.error, ValueError, StopIteration, zlib.error):
        return ""


def _byte_order(data: bytes) -> str:
    """Return the order of the bytes. Raises ValueError for other files."""
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or data[124:126] not in (b"\x00\x01", b"\x01\x00"):
        raise ValueError("not a Matlab file of version 5")
    return order


def _variables(path: Path) -> Iterator[Array]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path}: has {path.stat().st_size:,} bytes; the limit is {_MOST_BYTES:,}")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        order = _byte_order(data)
    except ValueError as error:
        raise DataError(f"{path}: {error}; save it with -v7 or -v6") from error
    for kind, content in _elements(memoryview(data)[_HEADER:], order):
        if kind == _COMPRESSED:
            kind, content = next(_elements(memoryview(_inflated(content)), order))
        if kind == _MATRIX:
            yield _array(kind, content, order)


def _elements(data: Bytes, order: str) -> Iterator[Tuple[int, Bytes]]:
    """Yield type and content of each element. The tag of a small element contains its content, up to four bytes."""
    place = 0
    while place < len(data):
        kind, count = struct.unpack_from(f"{order}II", data, place)
        small = kind >> 16
        if small:
            kind, start, end, place = kind & 0xFFFF, place + 4, place + 4 + small, place + 8
        else:
            start, end = place + 8, place + 8 + count
            place = end if kind == _COMPRESSED else end + -count % 8
        if end > len(data) or (small and small > 4):
            raise ValueError("an element extends beyond the end")
        yield kind, data[start:end]


def _inflated(data: Bytes) -> bytes:
    engine = zlib.decompressobj()
    whole = engine.decompress(data, _MOST_INFLATED)
    if engine.unconsumed_tail:
        raise ValueError(f"a variable has more than {_MOST_INFLATED:,} bytes")
    return whole


def _array(kind: int, content: Bytes, order: str) -> Array:
    """Return the array in an element. Raises ValueError if it is another kind of element, or damaged."""
    if kind != _MATRIX:
        raise ValueError("an element is not an array")
    if not len(content):  # Matlab's short form of an empty array
        return Array("", _NUMBERS[0], (0, 0), iter(()), order)
    parts = _elements(content, order)
    (_, flags), (_, shape), (_, name) = next(parts), next(parts), next(parts)
    axes = np.frombuffer(shape, f"{order}i4")
    if not 2 <= len(axes) <= 8 or (axes < 0).any():
        raise ValueError("the axes are not valid sizes")
    return Array(bytes(name).decode("latin-1"), struct.unpack_from(f"{order}I", flags)[0] & 0xFF, tuple(axes.tolist()), parts, order)
