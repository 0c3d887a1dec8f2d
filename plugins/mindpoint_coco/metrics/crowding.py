"""Levels of crowding as in CrowdPose's evaluation (Li et al. 2019, "CrowdPose: Efficient Crowded Scenes Pose Estimation")."""

from __future__ import annotations

from collections import defaultdict
from typing import Dict, List, Sequence

import numpy as np

LEVELS = {"E": (-np.inf, 0.2), "M": (0.2, 0.8), "H": (0.8, np.inf)}
"""Easy, medium and hard: lowest and (exclusive) highest crowd index, as in the published evaluation code."""


def levels(truth: dict, image_ids: Sequence[int]) -> Dict[str, np.ndarray]:
    """Return a mask ``(images,)`` for each of LEVELS, by ``crowdIndex`` of the image records or, where it is missing, by
    :func:`crowd_index`."""
    given = {record["id"]: record.get("crowdIndex") for record in truth["images"]}
    annotated: Dict[int, List[dict]] = defaultdict(list)
    for record in truth["annotations"]:
        if not record["iscrowd"]:
            annotated[record["image_id"]].append(record)
    index = np.array([crowd_index(annotated[key]) if given.get(key) is None else float(given[key]) for key in image_ids], np.float64)
    return {name: (low <= index) & (index < high) for name, (low, high) in LEVELS.items()}


def crowd_index(annotations: Sequence[dict]) -> float:
    """Return the mean crowding of an image's objects; 0 without labelled joints.

    The crowding of an object is the number of other objects' joints in its box, divided by the number of its own joints.

    Args:
        annotations: records with ``keypoints`` and ``bbox``.
    """
    every = [np.array(record.get("keypoints", ()), np.float64).reshape(-1, 3) for record in annotations]
    points = [one[one[:, 2] > 0, :2] for one in every]
    shares = []
    for place, record in enumerate(annotations):
        if len(points[place]):
            left, top, width, height = record["bbox"]
            others = np.concatenate([np.zeros((0, 2)), *points[:place], *points[place + 1 :]])
            inside = (others >= [left, top]) & (others <= [left + width, top + height])
            shares.append(inside.all(axis=1).sum() / len(points[place]))
    return float(np.mean(shares)) if shares else 0.0
