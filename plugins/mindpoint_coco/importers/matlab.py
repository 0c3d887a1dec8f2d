"""Arrays of numbers in Matlab files of version 5 (MAT-file Level 5, as Matlab 5 to 7.2 write it).

SciPy reads the format too, but a damaged file can crash it.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

import numpy as np
from mindpoint.errors import DataError

_MOST_BYTES = 1 << 28
_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMBERS = range(6, 16)  # classes of arrays: double, single, integers


def matlab_array(path: Path, name: str) -> np.ndarray:
    """Return an array of numbers, float64, with Matlab's axes.

    Raises:
        DataError: the file is unreadable, damaged, of another version, or lacks the array.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path}: has {path.stat().st_size:,} bytes; the limit is {_MOST_BYTES:,}")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or data[124:126] not in (b"\x00\x01", b"\x01\x00"):
        raise DataError(f"{path}: not a Matlab file of version 5; save it with -v7 or -v6")
    try:
        for kind, content in _elements(data[_HEADER:], order):
            if kind == _COMPRESSED:
                kind, content = next(_elements(_inflated(content), order))
            found = _array(content, order, name) if kind == _MATRIX else None
            if found is not None:
                return found
    except (struct.error, ValueError, KeyError, IndexError, StopIteration, zlib.error, OverflowError) as error:
        raise DataError(f"{path}: damaged: {error or 'it ends too early'}") from error
    raise DataError(f"{path}: has no numeric array '{name}'")


def _elements(data: bytes, order: str) -> Iterator[Tuple[int, bytes]]:
    """Yield type and content of each element. A small one has its content of up to four bytes in its tag."""
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


def _inflated(data: bytes) -> bytes:
    engine = zlib.decompressobj()
    whole = engine.decompress(data, _MOST_BYTES)
    if engine.unconsumed_tail:
        raise ValueError(f"an array has more than {_MOST_BYTES:,} bytes")
    return whole


def _array(data: bytes, order: str, name: str) -> Optional[np.ndarray]:
    """Return the array if it has that name and contains numbers, else None."""
    parts: List[Tuple[int, bytes]] = []
    for part in _elements(data, order):
        parts.append(part)
        if len(parts) == 4:
            break
    (_, flags), (_, shape), (_, said), (kind, content) = parts
    if said.decode("latin-1") != name or struct.unpack_from(f"{order}I", flags)[0] & 0xFF not in _NUMBERS:
        return None
    axes = np.frombuffer(shape, f"{order}i4")
    if not 2 <= len(axes) <= 8 or (axes < 0).any():
        raise ValueError("the axes are not valid sizes")
    values = np.frombuffer(content, order + _TYPES[kind])
    return values.astype(np.float64).reshape(axes.tolist(), order="F")
