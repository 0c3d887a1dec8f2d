"""The assembly of the page."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Dict, List, Sequence

from mindpoint._version import __version__
from mindpoint.contracts.analysis import Analysis, Cell, Chart, Kind, Table
from mindpoint.contracts.fields import Color, Field, Points
from mindpoint.storage.files import write_text
from mindpoint.visual.charts import svg_chart
from mindpoint.visual.html import document, note, section

_TILES = 3  # number of statistics of a group at the top of the page
_COLORS = ("#dc2626", "#9333ea", "#2563eb", "#eab308", "#0891b2", "#475569", "#db2777", "#65a30d")  # for kinds of error without a colour


@dataclass(frozen=True)
class Content:
    """The content of a page.

    Attributes:
        title: name of the evaluated model.
        data: description of the evaluated data.
        settings: settings of the evaluation by name.
        statistics: values by name, such as ``bbox/AP``; NaN where undefined.
        notes: sentences on possible problems.
        analysis: tables, charts and kinds of error.
        fields: fields of the objects besides box, label and score.
        images: see :func:`mindpoint.report.gallery.gallery`.
        evaluated: number of all evaluated images.
        judged: whether the metric rates each image.
    """

    title: str
    data: str
    settings: Dict[str, str]
    statistics: Dict[str, float]
    notes: Sequence[str]
    analysis: Analysis
    fields: Sequence[Field]
    images: List[dict]
    evaluated: int
    judged: bool = True


def write_page(content: Content, folder: Path) -> Path:
    """Write ``index.html``. Raises OutputError."""
    write_text(folder / "index.html", page(content))
    return folder / "index.html"


def page(content: Content) -> str:
    """Return the page as text."""
    groups = list(dict.fromkeys(name.split("/")[0] for name in content.statistics))
    charts = "".join(map(_chart, content.analysis.charts))
    tables = "".join(map(_table, content.analysis.tables))
    links = {"statistics": "Statistics", "curves": "Curves" * bool(charts), "errors": "Errors" * bool(tables), "images": "Images"}
    tiles = "".join(_tile(name, value) for group in groups for name, value in list(_of(group, content.statistics).items())[:_TILES])
    lead = (
        f"<p>{escape(content.data)}</p>{note(' · '.join(f'{name} {value}' for name, value in content.settings.items()))}"
        f'<div class="tiles">{tiles}</div><ul class="notes" id="notes">{"".join(f"<li>{escape(each)}</li>" for each in content.notes)}</ul>'
        f'<nav aria-label="Sections">{"".join(f"""<a href="#{place}">{name}</a>""" for place, name in links.items() if name)}</nav>'
    )
    main = (
        section(
            "Statistics", f'<div class="scroll">{"".join(_statistics(group, content.statistics) for group in groups)}</div>', "statistics"
        ),
        section("Curves", f'<div class="charts">{charts}</div>', "curves") if charts else "",
        f'<div id="errors">{tables}</div>' if tables else "",
        section("Images", note(_shown(content)) + _read("page.html"), "images"),
    )
    end = (
        f"<footer>mindpoint {escape(__version__)}</footer>\n"
        f'<script id="content" type="application/json">{_json(content)}</script>\n<script>\n{_read("page.js")}</script>'
    )
    return document(content.title, lead, "\n".join(main), end, _read("page.css"))


def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _shown(content: Content) -> str:
    count = len(content.images)
    which = "with the largest errors of" if content.judged else "of"
    some = f"the {count} images {which} {content.evaluated}" if count < content.evaluated else f"all {count} images"
    counted = f"; detections with a score of {content.analysis.threshold:.3f} or more" if content.analysis.images else ""
    return f"Shown: {some}{counted}."


def _json(content: Content) -> str:
    points = [field for field in content.fields if isinstance(field, Points)]
    kinds = _colored(content.analysis.kinds)
    values = {
        "judged": content.judged,
        "kinds": {name: {"definition": kind.definition, "color": kind.color} for name, kind in kinds.items()},
        "points": [
            {"name": field.name, "names": field.names, "lines": field.lines, "colors": list(map(_css, field.colors))} for field in points
        ],
        "images": content.images,
    }
    return json.dumps(values, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")  # keeps a text from ending the script element


def _colored(kinds: Dict[str, Kind]) -> Dict[str, Kind]:
    """Return the kinds of error; those without a colour get an unused one, if available."""
    free = [color for color in _COLORS if color not in {kind.color for kind in kinds.values()}] or list(_COLORS)
    choices = itertools.cycle(free)
    return {name: Kind(kind.definition, kind.color or next(choices)) for name, kind in kinds.items()}


def _css(color: Color) -> str:
    blue, green, red = color
    return f"#{red:02x}{green:02x}{blue:02x}"


def _chart(chart: Chart) -> str:
    return f'<figure class="chart"><figcaption>{escape(chart.title)}</figcaption>{svg_chart(chart)}{note(chart.note)}</figure>'


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "n/a"


def _tile(name: str, value: float) -> str:
    group, _, short = name.rpartition("/")
    return f'<div class="tile"><b>{_number(value)}</b><span>{escape(short)}</span><small>{escape(group)}</small></div>'


def _of(group: str, statistics: Dict[str, float]) -> Dict[str, float]:
    return {name: value for name, value in statistics.items() if name.split("/")[0] == group}


def _statistics(group: str, statistics: Dict[str, float]) -> str:
    """Return a table of the group's statistics, with a row for each part, such as a class or joint, that has statistics."""
    rows: Dict[str, Dict[str, float]] = {"": {}}
    for name, value in _of(group, statistics).items():
        what, _, part = name[len(group) + 1 :].partition("/")
        rows.setdefault(part, {})[what or group] = value
    columns = list(dict.fromkeys(name for values in rows.values() for name in values))
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in ([""] if len(rows) > 1 else []) + columns)
    body = ""
    for part, values in rows.items():
        head = f'<th scope="row">{escape(part or "all")}</th>' if len(rows) > 1 else ""
        cells = "".join(f"<td>{_number(values[name]) if name in values else ''}</td>" for name in columns)
        body += f"<tr>{head}{cells}</tr>"
    return f'<table class="numbers"><caption>{escape(group)}</caption><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>'


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    rows = "".join(f'<tr><th scope="row">{escape(str(row[0]))}</th>{"".join(map(_cell, row[1:]))}</tr>' for row in table.rows)
    shown = f'<div class="scroll"><table class="bars"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    return section(escape(table.title), shown + note(table.note))


def _cell(value: Cell) -> str:
    """Return a cell. A share has a bar of proportional length; a count of 0 is pale."""
    if not isinstance(value, float):
        pale = ' class="zero"' if value == 0 else ""
        return f"<td{pale}>{escape(str(value))}</td>"
    share = 100 * value if math.isfinite(value) else 0
    return f'<td class="share" style="--share:{share:.1f}%">{_number(value)}</td>'
