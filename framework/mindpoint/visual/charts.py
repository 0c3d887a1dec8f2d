"""Line and bar charts as files or within web pages. A display is not needed. Matplotlib is imported when the first chart is drawn."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import List, Sequence, Union

from mindpoint.contracts.analysis import Chart, Line
from mindpoint.errors import OutputError
from mindpoint.storage.files import atomic_write


def write_chart(path: Union[str, Path], charts: Sequence[Chart], columns: int = 3, title: str = "") -> None:
    """Draw the charts row by row into a picture in the format of the file's ending (``.png``, ``.svg``, ``.pdf``).

    Raises:
        OutputError: the file cannot be written, or its ending is not a known format.
    """
    from matplotlib.figure import Figure  # without pyplot, it keeps no global state and needs no display

    columns = max(1, min(columns, len(charts)))
    rows = max(1, -(-len(charts) // columns))
    figure = Figure(figsize=(5 * columns, 3.2 * rows), dpi=100, layout="constrained")
    if Path(path).suffix[1:].lower() not in figure.canvas.get_supported_filetypes():
        raise OutputError(f"{path}: the name of a chart must end in .png, .svg or .pdf")
    figure.suptitle(title or None)
    for place, chart in enumerate(charts, start=1):
        _draw(figure.add_subplot(rows, columns, place), chart)
    with atomic_write(path) as temporary:
        figure.savefig(temporary)


def svg_chart(chart: Chart) -> str:
    """Return the chart as an ``<svg>`` element for a web page: without its title and note, its legend below, texts in the page's font.

    The element contains only the ids that it uses, and different charts have different ids.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure, text = Figure(figsize=(5, 3.4 + 0.2 * -(-len(chart.lines) // 2)), layout="constrained"), io.StringIO()
    axes = figure.add_subplot()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": repr(chart)}):
        _draw(axes, replace(chart, title=""), legend=False)
        if any(line.name for line in chart.lines):
            figure.legend(loc="outside lower left", ncols=2, fontsize=9, frameon=False)
        figure.savefig(text, format="svg", transparent=True)
    return _slim(text.getvalue(), chart.title)


def _slim(svg: str, title: str) -> str:
    """Return the part of matplotlib's SVG that a page needs: a third of its size."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)  # would style the whole page
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))

    def slim_tag(found: "re.Match[str]") -> str:
        tag = re.sub(r' id="([^"]*)"', lambda said: said.group() if said.group(1) in used else "", found.group())
        tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag).replace("xlink:href", "href")
        return re.sub(r"\s+", " ", re.sub(r"(\d\.\d)\d+", r"\1", tag))

    svg = re.sub(r"<[^>]*>", slim_tag, svg)
    svg = re.sub(r"<svg [^>]*(viewBox=\"[^\"]*\")[^>]*>", rf'<svg \1 stroke-linejoin="round" role="img" aria-label="{escape(title)}">', svg)
    return re.sub(r">\s+<", "><", svg).replace("<defs></defs>", "").strip()


def _draw(axes, chart: Chart, legend: bool = True) -> None:
    axes.set_title(chart.title, fontsize=11, wrap=True)
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    bars, shares = chart.form == "bars", chart.form == "shares"
    if shares:
        axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.grid(True, axis="y" if bars else "both", color="0.9")
    axes.set_axisbelow(True)
    if chart.form == "log" and _spans_decades(chart):
        axes.set_yscale("log")
    if not bars and not shares and all(float(place).is_integer() for line in chart.lines for place in line.x):
        axes.xaxis.get_major_locator().set_params(integer=True)  # steps are whole numbers
    for number, line in enumerate(chart.lines):
        if bars:
            _bars(axes, line, number, len(chart.lines))
        else:
            marked = None if len(line.x) < 20 and not shares else _alone(line.y)
            marker = "o" if marked is None or marked else None
            axes.plot(line.x, line.y, label=line.name, linewidth=1.3, marker=marker, markersize=3, markevery=marked)
    if legend and any(line.name for line in chart.lines):
        axes.legend(fontsize=8)


def _alone(y: Sequence[float]) -> List[int]:
    """Return the indices of isolated values between two gaps, where no line is drawn."""
    gaps = [True, *(math.isnan(value) for value in y), True]
    return [place for place in range(len(y)) if gaps[place] and not gaps[place + 1] and gaps[place + 2]]


def _spans_decades(chart: Chart) -> bool:
    values = [value for line in chart.lines for value in line.y if value > 0]
    return bool(values) and max(values) > 10 * min(values)


def _bars(axes, line: Line, number: int, of: int) -> None:
    """Draw the bars of one colour, beside the bars of the other colours."""
    width = 0.8 / of
    axes.bar([place + (number - (of - 1) / 2) * width for place in range(len(line.x))], line.y, width, label=line.name)
    axes.set_xticks(range(len(line.x)), [str(name) for name in line.x])
    if sum(len(str(name)) for name in line.x) > 45:
        axes.tick_params("x", rotation=90, labelsize=8)
