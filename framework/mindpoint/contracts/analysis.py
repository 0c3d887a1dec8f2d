"""What a metric says beyond its statistics: tables, curves, and what became of every object. A report shows it, whatever the metric."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Sequence, Union

Cell = Union[str, int, float]


@dataclass(frozen=True)
class Table:
    """Attributes:
    title: heading.
    columns: names of the columns; the first one names the rows.
    rows: values; floats are shares in 0..1, or NaN where undefined.
    note: how to read it, and where its definitions come from.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True)
class Line:
    """One curve of a chart; ``x`` and ``y`` are as long as each other, in 0..1."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """Curves over one pair of axes, both from 0 to 1."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    note: str = ""


@dataclass(frozen=True)
class Kind:
    """A kind of error.

    Attributes:
        definition: what it means, in words.
        color: ``#rrggbb``; empty: one is chosen.
    """

    definition: str
    color: str = ""


@dataclass(frozen=True)
class Finding:
    """What became of one annotated or one found object.

    Attributes:
        record: the annotation or result record in COCO's format, with a key for each field.
        text: a few words, such as ``similarity 0.83``.
        kind: the error that the object as a whole is, a key of ``Analysis.kinds``; empty: none.
        parts: the same for each part, such as a point of the object's first field of points, empty where it is right; () if none is known.
    """

    record: dict
    text: str = ""
    kind: str = ""
    parts: Sequence[str] = ()


@dataclass(frozen=True)
class ImageFindings:
    """What became of the objects of one image.

    Attributes:
        error: 0 (all right) to 1 (nothing right).
        truth: annotated objects.
        found: results that count, best first.
    """

    error: float
    truth: List[Finding]
    found: List[Finding]

    def counts(self) -> Dict[str, int]:
        """Return how often each kind of error occurs, parts and objects together."""
        kinds = [kind for finding in (*self.truth, *self.found) for kind in (finding.kind, *finding.parts) if kind]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


@dataclass(frozen=True)
class Analysis:
    """Attributes:
    tables, charts: in the order of reading.
    kinds: kinds of error by name.
    images: findings by image id.
    threshold: score from which a result counts in ``images``.
    """

    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    kinds: Dict[str, Kind] = field(default_factory=dict)
    images: Dict[int, ImageFindings] = field(default_factory=dict)
    threshold: float = 0.0
