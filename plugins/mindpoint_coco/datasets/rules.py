"""The rules for records in COCO format. Descriptions of problems follow the record's name in messages."""

from __future__ import annotations

import math
import os
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from mindpoint.contracts.fields import Field

SLACK = 1.0  # pixels by which a box may exceed the image: annotation tools round
LISTS = ("images", "annotations", "categories")
Rules = Dict[str, Callable[[Any], str]]


def is_id(value: Any) -> str:
    """Return an empty text if ``value`` is a valid id, otherwise the form that an id must have."""
    return "" if type(value) is int and -(1 << 63) <= value < 1 << 63 else "a whole number that fits into 64 bits"


def is_text(value: Any) -> str:
    """Return an empty text if ``value`` is a valid name, otherwise the form that a name must have."""
    return "" if isinstance(value, str) and value else "a text"


def is_size(value: Any) -> str:
    """Return an empty text if ``value`` is a valid width or height, otherwise the form that it must have."""
    return "" if type(value) is int and 0 < value < 1 << 31 else "a positive whole number of at most 31 bits"


def is_file_name(value: Any) -> str:
    """Return an empty text if ``value`` is a valid name of a file, otherwise the form that it must have."""
    try:
        return is_text(value) or ("a valid file name" if b"\0" in os.fsencode(value) else "")
    except UnicodeEncodeError:
        return "a valid file name"


IMAGE: Rules = {"id": is_id, "file_name": is_file_name, "width": is_size, "height": is_size}
CATEGORY: Rules = {"id": is_id, "name": is_text}
ANNOTATION: Rules = {"id": is_id, "image_id": is_id, "category_id": is_id}


def finite(values: List[Any]) -> bool:
    """Return whether all values are finite numbers."""
    try:
        return all(map(math.isfinite, values))
    except (TypeError, OverflowError):
        return False


def is_list(value: Any, count: int) -> bool:
    """Return whether this is a list of ``count`` finite numbers."""
    return isinstance(value, list) and len(value) == count and finite(value)


def few(values: Sequence[Any], count: int = 5) -> str:
    """Return the first ``count`` values as a text, for a message."""
    return ", ".join(str(value) for value in values[:count]) + (", ..." if len(values) > count else "")


def missing_list(content: dict) -> Optional[str]:
    """Return the name of a missing list of the file, or None."""
    absent = next((key for key in LISTS if not isinstance(content.get(key), list)), None)
    return absent and f"the list '{absent}' is missing; a COCO annotation file holds images, annotations and categories"


def key_problems(record: dict, rules: Rules) -> Iterator[Tuple[str, str]]:
    """Yield key and problem of each key that is missing or has a value of another kind."""
    for key, expected in rules.items():
        if key not in record:
            yield key, f"lacks '{key}'"
        elif expected(record[key]):
            yield key, f"'{key}' is {record[key]!r}, not {expected(record[key])}"


def box_problem(record: dict) -> Optional[str]:
    """Return the problem of the numbers of ``bbox``."""
    values = record.get("bbox")
    if "bbox" not in record:
        return "lacks 'bbox'"
    if not isinstance(values, list) or len(values) != 4:
        got = len(values) if isinstance(values, list) else repr(values)
        return f"'bbox' must hold 4 numbers (left, top, width, height), got {got}"
    return None if finite(values) else f"'bbox' holds a value that is not a finite number: {few(values)}"


def box_kinds(boxes: np.ndarray, sizes: np.ndarray) -> Dict[str, np.ndarray]:
    """Return a mask for each kind of unusual boxes. The first three cannot be learnt from; the last two mostly hint at another box
    format.

    Args:
        boxes: ``(N, 4)`` float64: left, top, width, height.
        sizes: ``(N, 2)``: width and height of the image.
    """
    near, extent = boxes[:, :2], boxes[:, 2:]
    empty = (extent <= 0).any(axis=1)
    off = ~empty & ((near >= sizes) | (near + extent <= 0)).any(axis=1)
    fractions = ~empty & ~off & (np.abs(boxes) <= 1).all(axis=1) & (near + extent <= 1.01).all(axis=1) & (sizes > 1).all(axis=1)
    over = ~empty & ~off & ((near < -SLACK) | (near + extent > sizes + SLACK)).any(axis=1)
    return {"empty box": empty, "box off the image": off, "box in fractions": fractions, "box over the edge": over}


def field_problem(record: dict, field: Field) -> Optional[str]:
    """Return the problem of a declared field, or None; a missing field is valid."""
    try:
        field.from_coco(record)
    except ValueError as error:
        return str(error)
    return None
