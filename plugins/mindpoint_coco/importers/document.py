"""Reading untrusted files: JSON, XML and tables, within limits; each value knows its location for messages."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Iterator, List, Optional, Tuple, Union
from xml.etree import ElementTree

from mindpoint.errors import DataError
from mindpoint.storage.json_file import parse_json, read_json

_MOST_BYTES = 256 << 20  # limit of a text file
_FARTHEST = 1e6  # pixels from the origin


def nearest(folder: Path, name: str) -> Optional[Path]:
    """Return the file of this name in a folder or the two above it, or None."""
    return next((above / name for above in (folder, *list(folder.parents)[:2]) if (above / name).is_file()), None)


class Item:
    """A value in a document, and its location.

    Args:
        value: the value in JSON, XML or a table.
        where: file and record, for the start of messages.
    """

    def __init__(self, value: object, where: str):
        self.value, self.where = value, where

    def __getitem__(self, key: Union[str, int]) -> Item:
        """Return the item at a key or position. Raises DataError if it is missing."""
        found = self.get(key)
        if found is None:
            raise DataError(f"{self.where}: lacks {key!r}")
        return found

    def get(self, key: Union[str, int]) -> Optional[Item]:
        """Return the item at a key or position; None if it is missing or null. Raises DataError if this value cannot have keys."""
        holder = self.list() if isinstance(key, int) else self.dict()
        try:
            value = holder[key]
        except (KeyError, IndexError):
            return None
        return None if value is None else Item(value, f"{self.where}: {key}" if isinstance(key, str) else f"{self.where}: number {key}")

    def __iter__(self) -> Iterator[Item]:
        """Yield the items of a list."""
        for number, value in enumerate(self.list()):
            yield Item(value, f"{self.where}: number {number}")

    def items(self) -> Iterator[Tuple[str, Item]]:
        """Yield keys and values of an object."""
        for key, value in self.dict().items():
            yield key, Item(value, f"{self.where}: {key}")

    def list(self) -> list:
        """Return the list, unchecked. Raises DataError if this is something else."""
        return self._of(list, "a list")

    def dict(self) -> dict:
        """Return the object with keys, unchecked. Raises DataError if this is something else."""
        return self._of(dict, "an object with keys")

    def _of(self, kind: type, name: str) -> object:
        if not isinstance(self.value, kind):
            raise DataError(f"{self.where}: is {_short(self.value)}, not {name}")
        return self.value

    def text(self) -> str:
        """Return the stripped text. Raises DataError if this is not a text, or empty."""
        text = self._of(str, "a text").strip()
        if not text or "\0" in text:
            raise DataError(f"{self.where}: is empty, or contains a zero byte")
        return text

    def label(self) -> str:
        """Return the text, or the digits of a number."""
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            return str(self.value)
        return self.text()

    def number(self, most: float = _FARTHEST) -> float:
        """Return a number, which may be given as text. Raises DataError for anything else, and for magnitudes above ``most``, which are
        outside of any image."""
        try:
            number = math.nan if isinstance(self.value, bool) else float(self.value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not abs(number) <= most:  # NaN too
            raise DataError(f"{self.where}: is {_short(self.value)}, not a number between -{most:,.0f} and {most:,.0f}")
        return number

    def whole(self, least: int = 0) -> int:
        """Return a whole number of at least ``least``."""
        number = self.number()
        if number != int(number) or number < least:
            raise DataError(f"{self.where}: is {_short(self.value)}, not a whole number from {least}")
        return int(number)

    def numbers(self, count: Optional[int] = None) -> List[float]:
        """Return a list of numbers. Raises DataError for anything else, and for another length than ``count``, if given."""
        values = self.list()
        if count is not None and len(values) != count:
            raise DataError(f"{self.where}: has {len(values)} numbers, not {count}")
        try:
            numbers = [float(value) for value in values if type(value) in (int, float)]
            if len(numbers) == len(values) and all(abs(number) <= _FARTHEST for number in numbers):
                return numbers
        except OverflowError:
            pass
        return [item.number() for item in self]


def _short(value: object) -> str:
    text = f"a {type(value).__name__}" if isinstance(value, (list, dict)) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def json_file(path: Path) -> Item:
    """Return the content of a JSON file. Raises DataError if it cannot be read; see :func:`read_json`."""
    return Item(read_json(path, "annotation file"), str(path))


def json_text(text: str, where: str) -> Item:
    """Return the content of a JSON text in another file."""
    return Item(parse_json(text, where, "text"), where)


def text_file(path: Path) -> str:
    """Return the text in a file. Raises DataError if it is too large, unreadable or not UTF-8."""
    try:
        if not path.is_file():
            raise DataError(f"{path}: not a file")
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise DataError(f"{path}: has {size:,} bytes; the limit is {_MOST_BYTES:,}")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text in UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def xml_file(path: Path) -> ElementTree.Element:
    """Return the root of an XML file. Raises DataError if it is unreadable, is not XML, or declares a document type."""
    text = text_file(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(f"{path}: declares a document type, which is not allowed; remove the declaration")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        line, column = getattr(error, "position", (1, 0))
        raise DataError(f"{path}:{line}:{column + 1}: not XML: {error}; it is damaged or truncated") from error


def attributes(element: ElementTree.Element, where: str) -> Item:
    """Return the attributes of an XML element."""
    return Item(dict(element.attrib), where)


def table_rows(path: Path) -> List[List[str]]:
    """Return the rows of a table in a CSV file, without empty ones. Raises DataError if it cannot be read."""
    try:
        rows = list(csv.reader(io.StringIO(text_file(path), newline=""), strict=True))
    except csv.Error as error:
        raise DataError(f"{path}: not a valid CSV table: {error}; it is damaged or truncated") from error
    return [row for row in rows if any(cell.strip() for cell in row)]


def named_rows(path: Path) -> Iterator[Item]:
    """Yield the cells of each row below the first, by the names in the first."""
    rows = table_rows(path)
    header = [name.strip() for name in rows[0]] if rows else []
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise DataError(f"{path}: row {number}: has {len(row)} cells, but the first row has {len(header)}; is the file truncated?")
        yield Item(dict(zip(header, row)), f"{path}: row {number}")


def begins(path: Path, count: int = 4000) -> str:
    """Return the first characters of a file, to recognise its format; an empty text if it cannot be read."""
    try:
        if not path.is_file():
            return ""
        with open(path, "rb") as file:
            return file.read(count).decode("utf-8-sig", "replace")
    except OSError:
        return ""


def files(source: Path, *patterns: str) -> List[Path]:
    """Return the source itself if it is a file with a matching name, or the matching files in it, sorted."""
    if source.is_file():
        return [source] if any(source.match(pattern.rpartition("/")[2]) for pattern in patterns) else []
    return sorted({path for pattern in patterns for path in source.glob(pattern) if path.is_file() and not path.name.startswith(".")})
