"""A full check of a COCO annotation file, record by record.

Reading stops at the first mistake (:mod:`mindpoint_coco.datasets.coco_file`); this check continues, and also finds mistakes that can be
read. Both check the records by the rules in :mod:`mindpoint_coco.datasets.rules`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from mindpoint.contracts.fields import Field
from mindpoint.errors import DataError

from mindpoint_coco.datasets import rules
from mindpoint_coco.datasets.annotation_check import Problem, annotation_problems
from mindpoint_coco.datasets.category_joints import distinct, joint_problems
from mindpoint_coco.datasets.naming import plain_name
from mindpoint_coco.datasets.restored import Measured, tidied, tidied_image, whole
from mindpoint_coco.datasets.rules import few, is_id, is_list, is_text
from mindpoint_coco.keypoints import AnnotatedJoints


def check_content(
    content: dict, classes: Sequence[str], fields: Sequence[Field] = (), measured: Optional[Measured] = None
) -> List[Problem]:
    """Return the problems of all records; annotations of categories outside of ``classes`` are ignored.

    Args:
        content: the file's JSON.
        fields: fields of annotations besides COCO's own keys, including joints.
        measured: the sizes of the image files, used if a record lacks its size.

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
    mine = []
    for position, record in enumerate(content["annotations"]):
        if not isinstance(record, dict):
            found.append(Problem("no object", f"annotation number {position} of the list", "is not an object"))
        elif whole(record.get("category_id")) not in other:
            found += annotation_problems(record, position, images, categories, fields)
            mine.append(record)
    return [*found, *_twins(mine, images, fields)]


def joints_of(fields: Sequence[Field]) -> Optional[AnnotatedJoints]:
    """Return the field of joints with visibility, or None."""
    return next((field for field in fields if isinstance(field, AnnotatedJoints)), None)


def by_id(records: List[Any]) -> Dict[int, dict]:
    """Return the records that have a usable id, by it."""
    return {whole(record["id"]): record for record in records if isinstance(record, dict) and whole(record.get("id")) is not None}


def _repeated(kind: str, records: List[Any], mendable: bool = False) -> Iterator[Problem]:
    ids = Counter(whole(record["id"]) for record in records if isinstance(record, dict) and whole(record.get("id")) is not None)
    for value, count in ids.items():
        if count > 1:
            yield Problem(f"repeated {kind} id", f"{kind} {value}", f"{count} records have this id; ids must differ", mendable)


def _image_problems(images: List[Any], measured: Measured) -> Iterator[Problem]:
    yield from _repeated("image", images)
    names = Counter(record["file_name"] for record in images if isinstance(record, dict) and not is_text(record.get("file_name")))
    for position, record in enumerate(images):
        if not isinstance(record, dict):
            yield Problem("no object", f"image number {position} of the list", "is not an object")
            continue
        where = f"image {record.get('id', f'number {position} of the list')} ({record.get('file_name')})"
        yield from _keys(record, tidied_image(record, measured), where, rules.IMAGE)
        if not is_text(record.get("file_name")) and names[record["file_name"]] > 1:
            yield Problem("repeated file", where, f"{names[record['file_name']]} image records have this file")


def _keys(record: dict, tidy: dict, where: str, wanted: rules.Rules) -> Iterator[Problem]:
    left = dict(rules.key_problems(tidy, wanted))
    for key, text in rules.key_problems(record, wanted):
        yield Problem(f"no {key}" if key not in record else f"wrong {key}", where, text, key not in left)


def _category_problems(categories: List[Any], classes: Sequence[str], joints: Optional[AnnotatedJoints]) -> Iterator[Problem]:
    yield from _repeated("category", categories)
    for position, record in enumerate(categories):
        if not isinstance(record, dict):
            yield Problem("no object", f"category number {position} of the list", "is not an object")
            continue
        where = f"category {record.get('id', f'number {position} of the list')} ({record.get('name')})"
        yield from _keys(record, tidied(record, "id"), where, rules.CATEGORY)
        if record.get("name") in classes:
            mendable = joints is not None or isinstance(record.get("keypoints"), list)
            yield from (Problem(kind, where, text, mendable) for kind, text in joint_problems(record))
        said = record.get("keypoints")
        names = joints.names if joints is not None and record.get("name") in classes and isinstance(said, list) else None
        by_name = names is not None and whole(record.get("id")) in joints.by_name
        if names is not None and not by_name and list(map(plain_name, said)) != list(map(plain_name, names)) and distinct(said) != list(names):
            text = f"its joints are {few(said, 30)}, but the configuration has {few(names, 30)}"
            yield Problem("other joints", where, text)
    found = [record.get("name") for record in categories if isinstance(record, dict)]
    for name in classes:
        if found.count(name) != 1:
            there = few(found, 20) or "no categories"
            yield Problem("class", f"class '{name}'", f"{found.count(name) or 'no'} categories have this name; there are {there}")


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
