"""Tables for reading."""

from __future__ import annotations

from typing import Sequence


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns, without trailing blanks and without a newline at the end."""
    widths = [max(map(len, column)) for column in zip(titles, *rows)]
    return "\n".join("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths)).rstrip() for row in [titles, *rows])
