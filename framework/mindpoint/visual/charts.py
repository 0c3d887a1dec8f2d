"""Line and bar charts as files or within web pages. A display is not needed. Matplotlib is imported when the first chart is drawn."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import List, Mapping, Sequence, Tuple, Union

from mindpoint.errors import OutputError
from mindpoint.storage.files import atomic_write


@dataclass(frozen=True)
class Panel:
    """One pair of axes of a chart.

    Attributes:
        title: title of the panel.
        series: by its label, the x and y values of a line, or the places and heights of bars; x of bars may be names. NaN leaves a gap.
            A single series without a name is not labelled.
        x_label: below the horizontal axis.
        bars: draw bars instead of lines.
        log: the vertical axis is logarithmic, if the values differ by more than a factor of ten.
        y_label: beside the vertical axis.
        shares: both axes range from 0 to 1.
    """

    title: str
    series: Mapping[str, Tuple[Sequence, Sequence[float]]]
    x_label: str = ""
    bars: bool = False
    log: bool = False
    y_label: str = ""
    shares: bool = False


def write_chart(path: Union[str, Path], panels: Sequence[Panel], columns: int = 3, title: str = "") -> None:
    """Draw the panels row by row into a picture whose format is that of the file's ending (``.png``, ``.svg``, ``.pdf``).

    Raises:
        OutputError: the file cannot be written, or its ending is not a known format.
    """
    from matplotlib.figure import Figure  # without pyplot, it keeps no global state and needs no display

    columns = max(1, min(columns, len(panels)))
    rows = max(1, -(-len(panels) // columns))
    figure = Figure(figsize=(5 * columns, 3.2 * rows), dpi=100, layout="constrained")
    if Path(path).suffix[1:].lower() not in figure.canvas.get_supported_filetypes():
        raise OutputError(f"{path}: the name of a chart must end in .png, .svg or .pdf")
    figure.suptitle(title or None)
    for place, panel in enumerate(panels, start=1):
        _draw(figure.add_subplot(rows, columns, place), panel)
    with atomic_write(path) as temporary:
        figure.savefig(temporary)


def svg_chart(panel: Panel) -> str:
    """Return the panel as an ``<svg>`` element for a web page: without its title, its legend below, texts in the page's font.

    It contains only ids that it refers to itself, and different panels have different ids.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure, text = Figure(figsize=(5, 3.4 + 0.2 * -(-len(panel.series) // 2)), layout="constrained"), io.StringIO()
    axes = figure.add_subplot()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": repr(panel)}):
        _draw(axes, replace(panel, title=""), legend=False)
        if any(panel.series):
            figure.legend(loc="outside lower left", ncols=2, fontsize=9, frameon=False)
        figure.savefig(text, format="svg", transparent=True)
    return _slim(text.getvalue(), panel.title)


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


def _draw(axes, panel: Panel, legend: bool = True) -> None:
    axes.set_title(panel.title, fontsize=11, wrap=True)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    if panel.shares:
        axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.grid(True, axis="y" if panel.bars else "both", color="0.9")
    axes.set_axisbelow(True)
    if panel.log and _spans_decades(panel):
        axes.set_yscale("log")
    if not panel.bars and not panel.shares and all(float(place).is_integer() for x, _ in panel.series.values() for place in x):
        axes.xaxis.get_major_locator().set_params(integer=True)  # steps are whole numbers
    for number, (label, (x, y)) in enumerate(panel.series.items()):
        if panel.bars:
            _bars(axes, x, y, label, number, len(panel.series))
        else:
            marked = None if len(x) < 20 and not panel.shares else _alone(y)
            marker = "o" if marked is None or marked else None
            axes.plot(x, y, label=label, linewidth=1.3, marker=marker, markersize=3, markevery=marked)
    if legend and any(panel.series):
        axes.legend(fontsize=8)


def _alone(y: Sequence[float]) -> List[int]:
    """Return the positions of isolated values between two gaps, where no line is drawn."""
    gaps = [True, *(math.isnan(value) for value in y), True]
    return [place for place in range(len(y)) if gaps[place] and not gaps[place + 1] and gaps[place + 2]]


def _spans_decades(panel: Panel) -> bool:
    values = [value for _, y in panel.series.values() for value in y if value > 0]
    return bool(values) and max(values) > 10 * min(values)


def _bars(axes, x: Sequence, y: Sequence[float], label: str, number: int, of: int) -> None:
    """Draw the bars of several series side by side."""
    width = 0.8 / of
    places = [place + (number - (of - 1) / 2) * width for place in range(len(x))]
    axes.bar(places, y, width, label=label)
    axes.set_xticks(range(len(x)), [str(name) for name in x])
    if sum(len(str(name)) for name in x) > 45:
        axes.tick_params("x", rotation=90, labelsize=8)
