"""Putting the page together."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Dict, List, Sequence

from mindpoint._version import __version__
from mindpoint.contracts.analysis import Analysis, Cell, Table
from mindpoint_coco.keypoints import Keypoints
from mindpoint.storage.files import write_text
from mindpoint.report.charts import svg_chart

_HERE = Path(__file__).parent
_TILES = 3  # statistics of a kind at the top of the page


@dataclass(frozen=True)
class Content:
    """What a page shows.

    Attributes:
        title: what was evaluated.
        data: what it was evaluated on, in words.
        settings: how, by name.
        statistics: by name such as ``keypoints/AP``; NaN where undefined.
        notes: what may be wrong.
        analysis: tables, charts and kinds of error.
        keypoints: the joints.
        images: see :func:`mindpoint.report.gallery.gallery`.
        evaluated: number of all evaluated images.
    """

    title: str
    data: str
    settings: Dict[str, str]
    statistics: Dict[str, float]
    notes: Sequence[str]
    analysis: Analysis
    keypoints: Keypoints
    images: List[dict]
    evaluated: int


def write_page(content: Content, folder: Path) -> Path:
    """Write ``index.html``. Raises OutputError."""
    write_text(folder / "index.html", page(content))
    return folder / "index.html"


def page(content: Content) -> str:
    """The page as text."""
    kinds = list(dict.fromkeys(name.split("/")[0] for name in content.statistics))
    template = Template((_HERE / "page.html").read_text(encoding="utf-8"))
    settings = " · ".join(f"{escape(name)} {escape(value)}" for name, value in content.settings.items())
    return template.substitute(
        title=escape(content.title),
        data=escape(content.data),
        settings=settings,
        version=escape(__version__),
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        script=(_HERE / "page.js").read_text(encoding="utf-8"),
        tiles="".join(_tile(name, value) for kind in kinds for name, value in list(_of(kind, content.statistics).items())[:_TILES]),
        notes="".join(f"<li>{escape(note)}</li>" for note in content.notes),
        statistics="".join(_statistics(kind, content.statistics) for kind in kinds),
        charts="".join(map(svg_chart, content.analysis.charts)),
        tables="".join(map(_table, content.analysis.tables)),
        shown=_shown(content),
        content=_json(content),
    )


def _shown(content: Content) -> str:
    count = len(content.images)
    some = f"the {count} images with the largest errors of {content.evaluated}" if count < content.evaluated else f"all {count} images"
    counted = f"; detections with a score of {content.analysis.threshold:.3f} or more" if content.analysis.images else ""
    return escape(f"Shown: {some}{counted}.")


def _json(content: Content) -> str:
    joints = content.keypoints
    values = {
        "kinds": content.analysis.kinds,
        "joints": list(joints.names),
        "skeleton": [list(pair) for pair in joints.skeleton],
        "images": content.images,
    }
    return json.dumps(values, separators=(",", ":")).replace("<", "\\u003c")  # no text may end the script element


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "n/a"


def _tile(name: str, value: float) -> str:
    kind, _, short = name.rpartition("/")
    return f'<div class="tile"><b>{_number(value)}</b><span>{escape(short)}</span><small>{escape(kind)}</small></div>'


def _of(kind: str, statistics: Dict[str, float]) -> Dict[str, float]:
    return {name: value for name, value in statistics.items() if name.split("/")[0] == kind}


def _statistics(kind: str, statistics: Dict[str, float]) -> str:
    chosen = _of(kind, statistics)
    names = "".join(f'<th scope="col">{escape(name.split("/")[-1])}</th>' for name in chosen)
    values = "".join(f"<td>{_number(value)}</td>" for value in chosen.values())
    return (
        f'<table class="numbers"><caption>{escape(kind)}</caption><thead><tr>{names}</tr></thead><tbody><tr>{values}</tr></tbody></table>'
    )


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    rows = "".join(f'<tr><th scope="row">{escape(str(row[0]))}</th>{"".join(map(_cell, row[1:]))}</tr>' for row in table.rows)
    return (
        f"<section><h2>{escape(table.title)}</h2>"
        f'<div class="scroll"><table class="bars"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f'<p class="note">{escape(table.note)}</p></section>'
    )


def _cell(value: Cell) -> str:
    """Shares have a bar as long as they are large."""
    if not isinstance(value, float):
        return f"<td>{escape(str(value))}</td>"
    share = 100 * value if math.isfinite(value) else 0
    return f'<td class="share" style="--share:{share:.1f}%">{_number(value)}</td>'
