"""Reading a COCO keypoint annotation file: checked, and with its defaults filled in."""

from __future__ import annotations

import json
import math
import os
import re
from typing import Any, Callable, Dict, List, Sequence

from mindpoint.errors import DataError


def read_annotations(path: str, classes: Sequence[str], joints: int, unlabelled: bool = False) -> dict:
    """The file as a COCO dictionary, restricted to the categories of ``classes``.

    Absent ``area`` becomes that of the box, ``iscrowd`` 0, ``num_keypoints`` the number of joints with a visibility above 0.
    An ``unlabelled`` file needs no annotations, and those that it has are left out.

    Raises:
        DataError: no such file, no JSON, a list or record that lacks keys, a category that is not there, ids that repeat
            or refer to no image, a box or keypoint array of the wrong length or with values that are no finite numbers.
    """
    content = load_json(path)
    if unlabelled:
        content = {**content, "annotations": []}
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise DataError(f"{path}: has no list '{key}'; a COCO annotation file holds images, annotations and categories")
    _check_images(path, content["images"])
    _check_records(path, "category", content["categories"], {"id": is_id, "name": is_text})
    category_ids = _category_ids(path, content["categories"], classes)
    _check_records(path, "annotation", content["annotations"], {"id": is_id, "image_id": is_id, "category_id": is_id})
    _check_references(path, content)
    wanted = set(category_ids)
    content["annotations"] = [record for record in content["annotations"] if record["category_id"] in wanted]
    content["categories"] = [record for record in content["categories"] if record["id"] in wanted]
    for record in content["annotations"]:
        _complete(f"{path}: annotation {record['id']}", record, joints)
    return content


def class_labels(content: dict, classes: Sequence[str]) -> Dict[int, int]:
    """Category id to index into ``classes``."""
    ids = {record["name"]: record["id"] for record in content["categories"]}
    return {ids[name]: label for label, name in enumerate(classes)}


def short_name(path: str) -> str:
    """The annotation file's name without ending and COCO's prefix."""
    return re.sub("^(person_keypoints|instances|image_info)_", "", os.path.splitext(os.path.basename(path))[0])


def few(values: Sequence[Any], count: int = 5) -> str:
    """The first values, for a message."""
    return ", ".join(str(value) for value in values[:count]) + (", ..." if len(values) > count else "")


def load_json(path: str) -> dict:
    """The JSON object in an annotation file, unchecked. Raises DataError if the file cannot be read or holds none."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such annotation file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}:{error.colno}: is no JSON: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no JSON: byte {error.start} is no UTF-8 text") from error
    if not isinstance(content, dict):
        hint = " (a list of records is a result file)" if isinstance(content, list) else ""
        raise DataError(f"{path}: the top level is no object with images, annotations and categories{hint}")
    return content


def is_id(value: Any) -> str:
    """What an id must be, if ``value`` is none; otherwise nothing."""
    return "" if type(value) is int else "a whole number"


def is_text(value: Any) -> str:
    """Likewise for a name."""
    return "" if isinstance(value, str) and value else "a text"


def is_size(value: Any) -> str:
    """Likewise for a width or height."""
    return "" if type(value) is int and value > 0 else "a positive whole number"


def finite(values: List[Any]) -> bool:
    """Whether all are numbers and neither infinite nor NaN."""
    try:
        return all(map(math.isfinite, values))
    except (TypeError, OverflowError):
        return False


def _check_records(path: str, kind: str, records: List[Any], fields: Dict[str, Callable[[Any], str]]) -> None:
    """Each record has the fields, with values of the right kind, and an id of its own."""
    seen = set()
    for position, record in enumerate(records):
        if not isinstance(record, dict):
            raise DataError(f"{path}: {kind} number {position} of the list is no object")
        name = record.get("id", f"number {position} of the list")
        for field, expected in fields.items():
            if field not in record:
                raise DataError(f"{path}: {kind} {name} lacks '{field}'")
            wanted = expected(record[field])
            if wanted:
                raise DataError(f"{path}: {kind} {name}: '{field}' is {record[field]!r}, not {wanted}")
        if record["id"] in seen:
            raise DataError(f"{path}: {kind} id {record['id']} stands more than once; ids must differ")
        seen.add(record["id"])


def _check_images(path: str, images: List[Any]) -> None:
    _check_records(path, "image", images, {"id": is_id, "file_name": is_text, "width": is_size, "height": is_size})


def _category_ids(path: str, categories: List[dict], classes: Sequence[str]) -> List[int]:
    names = [record["name"] for record in categories]
    absent = [name for name in classes if name not in names]
    if absent:
        raise DataError(f"{path}: no category is named {few(absent)}; there are {few(names, 20) or 'none'}; set 'classes' accordingly")
    for name in classes:
        if names.count(name) > 1:
            raise DataError(f"{path}: {names.count(name)} categories are named '{name}'; names must differ")
    return [record["id"] for record in categories if record["name"] in classes]


def _check_references(path: str, content: dict) -> None:
    for kind, key in (("image", "image_id"), ("category", "category_id")):
        known = {record["id"] for record in content["images" if kind == "image" else "categories"]}
        lost = [record for record in content["annotations"] if record[key] not in known]
        if lost:
            values = list(dict.fromkeys(record[key] for record in lost))
            raise DataError(
                f"{path}: {len(lost)} of {len(content['annotations'])} annotations have a {key} that no {kind} record has: {few(values)} "
                f"(annotation {few([record['id'] for record in lost])}); were two files mixed up, or ids renumbered?"
            )


def _complete(where: str, record: dict, joints: int) -> None:
    """Check box and keypoints of one annotation and fill in what is absent."""
    box = _numbers(where, record, "bbox", 4, "left, top, width, height")
    points = _numbers(where, record, "keypoints", 3 * joints, f"x, y, visibility of {joints} joints")
    if record.get("area") is None:
        record["area"] = box[2] * box[3]
    elif not finite([record["area"]]):
        raise DataError(f"{where}: 'area' is {record['area']!r}, not a finite number")
    if record.get("iscrowd") not in (None, 0, 1):
        raise DataError(f"{where}: 'iscrowd' is {record['iscrowd']!r}, neither 0 nor 1")
    record["iscrowd"] = int(record.get("iscrowd") or 0)
    if record.get("num_keypoints") is None:
        record["num_keypoints"] = sum(visibility > 0 for visibility in points[2::3])


def _numbers(where: str, record: dict, field: str, count: int, meaning: str) -> List[float]:
    if field not in record:
        raise DataError(f"{where} lacks '{field}'")
    values = record[field]
    if not isinstance(values, list) or len(values) != count:
        got = len(values) if isinstance(values, list) else repr(values)
        raise DataError(f"{where}: '{field}' must hold {count} numbers ({meaning}), got {got}")
    if not finite(values):
        raise DataError(f"{where}: '{field}' holds a value that is no finite number: {few(values, 12)}")
    return values
