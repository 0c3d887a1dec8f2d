"""Conversion of objects to plain values: JSON, COCO's formats, table rows. Every declared field appears under its name."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence

import numpy as np

from mindpoint.contracts.fields import Field, Points
from mindpoint.contracts.instances import Detections, Instances


def to_records(found: Detections, classes: Sequence[str]) -> List[dict]:
    """Return a dictionary of JSON values for each object: ``class``, ``score``, ``box`` (left, top, right, bottom), then the fields.

    A field of points becomes a list of ``{"name", "x", "y", ...}``, one for each point that the object's class has. These dictionaries also
    hold the values of the fields that describe the points.
    """
    return [
        {
            "class": classes[int(found.labels[row])],
            "score": float(found.scores[row]),
            "box": found.boxes[row].tolist(),
            **{field.name: _value(found, field, row) for field in found.fields if field.of is None},
        }
        for row in range(len(found))
    ]


def _value(found: Instances, field: Field, row: int) -> object:
    value = found.values[field.name][row]
    if not isinstance(field, Points):
        return field.to_json(value)
    label = int(found.labels[row])
    inside = {other.key: field.own(found.values[other.name][row], label).tolist() for other in _of(field, found.fields)}
    return [
        {"name": name, "x": x, "y": y, **{key: values[number] for key, values in inside.items()}}
        for number, (name, (x, y)) in enumerate(zip(field.set_of(label).names, field.own(value, label)[:, :2].tolist()))
    ]


def _of(owner: Field, fields: Sequence[Field]) -> List[Field]:
    return [field for field in fields if field.of == owner.name]


def to_coco(found: Detections, image_id: int, category_ids: Sequence[int], decimals: Optional[int] = None) -> List[dict]:
    """Return records of COCO's result format: ``bbox`` is left, top, width, height; then the entries of each field.

    Args:
        category_ids: category ids by label.
        decimals: number of decimals to round all numbers to; None: not rounded.
    """
    boxes = found.boxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    records = [
        {"image_id": image_id, "category_id": category_ids[label], "bbox": box, "score": score}
        for label, box, score in zip(found.labels.tolist(), boxes.tolist(), found.scores.tolist())
    ]
    add_fields(records, found)
    if decimals is None:
        return records
    return [{key: _rounded(value, decimals) for key, value in record.items()} for record in records]


def from_coco(records: Sequence[dict], fields: Sequence[Field], category_ids: Sequence[int]) -> Detections:
    """Return the detections of one image from records of COCO's result format, the best first. A missing ``bbox`` becomes NaN. A point that
    annotations flag as present counts as visible.

    Args:
        fields: fields to read from a record besides box and score.
        category_ids: category ids by label.

    Raises:
        ValueError: a record holds another type of value.
    """
    best = sorted(records, key=lambda record: -record["score"])
    boxes = np.array([record.get("bbox") or [np.nan] * 4 for record in best], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    values = {field.name: np.array([field.from_coco(record) for record in best], field.dtype).reshape(-1, *field.shape) for field in fields}
    for field in fields:
        if isinstance(field, Points) and field.seen is not None:
            flags = values[field.name][..., field.seen]
            flags[flags > 0] = 2
    labels = np.array([category_ids.index(record["category_id"]) for record in best], np.int64)
    return Detections(boxes, np.array([record["score"] for record in best], np.float32), labels, fields, values)


def add_fields(records: Sequence[Dict[str, object]], found: Instances) -> None:
    """Add the entries of the fields to each object's COCO record, in place. Points that its class lacks are left out."""
    for field in found.fields:
        if field.of is None:
            for record, value, label in zip(records, found.values[field.name], found.labels.tolist()):
                record.update(field.to_coco(field.own(value, label) if isinstance(field, Points) else value))


def _rounded(value: object, decimals: int) -> object:
    if isinstance(value, list):
        return [_rounded(item, decimals) for item in value]
    return float(f"{value:.{decimals}f}") if isinstance(value, float) else value


def columns(fields: Sequence[Field]) -> List[str]:
    """Return the names of the table columns for the fields of one object."""
    names: List[str] = []
    for field in (field for field in fields if field.of is None):
        if isinstance(field, Points):
            parts = ["x", "y", *(other.key for other in _of(field, fields))]
            names += [f"{name}_{part}" for name in field.names for part in parts]
        else:
            names += field.columns()
    return names


def cells(found: Instances, row: int) -> List[object]:
    """Return the table cells of one object, in the order of :func:`columns`; empty for points that its class lacks."""
    values: List[object] = []
    for field in (field for field in found.fields if field.of is None):
        value = found.values[field.name][row]
        if isinstance(field, Points):
            inside, own = [found.values[other.name][row].tolist() for other in _of(field, found.fields)], field.owned
            for number, point in enumerate(zip(value[:, :2].tolist(), *inside)):
                known = [*point[0], *(int(cell) if isinstance(cell, bool) else cell for cell in point[1:])]
                values += known if own is None or own[int(found.labels[row]), number] else [""] * len(known)
        else:
            values += field.cells(value)
    return values
