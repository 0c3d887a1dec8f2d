"""Non-maximum suppression: by the similarity of keypoints, and soft-NMS by the overlap of boxes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mindpoint_coco.similarity import oks


def oks_nms(keypoints: np.ndarray, boxes: np.ndarray, scores: np.ndarray, sigmas: np.ndarray, threshold: float) -> np.ndarray:
    """Return the rows to keep, best first. A detection is removed if its keypoints are too similar to those of a better
    detection that is kept.

    People close together have overlapping boxes but different poses (Papandreou et al. 2017, "Towards Accurate Multi-person Pose Estimation
    in the Wild"). The similarity is COCO's object keypoint similarity over all joints, with the mean of the two boxes' areas instead of the
    annotated area.

    Args:
        keypoints: ``(N, J, 2)`` x, y in image pixels.
        boxes: ``(N, 4)`` left, top, right, bottom.
        scores: ``(N,)``; among equal scores, the first counts as better.
        sigmas: ``(J,)`` COCO's tolerances.
        threshold: similarity, 0..1, above which the weaker of two detections is removed.
    """
    points = np.asarray(keypoints, np.float64)
    sides = np.maximum(np.asarray(boxes, np.float64)[:, 2:] - np.asarray(boxes, np.float64)[:, :2], 0)
    areas = sides[:, 0] * sides[:, 1]
    sigmas = np.asarray(sigmas, np.float64)
    waiting = np.argsort(-np.asarray(scores), kind="stable")
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        similarity = oks(points[waiting], points[best], (areas[waiting] + areas[best]) / 2, sigmas)
        waiting = waiting[similarity <= threshold]
    return np.array(kept, np.int64)


class Suppressed(NamedTuple):
    """The result of :func:`soft_nms`: first the live rows in the order of selection, then the dropped rows.

    Attributes:
        rows: ``(N,)`` index of the input row that each box comes from.
        joint_rows: ``(N,)`` index of the input row that the keypoints come from; equal to ``rows`` for live rows.
        scores: ``(N,)`` float32 lowered scores.
        live: number of live rows.
    """

    rows: np.ndarray
    joint_rows: np.ndarray
    scores: np.ndarray
    live: int


def soft_nms(boxes: np.ndarray, scores: np.ndarray, sigma: float = 0.5, threshold: float = 0.001) -> Suppressed:
    """Lower the scores of overlapping boxes: soft non-maximum suppression with a Gaussian (Bodla et al. 2017, equation 3).

    The box with the highest score is selected, then the next one among the rest, and so on. Each selected box multiplies the scores of the
    boxes that are left by ``exp(-IoU**2 / sigma)``. A box that overlaps the selected one is dropped if its score falls below ``threshold``.

    Details are those of the official implementation (CenterNet ``external/nms.pyx``, 39 columns, method 2). A box from x1 to x2 has the
    width ``x2 - x1 + 1``. A dropped row is replaced by the last live row, but the keypoints of both rows are swapped. So each row after the
    live ones has the box of another row and the keypoints of a dropped one. The official results contain these rows; apart from comparing
    with them, they are useless.

    Args:
        boxes: ``(N, 4)`` left, top, right, bottom in image pixels.
        scores: ``(N,)`` in 0..1.
        sigma: positive; larger values lower scores less.
        threshold: score below which an overlapping box is dropped.
    """
    boxes, scores = np.array(boxes, np.float32), np.array(scores, np.float32)
    rows, joint_rows = np.arange(len(scores)), np.arange(len(scores))
    live = len(scores)
    place = 0
    while place < live:
        best = place + int(scores[place:live].argmax())
        for values in (boxes, scores, rows, joint_rows):
            values[[place, best]] = values[[best, place]]
        rest = slice(place + 1, live)
        overlap = _overlap(boxes[place], boxes[rest])
        before = scores.copy()
        # The exponential is computed in float64 and rounded, as in the original: a score near the threshold must fall on the same side.
        scores[rest] *= np.exp((-(overlap * overlap) / np.float32(sigma)).astype(np.float64)).astype(np.float32)
        dropped = np.zeros(len(scores), bool)
        dropped[rest] = (overlap > 0) & (scores[rest] < threshold)
        while dropped[:live].any():
            hole = int(dropped[:live].argmax())
            live -= 1
            for values in (boxes, scores, rows, dropped):
                values[hole] = values[live]
            if hole < live:  # the original moves a row before lowering its score, so the remaining copy keeps the old score
                scores[live] = before[live]
            joint_rows[[hole, live]] = joint_rows[[live, hole]]
        place += 1
    return Suppressed(rows, joint_rows, scores, live)


def _overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection over union ``(N,)`` of a box ``(4,)`` with others ``(N, 4)``. A side from x1 to x2 has the length
    ``x2 - x1 + 1``."""
    one = np.float32(1)
    width = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0]) + one
    height = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1]) + one
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    area = (box[2] - box[0] + one) * (box[3] - box[1] + one)
    areas = (others[:, 2] - others[:, 0] + one) * (others[:, 3] - others[:, 1] + one)
    return np.where(shared > 0, shared / (area + areas - shared), np.float32(0))
