"""The check of one annotation record in COCO's form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Collection, Dict, Iterator, List, Optional, Sequence

import numpy as np
from mindpoint.contracts.fields import Field

from mindpoint_coco.datasets import rules
from mindpoint_coco.datasets.restored import box_from_joints, numbers, restored_points, whole
from mindpoint_coco.datasets.rules import SLACK, few, finite, is_size
from mindpoint_coco.keypoints import AnnotatedJoints


@dataclass(frozen=True)
class Problem:
    """A problem of a record.

    Attributes:
        kind: name shared by similar problems.
        where: the record, with its id and file.
        text: description of the problem.
        mendable: whether :func:`~mindpoint_coco.datasets.coco_mend.mended` can fix it.
    """

    kind: str
    where: str
    text: str
    mendable: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


def annotation_problems(
    record: dict, position: int, images: Dict[int, dict], categories: Dict[int, dict], fields: Sequence[Field], moved: Collection = ()
) -> Iterator[Problem]:
    """Yield the problems of a record.

    Args:
        position: position in the list; messages use it for a record without an id.
        images, categories: records by id.
        moved: unusual ids of images and categories; the repair replaces them, also in annotations.
    """
    image_id, category = record.get("image_id"), record.get("category_id")
    image = owner_of(record, "image_id", images)
    owner = f"image {image_id}" + (f", {image.get('file_name')}" if image else "")
    where = f"annotation {record.get('id', f'number {position} of the list')} ({owner})"
    for key, text in rules.key_problems(record, rules.ANNOTATION):
        value = record.get(key)
        told = key == "id" or whole(value) is not None or isinstance(value, (int, str)) and value in moved
        yield Problem(f"no {key}" if key not in record else f"wrong {key}", where, text, told)
    if whole(image_id) is not None and image is None:
        yield Problem("unknown image", where, f"no image record has the id {image_id}", mendable=True)
    if whole(category) is not None and whole(category) not in categories:
        yield Problem("unknown category", where, f"no category record has the id {category}; there are {few(list(categories))}")
    if type(record.get("iscrowd")) is not int or record["iscrowd"] not in (0, 1):
        said = f"'iscrowd' is {record['iscrowd']!r}, neither 0 nor 1" if "iscrowd" in record else "lacks 'iscrowd'"
        yield Problem("crowd flag", where, said, mendable=True)
    joints = next((field for field in fields if isinstance(field, AnnotatedJoints)), None)
    yield from _box_problems(record, where, image or {}, box_from_joints(record, joints) is not None)
    for field in fields:
        wrong = rules.field_problem(record, field)
        if wrong:
            told = field is joints and restored_points(record[field.name], joints.listed(record)) is not None
            yield Problem(f"wrong {field.name}", where, wrong, mendable=told)
        elif isinstance(field, AnnotatedJoints):
            yield from _joint_problems(record, where, image or {}, field)


def owner_of(record: dict, key: str, owners: Dict[int, dict]) -> Optional[dict]:
    """Return the image or category that an annotation refers to, or None."""
    return owners.get(whole(record.get(key)))


def _box_problems(record: dict, where: str, image: dict, told: bool) -> Iterator[Problem]:
    """Yield the problems of the box. ``told``: whether the box can be derived from the joints."""
    wrong = rules.box_problem(record)
    if wrong:
        yield Problem("wrong bbox", where, wrong, mendable=told or not rules.box_problem({"bbox": numbers(record.get("bbox"))}))
        return
    _, _, width, height = box = record["bbox"]
    said = f"the box {few([f'{value:g}' for value in box])} (left, top, width, height)"
    if width <= 0 or height <= 0:
        yield Problem("empty box", where, f"{said} is empty", mendable=told)
        return
    if not is_size(image.get("width")) and not is_size(image.get("height")):
        size = f"the image of {image['width']} x {image['height']}"
        kinds = rules.box_kinds(np.array([box], np.float64), np.array([[image["width"], image["height"]]]))
        if kinds["box off the image"]:
            yield Problem("box off the image", where, f"{said} lies outside {size}; are these left, top, right, bottom, or fractions?")
        elif kinds["box in fractions"]:
            yield Problem("box in fractions", where, f"{said} is in fractions of {size}, not in pixels")
            return
        elif kinds["box over the edge"]:
            yield Problem("box over the edge", where, f"{said} extends beyond {size}", mendable=True)
    wrong = area_problem(record)
    if wrong:
        yield Problem("area", where, wrong, mendable=True)


def area_problem(record: dict) -> Optional[str]:
    """Return the problem of the area of a record with a valid box."""
    width, height = record["bbox"][2:]
    area = record.get("area")
    if area is None:
        return "lacks 'area'"
    if not finite([area]) or area <= 0:
        return f"'area' is {area!r}, not a positive number"
    if area > 1.05 * (width + SLACK) * (height + SLACK):
        return f"'area' is {area:g}, larger than the box of {width:g} x {height:g}"
    return None


def _joint_problems(record: dict, where: str, image: dict, joints: AnnotatedJoints) -> Iterator[Problem]:
    points = record.get(joints.name) or []
    strange = sorted({value for value in points[2::3] if value not in (0, 1, 2)})
    if strange:
        yield Problem("visibility", where, f"visibilities must be 0 (not labelled), 1 (hidden) or 2 (visible), not {few(strange)}", True)
    if not is_size(image.get("width")) and not is_size(image.get("height")):
        lost = outside(points, image["width"], image["height"])
        if lost:
            first = few([f"{value:g}" for value in points[3 * lost[0] : 3 * lost[0] + 2]])
            size = f"the image of {image['width']} x {image['height']}, such as ({first})"
            text = f"{len(lost)} labelled joint{'s lie' if lost[1:] else ' lies'} outside {size}"
            yield Problem("joint outside", where, text, mendable=True)
    count = record.get("num_keypoints", None if points else 0)
    if count != labelled(points) or type(count) is not int:
        said = f"'num_keypoints' is {count!r}" if "num_keypoints" in record else "lacks 'num_keypoints'"
        yield Problem("count", where, f"{said}, but {labelled(points)} joints are labelled", mendable=True)


def labelled(points: List[float]) -> int:
    """Count the labelled joints in a list of x, y, visibility."""
    return sum(visibility > 0 for visibility in points[2::3])


def outside(points: List[float], width: int, height: int) -> List[int]:
    """Return the indices of labelled joints outside the image, with the same slack as for boxes."""
    rows = zip(points[0::3], points[1::3], points[2::3])
    good = lambda x, y: -SLACK <= x <= width + SLACK and -SLACK <= y <= height + SLACK  # noqa: E731
    return [joint for joint, (x, y, visibility) in enumerate(rows) if visibility > 0 and not good(x, y)]
