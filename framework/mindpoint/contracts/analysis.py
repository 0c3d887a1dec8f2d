"""Details of a metric beyond its statistics, for reports: tables, curves and the outcome of every object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Literal, Sequence, Union

Cell = Union[str, int, float]


@dataclass(frozen=True)
class Table:
    """A table of an analysis.

    Attributes:
        title: heading.
        columns: names of the columns; the first one names the rows.
        rows: values; floats are shares in 0..1, or NaN where undefined.
        note: how to read the table, with the sources of its definitions.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True)
class Line:
    """One curve, or the bars of one colour; ``x`` and ``y`` have the same length. NaN leaves a gap. For bars, ``x`` may hold names.

    A single line without a name is not labelled.
    """

    name: str
    x: Sequence
    y: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """Lines over one pair of axes.

    Attributes:
        title: heading.
        x_label, y_label: texts below and beside the axes; may be empty.
        lines: the lines, in the order of drawing.
        note: how to read the chart.
        form: ``curves``; ``shares``: curves, both axes from 0 to 1; ``log``: curves, the vertical axis logarithmic if the values differ by
            more than a factor of ten; ``bars``.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    note: str = ""
    form: Literal["shares", "curves", "log", "bars"] = "shares"


@dataclass(frozen=True)
class Kind:
    """A kind of error.

    Attributes:
        definition: its meaning, in words.
        color: ``#rrggbb``; empty: chosen automatically.
    """

    definition: str
    color: str = ""


@dataclass(frozen=True)
class Finding:
    """The outcome of one annotated or one detected object.

    Attributes:
        record: the annotation or result record in COCO's format, with a key for each field.
        text: description in a few words, such as ``similarity 0.83``.
        kind: the error of the object as a whole, a key of ``Analysis.kinds``; empty: the object is correct.
        parts: the error of each part, such as a point of the object's first field of points; empty where the part is correct; () if
            unknown.
    """

    record: dict
    text: str = ""
    kind: str = ""
    parts: Sequence[str] = ()


@dataclass(frozen=True)
class ImageFindings:
    """The outcomes of the objects of one image.

    Attributes:
        error: 0 (everything correct) to 1 (nothing correct).
        truth: annotated objects.
        found: results that count, best first.
    """

    error: float
    truth: List[Finding]
    found: List[Finding]

    def counts(self) -> Dict[str, int]:
        """Return the number of errors of each kind, parts and objects together."""
        kinds = [kind for finding in (*self.truth, *self.found) for kind in (finding.kind, *finding.parts) if kind]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


@dataclass(frozen=True)
class Analysis:
    """The details behind the statistics of an evaluation.

    Attributes:
        tables, charts: the tables and the charts, in the order of reading.
        kinds: kinds of error by name.
        images: findings by image id.
        threshold: least score of results in ``images``.
    """

    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    kinds: Dict[str, Kind] = field(default_factory=dict)
    images: Dict[int, ImageFindings] = field(default_factory=dict)
    threshold: float = 0.0
