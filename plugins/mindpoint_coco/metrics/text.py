"""Statistics as text."""

from __future__ import annotations

import math
from typing import Dict, List, Mapping

_INDENT = " " * 10


def table(stats: Mapping[str, float], explained: Mapping[str, str]) -> str:
    """Return two lines for each group of statistics, names and values, then a line for each class or joint.

    Args:
        stats: by name, ``group/statistic`` or ``group/statistic/part``; NaN becomes ``n/a``.
        explained: by group, a line below the values.
    """
    lines: List[str] = []
    for group in dict.fromkeys(name.split("/")[0] for name in stats):
        parts: Dict[str, Dict[str, str]] = {"": {}}
        for name, value in stats.items():
            if name.startswith(group + "/"):
                what, _, part = name[len(group) + 1 :].partition("/")
                parts.setdefault(part, {})[what] = "n/a" if math.isnan(value) else f"{value:.3f}"
        lines += _columns(parts.pop(""), f"{group:<10}")
        lines += [_INDENT + explained[group]] if group in explained else []
        for number, (part, values) in enumerate(parts.items()):
            titles, line = _columns(values, _INDENT)
            lines += [titles + ("  joint" if group == "joints" else "  class")] * (not number) + [f"{line}  {part}"]
    return "\n".join(lines)


def _columns(values: Mapping[str, str], start: str) -> List[str]:
    """Return a line of names and a line of values below them."""
    widths = {name: max(7, len(name) + 1) for name in values}
    titles = "".join(f"{name:>{width}}" for name, width in widths.items())
    return [start + titles, _INDENT + "".join(f"{values[name]:>{width}}" for name, width in widths.items())]
