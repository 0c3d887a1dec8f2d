"""Tables and lines that adapt to the width of the terminal. Wide characters, such as Chinese ones, take two columns of the terminal."""

from __future__ import annotations

import re
import unicodedata
from itertools import zip_longest
from typing import List, Optional, Sequence

from mindpoint.runtime import console

_GAP = "  "
_VERDICTS = {
    **dict.fromkeys(("ok", "pass", "better"), "good"),
    **dict.fromkeys(("BROKEN", "FAIL", "PROBLEM", "worse"), "bad"),
    "note": "doubtful",
}
"""Styles of the cells that hold only this word."""
_WIDE = "[\u2e80-\ud7ff\uf900-\ufaff\uff00-\uffef]"
_BREAK = re.compile(rf"(?<=\s)(?=\S)|(?:(?<=[/:])|(?<=\w\.))(?=[^\W\d])|(?={_WIDE})|(?<={_WIDE})(?=\S)")
"""Places where a line may end: after blanks, within paths and dotted names, beside wide characters; never within a number or a word."""


def table(titles: Optional[Sequence[str]], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns, without trailing blanks and without a newline at the end.

    Cells that do not fit into :func:`mindpoint.runtime.console.columns` are continued on further lines. If even single words and numbers do
    not fit side by side, the cells of a row are placed below each other. Nothing is cut.

    Args:
        titles: titles of the columns; None: the table has no titles.
        rows: the cells of each row; verdicts such as ``ok`` and ``FAIL`` are coloured.
    """
    heads = [] if titles is None else [list(titles)]
    grid, room = [*heads, *([*map(str, row)] for row in rows)], console.columns()
    widths = _widths(grid, room)
    if widths is None:
        return "\n".join(_stacked(titles or [""] * len(row), row, room) for row in grid[len(heads) :])
    lines = [line for row in grid for line in _aligned(row, widths, room)]
    bold = len(lines) and len(_aligned(grid[0], widths, room)) * len(heads)
    return "\n".join([console.styled(line, "bold") for line in lines[:bold]] + lines[bold:])


def flow(parts: Sequence[str], between: str = _GAP) -> str:
    """Return the parts joined by ``between`` in one line, or in several where the terminal is narrow. A part stays whole."""
    room, lines = console.columns(), list(parts[:1])
    for part in parts[1:]:
        line = lines[-1] + between + part
        if room is None or display_width(line) <= room:
            lines[-1] = line
        else:
            lines[-1] = f"{lines[-1]}{between}".rstrip()
            lines.append(_GAP + part)
    return "\n".join(lines)


def display_width(text: str) -> int:
    """Return the number of a terminal's columns that a text takes."""
    widths = {"W": 2, "F": 2}
    return sum(
        0 if unicodedata.category(letter) in ("Mn", "Me", "Cf") else widths.get(unicodedata.east_asian_width(letter), 1) for letter in text
    )


def _widths(grid: Sequence[Sequence[str]], room: Optional[int]) -> Optional[List[int]]:
    """Return the width of each column; the widest columns are narrowed until all fit. None if single words or numbers are too wide."""
    columns = list(zip(*grid))
    widths = [max(map(display_width, column)) for column in columns]
    spare = sum(widths) if room is None else room - len(_GAP) * (len(widths) - 1)
    if sum(widths) <= spare:
        return widths
    least = [max(display_width(piece.rstrip()) for cell in column for piece in _BREAK.split(cell)) for column in columns]
    if sum(least) > spare:
        return None
    while sum(widths) > spare:
        width, column = max((width, column) for column, width in enumerate(widths) if width > least[column])
        next_widest = max(widths[:column] + widths[column + 1 :], default=0)
        widths[column] = max(least[column], width - (sum(widths) - spare), min(width - 1, next_widest))
    return widths


def _aligned(row: Sequence[str], widths: Sequence[int], room: Optional[int]) -> List[str]:
    cells = [[cell] if room is None else _wrapped(cell, width) for cell, width in zip(row, widths)]
    return [
        _GAP.join(_colored(part) + " " * (width - display_width(part)) for part, width in zip(parts, widths)).rstrip()
        for parts in zip_longest(*cells, fillvalue="")
    ]


def _colored(cell: str) -> str:
    return console.styled(cell, _VERDICTS.get(cell.strip()))


def _stacked(titles: Sequence[str], row: Sequence[str], room: int) -> str:
    """Return the cells that are not empty, one below the other, all but the first indented."""
    lines: List[str] = []
    for title, cell in zip(titles, row):
        head, indent = f"{title}: " if title else "", _GAP * bool(lines)
        first, *more = _wrapped(head + cell, room - len(indent + _GAP))
        if cell:
            first = head + _colored(cell) if first == head + cell else first
            lines += [indent + first, *(indent + _GAP + line for line in more)]
    return "\n".join(lines)


def _wrapped(text: str, width: int) -> List[str]:
    """Return the lines of a text; a word or number that is wider than ``width`` has a line of its own."""
    lines: List[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for piece in _BREAK.split(paragraph):
            if line.strip() and display_width((line + piece).rstrip()) > width:
                lines.append(line.rstrip())
                line = ""
            line += piece
        lines.append(line.rstrip())
    return lines
