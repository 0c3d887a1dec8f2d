"""Non-maximum suppression by keypoints: two people close together overlap as boxes and differ as poses."""

from __future__ import annotations

import numpy as np


def oks_nms(keypoints: np.ndarray, boxes: np.ndarray, scores: np.ndarray, sigmas: np.ndarray, threshold: float) -> np.ndarray:
    """Rows to keep, best first: a detection goes if its keypoints are too similar to those of a better one that stays.

    The similarity is COCO's object keypoint similarity with the mean of the two boxes' areas in place of the annotated area, all
    joints counting (Papandreou et al. 2017, "Towards Accurate Multi-person Pose Estimation in the Wild").

    Args:
        keypoints: ``(N, J, 2)`` x, y in image pixels.
        boxes: ``(N, 4)`` left, top, right, bottom.
        scores: ``(N,)``; of equal ones the first is the better.
        sigmas: ``(J,)`` COCO's tolerances.
        threshold: similarity, 0..1, above which the weaker goes.
    """
    points = np.asarray(keypoints, np.float64)
    sides = np.maximum(np.asarray(boxes, np.float64)[:, 2:] - np.asarray(boxes, np.float64)[:, :2], 0)
    areas = sides[:, 0] * sides[:, 1]
    variances = (2 * np.asarray(sigmas, np.float64)) ** 2
    waiting = np.argsort(-np.asarray(scores), kind="stable")
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        distances = ((points[waiting] - points[best]) ** 2).sum(axis=2)
        area = (areas[waiting] + areas[best]) / 2 + np.spacing(1)
        similarity = np.exp(-distances / (2 * area[:, None] * variances)).mean(axis=1)
        waiting = waiting[similarity <= threshold]
    return np.array(kept, np.int64)
