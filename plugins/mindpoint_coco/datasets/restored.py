"""Corrections of wrong values, from the value itself or from the rest of its record."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

from mindpoint_coco.datasets.rules import is_id, is_size

Measured = Mapping[str, Union[Tuple[int, int], str]]
"""By file name, height and width of each opened image; for unreadable ones, the error."""


def whole(value: Any) -> Optional[int]:
    """Return a value as a whole number of 64 bits: 1 for 1, 1.0 and "1"; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value, re.ASCII) or isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if is_id(value) else value


def number(value: Any) -> Any:
    """Convert a text such as "1.5" to a number; return anything else unchanged."""
    if isinstance(value, str) and re.fullmatch(
        r"\s*-?[0-9]{1,300}(\.[0-9]{0,300})?(e[-+]?[0-9]{1,3})?\s*", value, re.ASCII | re.IGNORECASE
    ):
        return float(value)
    return value


def numbers(values: Any) -> Any:
    """Convert the entries of a list with :func:`number`; return anything else unchanged."""
    return list(map(number, values)) if isinstance(values, list) else values


def new_ids(records: List[Any]) -> Dict[Union[int, str], int]:
    """Return a free id for each unusable id, a text or a number of more than 64 bits such as a hash, that only one record has."""
    said = Counter(record["id"] for record in records if isinstance(record, dict) and type(record.get("id")) in (int, str))
    used = set(map(whole, said))
    free = (key for key in itertools.count(1) if key not in used)
    return {key: next(free) for key, count in said.items() if whole(key) is None and count == 1}


def tidied(record: Any, *keys: str) -> Any:
    """Return a copy of a record with the values of these keys as whole numbers, if possible; return anything but a record unchanged."""
    if not isinstance(record, dict):
        return record
    return {**record, **{key: whole(record[key]) for key in keys if whole(record.get(key)) is not None}}


def tidied_image(record: Any, measured: Measured) -> Any:
    """Return a tidied copy of an image record. Width and height that are missing, unusable or swapped are taken from the image file."""
    record = tidied(record, "id", "width", "height")
    if not isinstance(record, dict):
        return record
    name = record.get("file_name")
    size = measured.get(name) if isinstance(name, str) else None
    if isinstance(size, tuple):
        said = record.get("height"), record.get("width")
        if any(map(is_size, said)) or said == size[::-1]:
            return {**record, "height": size[0], "width": size[1]}
    return record


def restored_points(points: Any, count: int) -> Optional[List[float]]:
    """Return x, y, visibility of the points, with visibilities 0, 1, 2. A value above 0, such as a probability, means labelled; a missing
    visibility means not labelled, and the position is then ignored. Return None if a number is missing."""
    points = numbers(points)
    if not isinstance(points, list) or len(points) != 3 * count:
        return None
    found: List[float] = []
    for x, y, visibility in zip(points[0::3], points[1::3], points[2::3]):
        if visibility is None or _number(visibility) and math.isnan(visibility):
            visibility = 0
        if not _number(visibility):
            return None
        if visibility not in (0, 1, 2):
            visibility = 0 if visibility <= 0 else 1 if visibility <= 1 else 2
        places = all(_number(value) and math.isfinite(value) for value in (x, y))
        if not places and visibility:
            return None
        found += [x, y, visibility] if places else [0, 0, 0]
    return found


def extent(points: List[float]) -> Optional[List[float]]:
    """Return the box (left, top, width, height) of the labelled points; None if it is empty."""
    rows = [row for row in zip(points[0::3], points[1::3], points[2::3]) if row[2] > 0]
    if not rows:
        return None
    xs, ys = [row[0] for row in rows], [row[1] for row in rows]
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    return box if min(box[2:]) > 0 else None


def box_from_joints(record: Dict[str, Any], joints: Any) -> Optional[List[float]]:
    """Return the bounding box of the joints of a record, or None. ``joints``: the field, or None."""
    points = restored_points(record.get(joints.name), joints.listed(record)) if joints is not None else None
    return extent(points) if points else None


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300 or isinstance(value, float)
