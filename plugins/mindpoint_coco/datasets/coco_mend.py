"""The repair of a COCO annotation file: fixable records are fixed, others left out."""

from __future__ import annotations

import itertools
import json
from typing import Any, Iterator, List, Optional, Sequence

from mindpoint.contracts.fields import Field

from mindpoint_coco.datasets import rules
from mindpoint_coco.datasets.annotation_check import annotation_problems, area_problem, labelled, outside, owner_of
from mindpoint_coco.datasets.category_joints import distinct, joint_problems
from mindpoint_coco.datasets.coco_check import by_id, joints_of, pairs_of_twins, with_extents
from mindpoint_coco.datasets.restored import (
    Measured,
    box_from_joints,
    new_ids,
    number,
    numbers,
    restored_points,
    tidied,
    tidied_image,
)
from mindpoint_coco.datasets.rules import SLACK, is_id, is_list, is_size
from mindpoint_coco.keypoints import AnnotatedJoints


def mended(content: dict, classes: Sequence[str], fields: Sequence[Field], area_factor: float, measured: Optional[Measured] = None) -> dict:
    """Return a copy with corrected values, as far as the rest of the data determines them.

    Ids and sizes of images become integers. Missing or swapped sizes are taken from the image file. Numbers written as texts become
    numbers. Images and categories whose id is a text or a large hash get a free id, also in their annotations; so do annotations with a
    missing or repeated id. If the boxes as a whole seem to be left, top, right, bottom, they become left, top, width, height. Repeated
    records of an image or category are removed. Annotations of missing images and duplicates are removed. Visibilities become 0, 1, 2; a
    missing or empty box becomes the box of the labelled joints. The crowd flag becomes 0 or 1. Boxes are clipped to the image, and labelled
    joints outside it become unlabelled. ``num_keypoints`` is recounted. A missing or impossible ``area`` becomes ``area_factor`` times the
    area of the box. An invalid skeleton is removed, names of joints become distinct.

    Args:
        measured: sizes of the image files.
    """
    joints = joints_of(fields)
    images = _distinct([tidied_image(record, measured or {}) for record in content["images"]])
    categories = _distinct([tidied(record, "id") for record in content["categories"]])
    annotations = [tidied(record, "id", "image_id", "category_id") for record in content["annotations"]]
    _move(images, annotations, "image_id")
    _move(categories, annotations, "category_id")
    for record in filter(lambda record: isinstance(record, dict) and "bbox" in record, annotations):
        record["bbox"] = numbers(record["bbox"])
    owners, others = by_id(images), _others(categories, classes)
    annotations, _ = with_extents(annotations, owners)
    annotations = [record for record in annotations if not _lost(record, owners)]
    _renumber(annotations)
    for record in filter(lambda record: _is_mine(record, others), annotations):
        _mend(record, owner_of(record, "image_id", owners) or {}, joints, area_factor)
    twins = {id(twin) for _, twin in pairs_of_twins([record for record in annotations if _is_mine(record, others)], fields)}
    for record in categories:
        if isinstance(record, dict) and record.get("name") in classes:
            _mend_category(record, joints)
    annotations = [record for record in annotations if id(record) not in twins]
    return {**content, "images": images, "annotations": annotations, "categories": categories}


def without_hopeless(content: dict, classes: Sequence[str], fields: Sequence[Field], measured: Optional[Measured] = None) -> dict:
    """Return fixed content without the records that are still wrong, and without the annotations of removed images.

    Args:
        measured: sizes of the image files; images that cannot be read, or have another size, are removed too.
    """
    images = list(_sound_images(content["images"], measured or {}))
    categories = list(map(_without_odd_joints, _first_of_each(content["categories"], rules.CATEGORY, "name")))
    owners, kinds, others = by_id(images), by_id(categories), _others(categories, classes)
    annotations = [
        record
        for record in content["annotations"]
        if isinstance(record, dict)
        and not any(rules.key_problems(record, rules.ANNOTATION))
        and record["image_id"] in owners
        and (record["category_id"] in others or not any(annotation_problems(record, 0, owners, kinds, fields)))
    ]
    return {**content, "images": images, "annotations": annotations, "categories": categories}


def _without_odd_joints(category: dict) -> dict:
    """Return a category without its joints if they are not a list of names."""
    return {key: value for key, value in category.items() if key not in ("keypoints", "skeleton") or not any(joint_problems(category))}


def _sound_images(images: List[Any], measured: Measured) -> Iterator[dict]:
    """Yield the valid records; of those that share an id or a file, only the first."""
    for record in _first_of_each(images, rules.IMAGE, "file_name"):
        size = record["height"], record["width"]
        if measured.get(record["file_name"], size) == size:
            yield record


def _first_of_each(records: List[Any], wanted: rules.Rules, name: str) -> Iterator[dict]:
    """Yield the records that follow the rules; of those that share an id or a name, only the first."""
    seen: set = set()
    for record in records:
        if isinstance(record, dict) and not any(rules.key_problems(record, wanted)) and not {record["id"], record[name]} & seen:
            seen |= {record["id"], record[name]}
            yield record


def _others(categories: List[Any], classes: Sequence[str]) -> List[int]:
    return [key for key, record in by_id(categories).items() if record.get("name") not in classes]


def _is_mine(record: Any, others: List[int]) -> bool:
    return isinstance(record, dict) and record.get("category_id") not in others


def _lost(record: Any, images: dict) -> bool:
    """Return whether an annotation refers to a missing image."""
    return isinstance(record, dict) and not is_id(record.get("image_id")) and record["image_id"] not in images


def _distinct(records: List[Any]) -> List[Any]:
    """Return the records without repetitions of earlier ones."""
    found: dict = {}
    for record in records:
        found.setdefault(json.dumps(record, sort_keys=True), record)
    return list(found.values())


def _move(records: List[Any], annotations: List[Any], key: str) -> None:
    """Replace ids that are texts or large hashes by usable ones, also in annotations."""
    moved = new_ids(records)
    for record, name in (*((record, "id") for record in records), *((record, key) for record in annotations)):
        if isinstance(record, dict) and type(record.get(name)) in (int, str):
            record[name] = moved.get(record[name], record[name])


def _renumber(annotations: List[Any]) -> None:
    used = {record["id"] for record in annotations if isinstance(record, dict) and not is_id(record.get("id"))}
    free = (number for number in itertools.count(1) if number not in used)
    seen = set()
    for record in annotations:
        if isinstance(record, dict):
            if is_id(record.get("id")) or record["id"] in seen:
                record["id"] = next(free)
            seen.add(record["id"])


def _mend_category(record: dict, joints: Optional[AnnotatedJoints]) -> None:
    wrong = {kind for kind, _ in joint_problems(record)}
    if "joint names" in wrong and isinstance(record["keypoints"], list):
        record["keypoints"] = distinct(record["keypoints"])
    elif "joint names" in wrong and joints is not None:
        record["keypoints"] = list(joints.names)
    if any(kind == "skeleton" for kind, _ in joint_problems(record)):
        del record["skeleton"]


def _mend(record: dict, image: dict, joints: Optional[AnnotatedJoints], area_factor: float) -> None:
    record["area"] = number(record.get("area"))
    record["iscrowd"] = int(str(record.get("iscrowd")).lower() not in ("0", "0.0", "false", "none", ""))
    width, height = image.get("width"), image.get("height")
    sized = not is_size(width) and not is_size(height)
    points = restored_points(record.get(joints.name), joints.listed(record)) if joints is not None else None
    if points is not None:
        record[joints.name] = points
        for joint in outside(points, width, height) if sized else ():
            points[3 * joint : 3 * joint + 3] = [0, 0, 0]
    if points is not None or joints is not None and record.get(joints.name) in (None, []):
        record["num_keypoints"] = labelled(points or [])
    if not is_list(record.get("bbox"), 4) or min(record["bbox"][2:]) <= 0:
        box = box_from_joints(record, joints)
        if box is not None:
            record["bbox"] = box
    if sized and is_list(record.get("bbox"), 4):
        record["bbox"] = _clipped(record["bbox"], width, height)
    if is_list(record.get("bbox"), 4) and area_problem(record):
        record["area"] = area_factor * record["bbox"][2] * record["bbox"][3]


def _clipped(box: List[float], width: int, height: int) -> List[float]:
    """Return the part of the box inside the image; the box itself if that part is empty, or if the box exceeds the image by at most the
    slack."""
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    if min(left, top) >= -SLACK and right <= width + SLACK and bottom <= height + SLACK:
        return box
    x, y = max(left, 0), max(top, 0)
    clipped = [x, y, min(right, width) - x, min(bottom, height) - y]
    return clipped if min(clipped[2:]) > 0 else box
