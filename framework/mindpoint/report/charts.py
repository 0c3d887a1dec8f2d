"""Charts as SVG text."""

from __future__ import annotations

import math
from html import escape
from typing import List, Sequence

from mindpoint.contracts.analysis import Chart, Line

COLORS = ("#2563eb", "#ea580c", "#059669", "#9333ea", "#dc2626", "#0891b2", "#ca8a04", "#475569")
_WIDTH, _HEIGHT = 460, 300
_LEFT, _TOP, _RIGHT, _BOTTOM = 48, 10, 12, 42


def svg_chart(chart: Chart) -> str:
    """The chart with its title, legend and note as an HTML ``figure``; both axes go from 0 to 1."""
    lines = "".join(_polylines(line, COLORS[place % len(COLORS)]) for place, line in enumerate(chart.lines))
    names = "".join(
        f'<li><span class="swatch" style="background:{COLORS[place % len(COLORS)]}"></span>{escape(line.name)}</li>'
        for place, line in enumerate(chart.lines)
    )
    return (
        f'<figure class="chart"><figcaption>{escape(chart.title)}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(chart.title)}">{_axes(chart)}{lines}</svg>'
        f'<ul class="legend">{names}</ul><p class="note">{escape(chart.note)}</p></figure>'
    )


def _place(x: float, y: float) -> str:
    across = _LEFT + min(max(x, 0.0), 1.0) * (_WIDTH - _LEFT - _RIGHT)
    down = _TOP + (1 - min(max(y, 0.0), 1.0)) * (_HEIGHT - _TOP - _BOTTOM)
    return f"{across:.1f},{down:.1f}"


def _polylines(line: Line, color: str) -> str:
    """The curve, interrupted where it is undefined."""
    parts: List[List[str]] = [[]]
    for x, y in zip(line.x, line.y):
        if math.isfinite(x) and math.isfinite(y):
            parts[-1].append(_place(x, y))
        elif parts[-1]:
            parts.append([])
    return "".join(
        f'<polyline points="{" ".join(part)}" stroke="{color}"><title>{escape(line.name)}</title></polyline>' for part in parts if part
    )


def _axes(chart: Chart) -> str:
    marks: Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    pieces = []
    for mark in marks:
        (left, y), (right, _) = _place(0, mark).split(","), _place(1, mark).split(",")
        (x, bottom), (_, top) = _place(mark, 0).split(","), _place(mark, 1).split(",")
        pieces.append(f'<path class="grid" d="M{left},{y}H{right}M{x},{bottom}V{top}"/>')
        pieces.append(f'<text x="{float(left) - 6:.0f}" y="{float(y) + 4:.0f}" text-anchor="end">{mark:.1f}</text>')
        pieces.append(f'<text x="{x}" y="{float(bottom) + 16:.0f}" text-anchor="middle">{mark:.1f}</text>')
    middle = _TOP + (_HEIGHT - _TOP - _BOTTOM) / 2
    pieces.append(f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(chart.x_label)}</text>')
    turned = f'transform="rotate(-90 12 {middle:.0f})"'
    pieces.append(f'<text x="12" y="{middle:.0f}" {turned} text-anchor="middle">{escape(chart.y_label)}</text>')
    return "".join(pieces)
