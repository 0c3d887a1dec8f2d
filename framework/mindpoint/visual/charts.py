"""Line and bar charts as files. Needs no display; matplotlib is imported when the first one is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import List, Mapping, Sequence, Tuple, Union

from mindpoint.storage.files import atomic_write
from mindpoint.errors import OutputError


@dataclass(frozen=True)
class Panel:
    """One pair of axes of a chart.

    Attributes:
        title: what is drawn.
        series: by its label, the x and y values of a line, or the places and heights of bars; x of bars may be names. NaN leaves a gap.
            A single series without a name is not labelled.
        x_label: below the horizontal axis.
        bars: bars and not lines.
        log: the vertical axis is logarithmic, if the values differ by more than a factor of ten.
    """

    title: str
    series: Mapping[str, Tuple[Sequence, Sequence[float]]]
    x_label: str = ""
    bars: bool = False
    log: bool = False


def write_chart(path: Union[str, Path], panels: Sequence[Panel], columns: int = 3, title: str = "") -> None:
    """Draw the panels row by row into a picture whose format is that of the file's ending (``.png``, ``.svg``, ``.pdf``).

    Raises:
        OutputError: the file cannot be written, or its ending is no known format.
    """
    from matplotlib.figure import Figure  # by itself, without pyplot, it keeps no state and needs no display

    columns = max(1, min(columns, len(panels)))
    rows = max(1, -(-len(panels) // columns))
    figure = Figure(figsize=(5 * columns, 3.2 * rows), dpi=100, layout="constrained")
    if Path(path).suffix[1:].lower() not in figure.canvas.get_supported_filetypes():
        raise OutputError(f"{path}: pictures of charts end in .png, .svg or .pdf")
    figure.suptitle(title or None)
    for place, panel in enumerate(panels, start=1):
        _draw(figure.add_subplot(rows, columns, place), panel)
    with atomic_write(path) as temporary:
        figure.savefig(temporary)


def _draw(axes, panel: Panel) -> None:
    axes.set_title(panel.title, fontsize=11, wrap=True)
    axes.set_xlabel(panel.x_label)
    axes.grid(True, axis="y" if panel.bars else "both", color="0.9")
    axes.set_axisbelow(True)
    if panel.log and _spans_decades(panel):
        axes.set_yscale("log")
    if not panel.bars and all(float(place).is_integer() for x, _ in panel.series.values() for place in x):
        axes.xaxis.get_major_locator().set_params(integer=True)  # steps have no halves
    for number, (label, (x, y)) in enumerate(panel.series.items()):
        if panel.bars:
            _bars(axes, x, y, label, number, len(panel.series))
        else:
            marked = None if len(x) < 20 else _alone(y)
            axes.plot(x, y, label=label, linewidth=1.3, marker="o", markersize=3, markevery=marked)
    if any(panel.series):
        axes.legend(fontsize=8)


def _alone(y: Sequence[float]) -> List[int]:
    """Places of values between two gaps, where no line is drawn."""
    gaps = [True, *(math.isnan(value) for value in y), True]
    return [place for place in range(len(y)) if gaps[place] and not gaps[place + 1] and gaps[place + 2]]


def _spans_decades(panel: Panel) -> bool:
    values = [value for _, y in panel.series.values() for value in y if value > 0]
    return bool(values) and max(values) > 10 * min(values)


def _bars(axes, x: Sequence, y: Sequence[float], label: str, number: int, of: int) -> None:
    """Bars of several series stand side by side."""
    width = 0.8 / of
    places = [place + (number - (of - 1) / 2) * width for place in range(len(x))]
    axes.bar(places, y, width, label=label)
    axes.set_xticks(range(len(x)), [str(name) for name in x])
    if sum(len(str(name)) for name in x) > 45:
        axes.tick_params("x", rotation=90, labelsize=8)
