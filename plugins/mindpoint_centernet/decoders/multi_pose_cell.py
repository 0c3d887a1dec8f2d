"""The multi-pose decoder as a MindSpore cell, for exported files that include decoding.

The steps are those of :mod:`mindpoint_centernet.decoders.multi_pose`. Symbols: B images, N detections, J joints, M candidates per joint.
"""

from __future__ import annotations

from typing import Optional, Sequence

import mindspore as ms
import numpy as np
from mindspore import ops

from mindpoint_centernet.decoders.centers import FAR, TINY
from mindpoint_centernet.decoders.centers_cell import CenterCell, at


class MultiPoseCell(CenterCell):
    """``construct(*maps)`` returns the arrays of :class:`CenterCell`, then keypoints (B, N, J, 2), keypoint scores (B, N, J), and bool
    (B, N, J): whether the keypoint was taken from a heatmap.

    Args:
        joints: the number of joints J.
        joint_threshold, distance_factor, box_margin, likely: see ``decode_maps``.
        owned: bool (classes, J), which joints each class has; an object's other joints are NaN. None: every class has all joints.
    """

    def __init__(
        self,
        maps: Sequence[str],
        activated: Sequence[str],
        top_k: int,
        stride: int,
        joints: int,
        joint_threshold: float,
        distance_factor: float,
        box_margin: float,
        likely: bool = False,
        owned: Optional[np.ndarray] = None,
    ):
        super().__init__(maps, activated, top_k, False, stride)
        self.joints, self.joint_threshold = joints, joint_threshold
        self.distance_factor, self.box_margin, self.likely = distance_factor, box_margin, likely
        self.owned = None if owned is None else ms.Tensor(owned.astype(np.float32))

    def candidates(self, maps):
        """Return x, y and scores, each (B, J, M), of the peaks of each joint's heatmap."""
        scores, _, places, points = self.peaks(maps["hm_hp"], self.joints, -FAR)
        if "hp_offset" not in self.names:
            return points[..., 0] + 0.5, points[..., 1] + 0.5, scores
        offsets = at(maps["hp_offset"], ops.reshape(places, (-1, places.shape[1] * places.shape[2])))
        points = points + ops.reshape(offsets, (-1, places.shape[1], places.shape[2], 2))
        return points[..., 0], points[..., 1], scores

    def distances(self, keypoints, across, down, scores):
        """Return the distance (B, J, N, M) of each regressed joint (B, N, J, 2) to each candidate; ``FAR`` for candidates of low score."""
        ours = ops.transpose(keypoints, (0, 2, 1, 3))
        right = ops.expand_dims(ours[..., 0], 3) - ops.expand_dims(across, 2)
        below = ops.expand_dims(ours[..., 1], 3) - ops.expand_dims(down, 2)
        return ops.where(ops.expand_dims(scores > self.joint_threshold, 2), ops.sqrt(right * right + below * below), FAR)

    def best(self, costs, across, down, scores):
        """Return x, y, score and cost, each (B, N, J), of the candidate with the lowest of ``costs`` (B, J, N, M) for each joint."""
        least, best = ops.min(costs, 3)
        found = ()
        for values in (across, down, scores):
            found = found + (ops.transpose(ops.gather_elements(values, 2, best), (0, 2, 1)),)
        return found + (ops.transpose(least, (0, 2, 1)),)

    def choose(self, keypoints, across, down, scores, first, last):
        """Choose a peak for each regressed joint. Return its x, y and score, and whether there is one, each (B, N, J)."""
        sides = last - first
        low, high = first - self.box_margin * sides, last + self.box_margin * sides
        reach = ops.maximum(sides[..., 0:1], sides[..., 1:2]) * self.distance_factor
        distances = self.distances(keypoints, across, down, scores)
        if self.likely:
            low, high = ops.expand_dims(low, 1), ops.expand_dims(high, 1)
            inside = within(ops.expand_dims(across, 2), ops.expand_dims(down, 2), low, high)
            parts = distances / ops.expand_dims(ops.maximum(reach, TINY), 1)
            costs = parts * parts / 2 - ops.log(ops.expand_dims(ops.maximum(scores, TINY), 2))
            x, y, found, least = self.best(ops.where(inside, ops.minimum(costs, FAR), FAR), across, down, scores)
            return x, y, found, least < FAR
        x, y, found, least = self.best(distances, across, down, scores)
        return x, y, found, ops.logical_and(within(x, y, low, high), least <= reach)

    def construct(self, *maps):
        active = self.active(maps)
        first, last, scores, labels, places, pixels = self.centers(active)
        regressed = ops.reshape(at(active["hps"], places), (-1, places.shape[1], self.joints, 2))
        keypoints = regressed + ops.expand_dims(pixels, 2)
        keypoint_scores = ops.tile(ops.expand_dims(scores, 2), (1, 1, self.joints))
        taken = keypoint_scores < 0.0
        if "hm_hp" in self.names:
            across, down, found_scores, taken = self.choose(keypoints, *self.candidates(active), first, last)
            keypoints = ops.where(ops.expand_dims(taken, 3), ops.stack((across, down), 3), keypoints)
            keypoint_scores = ops.where(taken, found_scores, keypoint_scores)
        keypoints = keypoints * self.stride
        if self.owned is not None:
            own = ops.gather(self.owned, labels, 0) > 0.5
            keypoints = ops.where(ops.expand_dims(own, 3), keypoints, float("nan"))
            keypoint_scores = ops.where(own, keypoint_scores, 0.0)
            taken = ops.logical_and(own, taken)
        boxes = self.boxes(first, last)
        return boxes, scores, labels.astype(ms.int64), keypoints, keypoint_scores, taken


def within(x, y, low, high):
    """Return whether points x, y (..., N, K) are in the boxes with the corners ``low`` and ``high`` (..., N, 2)."""
    across = ops.logical_and(x >= low[..., 0:1], x <= high[..., 0:1])
    return ops.logical_and(across, ops.logical_and(y >= low[..., 1:2], y <= high[..., 1:2]))
