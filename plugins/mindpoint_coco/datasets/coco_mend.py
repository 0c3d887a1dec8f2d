"""Mending what can be mended in a COCO annotation file."""

from __future__ import annotations

import copy
from typing import List, Optional, Sequence

from mindpoint.contracts.fields import Field
from mindpoint_coco.datasets.annotation_check import area_problem, labelled, outside, owner_of
from mindpoint_coco.datasets.coco_check import by_id, joints_of, pairs_of_twins
from mindpoint_coco.datasets.rules import SLACK, is_list, is_size
from mindpoint_coco.keypoints import AnnotatedJoints


def mended(content: dict, classes: Sequence[str], fields: Sequence[Field], area_factor: float) -> dict:
    """Return a copy in which what can be told from the rest is put right.

    The crowd flag becomes 0 or 1, boxes are clipped to the image, labelled joints outside it become unlabelled, ``num_keypoints`` is
    counted, an absent or impossible ``area`` becomes ``area_factor`` times that of the box, and annotations that repeat another go.
    """
    content = copy.deepcopy(content)
    images = by_id(content["images"])
    other = [key for key, record in by_id(content["categories"]).items() if record.get("name") not in classes]
    mine = lambda record: isinstance(record, dict) and record.get("category_id") not in other  # noqa: E731
    twins = {id(twin) for _, twin in pairs_of_twins(list(filter(mine, content["annotations"])), fields)}
    content["annotations"] = [record for record in content["annotations"] if id(record) not in twins]
    for record in filter(mine, content["annotations"]):
        _mend(record, owner_of(record, "image_id", images) or {}, joints_of(fields), area_factor)
    return content


def _mend(record: dict, image: dict, joints: Optional[AnnotatedJoints], area_factor: float) -> None:
    record["iscrowd"] = int(str(record.get("iscrowd")).lower() not in ("0", "0.0", "false", "none", ""))
    width, height = image.get("width"), image.get("height")
    sized = not is_size(width) and not is_size(height)
    if sized and is_list(record.get("bbox"), 4):
        record["bbox"] = _clipped(record["bbox"], width, height)
    points = record.get(joints.name) if joints is not None else None
    if points == [] or joints is not None and is_list(points, 3 * len(joints.names)):
        for joint in outside(points, width, height) if sized else ():
            points[3 * joint : 3 * joint + 3] = [0, 0, 0]
        record["num_keypoints"] = labelled(points)
    if is_list(record.get("bbox"), 4) and area_problem(record):
        record["area"] = area_factor * record["bbox"][2] * record["bbox"][3]


def _clipped(box: List[float], width: int, height: int) -> List[float]:
    """Return the part of the box inside the image; the box itself if there is none, or if it is inside up to the slack."""
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    if min(left, top) >= -SLACK and right <= width + SLACK and bottom <= height + SLACK:
        return box
    x, y = max(left, 0), max(top, 0)
    clipped = [x, y, min(right, width) - x, min(bottom, height) - y]
    return clipped if min(clipped[2:]) > 0 else box
