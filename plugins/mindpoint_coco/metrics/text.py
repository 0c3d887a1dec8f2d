"""Statistics as text."""

from __future__ import annotations

import math
from typing import Dict, List, Mapping, Sequence, Tuple

from mindpoint.runtime.console import columns
from mindpoint.runtime.tables import display_width

_INDENT = " " * 10


def table(stats: Mapping[str, float], explained: Mapping[str, str]) -> str:
    """Return two lines for each group of statistics, names and values, then a line for each class or joint.

    Args:
        stats: values by name, ``group/statistic`` or ``group/statistic/part``; NaN becomes ``n/a``.
        explained: a line to show below the values, by group.
    """
    lines: List[str] = []
    for group in dict.fromkeys(name.split("/")[0] for name in stats):
        parts: Dict[str, Dict[str, str]] = {"": {}}
        for name, value in stats.items():
            if name.startswith(group + "/"):
                what, _, part = name[len(group) + 1 :].partition("/")
                parts.setdefault(part, {})[what] = "n/a" if math.isnan(value) else f"{value:.3f}"
        lines += _columns([("", parts.pop(""))], f"{group:<10}")
        lines += [_INDENT + explained[group]] if group in explained else []
        lines += _columns(list(parts.items()), _INDENT, "joint" if group == "joints" else "class") if parts else []
    return "\n".join(lines)


def _columns(rows: Sequence[Tuple[str, Mapping[str, str]]], start: str, what: str = "") -> List[str]:
    """Return a line of names and below it a line for each row, its name at the end; several such blocks where the terminal is narrow."""
    widths = {name: max(7, len(name) + 1) for _, values in rows for name in values}
    most = (columns() or math.inf) - len(_INDENT) - max(display_width(name) + 2 * bool(name) for name, _ in [*rows, (what, {})])
    lines, left = [], list(widths)
    while left:
        count = 1
        while count < len(left) and sum(widths[name] for name in left[: count + 1]) <= most:
            count += 1
        shown, left = left[:count], left[count:]
        names = "".join(name.rjust(widths[name]) for name in shown)
        lines.append(f"{start}{names}  {what}".rstrip())
        start = _INDENT
        for row, values in rows:
            numbers = "".join(values.get(name, "").rjust(widths[name]) for name in shown)
            lines.append(f"{_INDENT}{numbers}  {row}".rstrip())
    return lines
