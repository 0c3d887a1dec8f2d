"""Random access to the records of a MindRecord file.

MindSpore reads MindRecord in its own order, and its access to single records is slow. For an image of 160 kB, ``MindPage`` takes 1.5 ms of
CPU time, and a ``MindDataset`` with a sampler of one index 6.6 ms. This module reads the bytes at the offset in the index and compares
their checksum, which takes 0.1 ms (``benchmarks/data_mindrecord.py``). The format (version 3.0):

- The file begins with the length of its header (8 bytes, least significant first) and the header, JSON. Page ``p`` begins at
  ``header_size + p * page_size``.
- The index is an SQLite file of the same name with ``.db``. Its table ``INDEXES`` has a row per record: the page of its arrays, their
  start and end in it, and the indexed columns, column ``x`` under the name ``x_0``.
- In its page, a record begins with its length (8 bytes, least significant first). Then follow, for every name in the header's
  ``blob_fields``, the length (8 bytes, most significant first) and the content. Bytes and floating-point arrays are stored unchanged; for
  arrays of integers see :func:`unpack_whole`.

Reading at an offset needs no lock, so any number of threads may share a :class:`Shard`; a pickled one reopens its file.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from typing import Dict, List, Sequence

import numpy as np
from mindpoint.errors import DataError

VERSION = "3.0"
_PLACE = ("PAGE_ID_BLOB", "PAGE_OFFSET_BLOB", "PAGE_OFFSET_BLOB_END")
_LENGTH = 8
_LARGEST_HEADER = 128 << 20  # MindSpore's limit


class Shard:
    """One MindRecord file and its index.

    Attributes:
        path: path of the file.
        rows: values of the requested indexed columns by name, in the order of the records.

    Raises:
        DataError: the file or its index is missing, is not MindRecord, has another version, or lacks these columns.
    """

    def __init__(self, path: str, columns: Sequence[str]) -> None:
        self.path, self._columns = path, tuple(columns)
        try:
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115  stays open
        except OSError as error:
            raise DataError(f"{path}: cannot be opened: {error.strerror}") from error
        header = self._header()
        self._pages, self._page_size = header["header_size"], header["page_size"]
        self.fields: List[str] = header["schema"][0]["blob_fields"]
        table = self._index()
        self._places = self._placed(table[: len(_PLACE)])
        self.rows = dict(zip(self._columns, map(list, table[len(_PLACE) :])))

    def __len__(self) -> int:
        return len(self._places)

    def __reduce__(self) -> tuple:
        return Shard, (self.path, self._columns)

    def read(self, row: int) -> Dict[str, bytes]:
        """Return the contents of the record's blob columns by name.

        Raises:
            ValueError: the columns are not where the index says.
            OSError: the file cannot be read.
        """
        page, begin, end = self._places[row].tolist()
        data = os.pread(self._file.fileno(), end - begin, self._pages + page * self._page_size + begin)
        contents, position = {}, _LENGTH
        for field in self.fields:
            start = position + _LENGTH
            position = start + int.from_bytes(data[position:start], "big")
            contents[field] = data[start:position]
        if position != len(data) or len(data) != end - begin:
            raise ValueError("its columns are not where the index says")
        return contents

    def size(self, row: int) -> int:
        """Return the size of the record's blob columns in bytes."""
        _, begin, end = self._places[row].tolist()
        return end - begin

    def _header(self) -> dict:
        try:
            length = int.from_bytes(os.pread(self._file.fileno(), _LENGTH, 0), "little")
            header = json.loads(os.pread(self._file.fileno(), length, _LENGTH)) if 0 < length <= _LARGEST_HEADER else {}
        except (OSError, ValueError, RecursionError):
            header = {}
        if not isinstance(header, dict) or not {"header_size", "page_size", "schema", "version"} <= set(header):
            raise DataError(f"{self.path}: is not a MindRecord file, or its beginning is damaged")
        sizes = header["header_size"], header["page_size"]
        if not all(type(size) is int and 0 < size <= 1 << 40 for size in sizes) or not _has_fields(header["schema"]):
            raise DataError(f"{self.path}: is not a MindRecord file, or its beginning is damaged")
        if header["version"] != VERSION:
            raise DataError(f"{self.path}: has MindRecord version {header['version']}; only version {VERSION} can be read")
        return header

    def _placed(self, table: List[tuple]) -> np.ndarray:
        """Return page, begin and end ``(N, 3)`` of the records. Raises DataError if a record is outside the file."""
        size = os.fstat(self._file.fileno()).st_size
        for row, place in enumerate(zip(*table)):
            sound = all(type(value) is int and 0 <= value <= size for value in place) and place[1] <= place[2]
            if not sound or self._pages + place[0] * self._page_size + place[2] > size:
                raise DataError(f"{self.path}.db: is damaged: record {row} points outside {self.path}")
        return np.array(table, np.int64).T.reshape(-1, len(_PLACE))

    def _index(self) -> List[tuple]:
        """Return the columns of the index."""
        path = self.path + ".db"
        if not os.path.isfile(path):
            raise DataError(f"{path}: is missing; a MindRecord file cannot be read without its index")
        names = [*_PLACE, *(f'"{column}_0"' for column in self._columns)]
        try:
            with closing(sqlite3.connect(f"file:{_quoted(path)}?mode=ro&immutable=1", uri=True)) as connection:
                rows = connection.execute(f"SELECT {', '.join(names)} FROM INDEXES ORDER BY ROW_ID").fetchall()
        except sqlite3.Error as error:
            raise DataError(
                f"{path}: is not the index of a MindRecord file with the columns {', '.join(self._columns)}: {error}"
            ) from error
        return list(zip(*rows)) or [()] * len(names)


def _has_fields(schema: object) -> bool:
    try:
        return all(isinstance(name, str) for name in schema[0]["blob_fields"])
    except (TypeError, KeyError, IndexError):
        return False


def _quoted(path: str) -> str:
    """Return the path as part of a URI."""
    from urllib.parse import quote

    return quote(os.path.abspath(path))


def unpack_whole(data: bytes, dtype: type) -> np.ndarray:
    """Unpack a one-dimensional column of integers from MindRecord's packed form.

    First comes the count of the numbers (4 bytes, most significant first). Then come two bits for each number, which encode its size of 1,
    2, 4 or 8 bytes; a byte holds four of these codes, beginning at the most significant bits. Then come the numbers (signed, least
    significant byte first).
    """
    count = int.from_bytes(data[:4], "big")
    position = 4 + -(-count // 4)
    values = []
    for number in range(count):
        size = 1 << (data[4 + number // 4] >> 2 * (3 - number % 4) & 3)
        values.append(int.from_bytes(data[position : position + size], "little", signed=True))
        position += size
    return np.array(values, dtype)
