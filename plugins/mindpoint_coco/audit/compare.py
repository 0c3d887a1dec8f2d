"""Comparison of the annotated and the detected objects of one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence

import numpy as np

from mindpoint_coco.metrics.matching import overlaps
from mindpoint_coco.similarity import oks

PAIRED = 0.3  # minimum similarity of a detection and its annotated object
SAME_PLACE = 0.5  # minimum overlap (IoU) of two boxes around the same object


@dataclass(frozen=True)
class Compared:
    """The objects of one image.

    Attributes:
        image: the image record.
        truth: annotation records of the M objects that are not crowds.
        found: result records of the model's N detections, best first; the third number of a joint is its score.
        partner: ``(M,)`` index of the detection of the same class that each annotated object is compared with, or -1.
        rival: ``(M,)`` index of the best detection of another class in the same place, or -1.
        spare: indices of the detections in places without an annotated object.
    """

    image: dict
    truth: List[dict]
    found: List[dict]
    partner: np.ndarray
    rival: np.ndarray
    spare: List[int]

    def score(self, row: int) -> float:
        """Return the score of a detection; 0 for -1."""
        return self.found[row]["score"] if row >= 0 else 0.0


def compare(image: dict, annotations: Sequence[dict], found: List[dict], sigmas: Optional[np.ndarray]) -> Compared:
    """Compare the objects of one image.

    The similarity of two objects of a class is that of their boxes or of their joints, whichever is larger. So neither a wrong box nor a
    wrong joint prevents a match. The most similar objects are paired first.

    Args:
        annotations: all annotations of the image, including crowds; objects in crowds are never suspects.
        found: detections, best first.
        sigmas: ``(J,)`` tolerances of the joints; None without joints.
    """
    truth = [record for record in annotations if not record["iscrowd"]]
    groups = [record for record in annotations if record["iscrowd"]]
    overlap = overlaps(found, truth, np.zeros(len(truth), bool))
    same = np.array([[one["category_id"] == other["category_id"] for other in truth] for one in found], bool).reshape(overlap.shape)
    similar = np.where(same, np.maximum(overlap, _alike(found, truth, sigmas)), 0)
    partner = np.full(len(truth), -1)
    free = np.ones(len(found), bool)
    for place in np.argsort(-similar, axis=None, kind="stable").tolist():
        row, own = divmod(place, max(1, len(truth)))
        if similar[row, own] < PAIRED:
            break
        if free[row] and partner[own] < 0:
            partner[own], free[row] = row, False
    here = overlap >= SAME_PLACE
    rival = np.array([next(iter(np.flatnonzero(here[:, own] & ~same[:, own])), -1) for own in range(len(truth))], int)
    hidden = (overlaps(found, groups, np.ones(len(groups), bool)) >= SAME_PLACE).any(axis=1)
    return Compared(image, truth, found, partner, rival, np.flatnonzero(free & ~hidden & ~here.any(axis=1)).tolist())


def _alike(found: Sequence[dict], truth: Sequence[dict], sigmas: Optional[np.ndarray]) -> np.ndarray:
    """Return the keypoint similarities ``(N, M)`` over the labelled joints; the area of an object is that of the detected box."""
    if sigmas is None or not len(found) or not len(truth):
        return np.zeros((len(found), len(truth)))
    points, labels = points_of(found), points_of(truth)
    known = (labels[None, ..., 2] > 0) & np.isfinite(points[:, None, :, 0])
    areas = np.array([record["bbox"][2] * record["bbox"][3] for record in found])
    return oks(np.nan_to_num(points[:, None, :, :2]), labels[None, ..., :2], areas[:, None], sigmas, known)


def points_of(records: Sequence[dict]) -> np.ndarray:
    """Return the joints of records, ``(N, J, 3)``."""
    return np.array([record["keypoints"] for record in records], np.float64).reshape(len(records), -1, 3)
