"""A full check of a COCO annotation file, record by record.

Reading stops at the first mistake (:mod:`mindpoint_coco.datasets.coco_file`); this check continues, and also reports mistakes that do not
prevent reading. Both apply the rules in :mod:`mindpoint_coco.datasets.rules`.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np
from mindpoint.contracts.fields import Field
from mindpoint.errors import DataError

from mindpoint_coco.datasets import rules
from mindpoint_coco.datasets.annotation_check import Problem, annotation_problems
from mindpoint_coco.datasets.category_joints import distinct, joint_problems
from mindpoint_coco.datasets.naming import plain_name
from mindpoint_coco.datasets.restored import Measured, new_ids, tidied, tidied_image, whole
from mindpoint_coco.datasets.rules import few, is_id, is_list, is_size, is_text
from mindpoint_coco.datasets.training_check import are_corners
from mindpoint_coco.keypoints import AnnotatedJoints


def check_content(
    content: dict, classes: Sequence[str], fields: Sequence[Field] = (), measured: Optional[Measured] = None
) -> List[Problem]:
    """Return the problems of all records; annotations of categories outside of ``classes`` are ignored.

    Args:
        content: the file's JSON.
        fields: fields of annotations besides COCO's own keys, including joints.
        measured: the sizes of the image files, for records without a size.

    Raises:
        DataError: a list of images, annotations or categories is missing.
    """
    missing = rules.missing_list(content)
    if missing:
        raise DataError(missing)
    measured = measured or {}
    images, categories = by_id([tidied_image(record, measured) for record in content["images"]]), by_id(content["categories"])
    found = [*_image_problems(content["images"], measured), *_category_problems(content["categories"], classes, joints_of(fields))]
    other = [key for key, record in categories.items() if record.get("name") not in classes]
    found += _repeated("annotation", content["annotations"], mendable=True)
    moved = {**new_ids(content["images"]), **new_ids(content["categories"])}
    annotations, count = with_extents(content["annotations"], images)
    if count:
        text = f"{count} boxes seem to be left, top, right, bottom, not left, top, width, height: only then are they inside their images"
        found.append(Problem("corners", "all annotations", text, mendable=True))
    mine = []
    for position, record in enumerate(annotations):
        if not isinstance(record, dict):
            found.append(Problem("no object", f"annotation number {position} of the list", "is not an object"))
        elif whole(record.get("category_id")) not in other:
            found += annotation_problems(record, position, images, categories, fields, moved)
            mine.append(record)
    return [*found, *_twins(mine, images, fields)]


def joints_of(fields: Sequence[Field]) -> Optional[AnnotatedJoints]:
    """Return the field of joints with visibility, or None."""
    return next((field for field in fields if isinstance(field, AnnotatedJoints)), None)


def by_id(records: List[Any]) -> Dict[int, dict]:
    """Return the records with a usable id, by id."""
    return {whole(record["id"]): record for record in records if isinstance(record, dict) and whole(record.get("id")) is not None}


def _repeated(kind: str, records: List[Any], mendable: bool = False) -> Iterator[Problem]:
    alike: Dict[int, List[dict]] = {}
    for record in records:
        if isinstance(record, dict) and whole(record.get("id")) is not None:
            alike.setdefault(whole(record["id"]), []).append(record)
    for value, group in alike.items():
        if len(group) > 1:
            text = f"{len(group)} records have this id; ids must differ"
            yield Problem(f"repeated {kind} id", f"{kind} {value}", text, mendable or _are_one(group))


def _are_one(records: List[dict]) -> bool:
    """Return whether the records are equal, so that all but one can be removed."""
    return all(record == records[0] for record in records)


def with_extents(annotations: List[Any], images: Dict[int, dict]) -> Tuple[List[Any], int]:
    """Return the annotations with boxes as left, top, width, height, and the number of changed boxes. If the boxes as a whole seem to be
    left, top, right, bottom, all are changed; otherwise the number is 0.

    Args:
        images: image records by id.
    """
    rows = []
    for row, record in enumerate(annotations):
        image = images.get(whole(record.get("image_id")), {}) if isinstance(record, dict) else {}
        width, height = whole(image.get("width")), whole(image.get("height"))
        if image and not is_size(width) and not is_size(height) and is_list(record.get("bbox"), 4) and not record.get("iscrowd"):
            rows.append((row, record["bbox"], (width, height)))
    boxes, sizes = np.array([row[1] for row in rows], np.float64).reshape(-1, 4), np.array([row[2] for row in rows]).reshape(-1, 2)
    if not are_corners(boxes, sizes, rules.box_kinds(boxes, sizes)["box over the edge"]):
        return annotations, 0
    annotations = list(annotations)
    for row, (left, top, right, bottom), _ in rows:
        annotations[row] = {**annotations[row], "bbox": [left, top, right - left, bottom - top]}
    return annotations, len(rows)


def _image_problems(images: List[Any], measured: Measured) -> Iterator[Problem]:
    yield from _repeated("image", images)
    moved = new_ids(images)
    names: Dict[str, List[dict]] = {}
    for record in images:
        if isinstance(record, dict) and not is_text(record.get("file_name")):
            names.setdefault(record["file_name"], []).append(record)
    for position, record in enumerate(images):
        if not isinstance(record, dict):
            yield Problem("no object", f"image number {position} of the list", "is not an object")
            continue
        where = f"image {record.get('id', f'number {position} of the list')} ({record.get('file_name')})"
        yield from _keys(record, tidied_image(record, measured), where, rules.IMAGE, moved)
        alike = names.get(record["file_name"], []) if not is_text(record.get("file_name")) else []
        if len(alike) > 1:
            yield Problem("repeated file", where, f"{len(alike)} image records have this file", _are_one(alike))


def _keys(record: dict, tidy: dict, where: str, wanted: rules.Rules, moved: Dict[Union[int, str], int]) -> Iterator[Problem]:
    left = dict(rules.key_problems(tidy, wanted))
    for key, text in rules.key_problems(record, wanted):
        told = key not in left or key == "id" and isinstance(record.get(key), (int, str)) and record[key] in moved
        yield Problem(f"no {key}" if key not in record else f"wrong {key}", where, text, told)


def _category_problems(categories: List[Any], classes: Sequence[str], joints: Optional[AnnotatedJoints]) -> Iterator[Problem]:
    yield from _repeated("category", categories)
    moved = new_ids(categories)
    for position, record in enumerate(categories):
        if not isinstance(record, dict):
            yield Problem("no object", f"category number {position} of the list", "is not an object")
            continue
        where = f"category {record.get('id', f'number {position} of the list')} ({record.get('name')})"
        yield from _keys(record, tidied(record, "id"), where, rules.CATEGORY, moved)
        if record.get("name") in classes:
            mendable = joints is not None or isinstance(record.get("keypoints"), list)
            yield from (Problem(kind, where, text, mendable) for kind, text in joint_problems(record))
        said = record.get("keypoints")
        names = joints.names if joints is not None and record.get("name") in classes and isinstance(said, list) else None
        by_name = names is not None and whole(record.get("id")) in joints.by_name
        if (
            names is not None
            and not by_name
            and list(map(plain_name, said)) != list(map(plain_name, names))
            and distinct(said) != list(names)
        ):
            text = f"its joints are {few(said, 30)}, but the configuration has {few(names, 30)}"
            yield Problem("other joints", where, text)
    found = [record for record in categories if isinstance(record, dict)]
    for name in classes:
        alike = [record for record in found if record.get("name") == name]
        if len(alike) != 1:
            there = few([record.get("name") for record in found], 20) or "no categories"
            text = f"{len(alike) or 'no'} categories have this name; the file has {there}"
            yield Problem("class", f"class '{name}'", text, bool(alike) and _are_one(alike))


def _twins(annotations: List[dict], images: Dict[int, dict], fields: Sequence[Field]) -> Iterator[Problem]:
    what = "box and joints" if joints_of(fields) is not None else "box"
    for first, second in pairs_of_twins(annotations, fields):
        image = images.get(second["image_id"], {}).get("file_name")
        where = f"annotation {second.get('id')} (image {second['image_id']}, {image})"
        yield Problem("twin", where, f"has the {what} of annotation {first.get('id')}", mendable=True)


def pairs_of_twins(annotations: List[dict], fields: Sequence[Field]) -> Iterator[Tuple[dict, dict]]:
    """Yield pairs of an annotation and a later one with the same box and fields. With joints, only annotations with labelled joints are
    compared: boxes of people without labelled joints may repeat legitimately."""
    joints = joints_of(fields)
    seen: Dict[tuple, dict] = {}
    for record in annotations:
        if is_id(record.get("image_id")) or not is_list(record.get("bbox"), 4):
            continue
        points = record.get(joints.name) if joints is not None else [1]
        if isinstance(points, list) and any(points):
            key = (record["image_id"], str(record.get("category_id")), str(record["bbox"]))
            key += tuple(str(record.get(field.name)) for field in fields)
            if key in seen:
                yield seen[key], record
            else:
                seen[key] = record
