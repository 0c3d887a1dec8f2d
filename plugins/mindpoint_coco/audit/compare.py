"""Annotated and found objects of one image, held side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence

import numpy as np

from mindpoint_coco.metrics.matching import overlaps
from mindpoint_coco.similarity import oks

PAIRED = 0.3  # similarity from which a found object can be the annotated one
SAME_PLACE = 0.5  # overlap (IoU) from which two boxes are around one thing


@dataclass(frozen=True)
class Compared:
    """The objects of one image.

    Attributes:
        image: the image record.
        truth: annotation records of the M objects that are not crowds.
        found: result records of the N objects that the model found, best first; the third number of a joint is its score.
        partner: ``(M,)`` the found object of the same class that an annotated one is compared with, or -1.
        rival: ``(M,)`` the best found object of another class in the same place, or -1.
        spare: the found objects in places without an annotated one.
    """

    image: dict
    truth: List[dict]
    found: List[dict]
    partner: np.ndarray
    rival: np.ndarray
    spare: List[int]

    def score(self, row: int) -> float:
        """Return the score of a found object; 0 for -1."""
        return self.found[row]["score"] if row >= 0 else 0.0


def compare(image: dict, annotations: Sequence[dict], found: List[dict], sigmas: Optional[np.ndarray]) -> Compared:
    """Compare the objects of one image.

    Two objects of a class are similar by the overlap of their boxes or by their joints, whichever says more, so that neither a wrong box
    nor a wrong joint hides which object is meant. The most similar ones are paired first.

    Args:
        annotations: all of the image, with crowds, whose places no suspicion is about.
        found: best first.
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
    """Return the keypoint similarities ``(N, M)`` over the labelled joints, for an object of the found box's size."""
    if sigmas is None or not len(found) or not len(truth):
        return np.zeros((len(found), len(truth)))
    points, labels = points_of(found), points_of(truth)
    known = (labels[None, ..., 2] > 0) & np.isfinite(points[:, None, :, 0])
    areas = np.array([record["bbox"][2] * record["bbox"][3] for record in found])
    return oks(np.nan_to_num(points[:, None, :, :2]), labels[None, ..., :2], areas[:, None], sigmas, known)


def points_of(records: Sequence[dict]) -> np.ndarray:
    """Return the joints of records, ``(N, J, 3)``."""
    return np.array([record["keypoints"] for record in records], np.float64).reshape(len(records), -1, 3)
