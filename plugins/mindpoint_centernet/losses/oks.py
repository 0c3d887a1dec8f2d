"""A loss of joint vectors from object keypoint similarity."""

from __future__ import annotations

import numpy as np
from mindpoint.contracts.parts import Loss
from mindpoint_coco.keypoints import Keypoints
from mindspore import Tensor, ops
from mindspore.common import dtype as mstype

from mindpoint_centernet.functional import EPSILON, at_index


class OksLoss(Loss):
    """One minus the object keypoint similarity (OKS) of predicted (``hps`` at object centres) and true joints, as in the evaluation.

    For an object whose box has the area ``s^2``, with ``d`` the distance of a joint and ``k`` twice its sigma, OKS is the mean of
    ``exp(-d^2 / (2 s^2 k^2))`` over the labelled joints: COCO's formula, as a loss by Maji et al., 2022 (YOLO-Pose,
    https://arxiv.org/abs/2204.06806), with the area of the box instead of the object's. The term ``oks_loss`` is the mean over objects with
    a labelled joint, 0..1.

    A joint far from its true position has almost no gradient. Keep the L1 of :class:`MultiPoseLoss` with this loss, or turn it off with
    ``hp_weight: 0`` for a trained network.

    Args:
        weight: factor of the term in the total.
    """

    def __init__(self, keypoints: Keypoints, weight: float = 1.0):
        super().__init__()
        self.terms, self.needs_maps, self.needs_targets = ("oks_loss",), ("hps",), ("hps", "hps_mask", "ind", "wh")
        self.normalizers, self.factor = ("persons",), weight
        self.joints = len(keypoints)
        self.spread = Tensor((8 * keypoints.sigmas**2).astype(np.float32))

    def count_normalizers(self, targets):
        return {"persons": targets["hps_mask"].astype(mstype.float32).max(axis=-1).sum()}

    def construct(self, outputs, targets, counts):
        found = at_index(outputs["hps"].astype(mstype.float32), targets["ind"])
        images, objects = found.shape[:2]
        shape = (images, objects, self.joints, 2)
        squares = ops.reshape((found - targets["hps"]) ** 2, shape).sum(axis=-1)
        labelled = ops.reshape(targets["hps_mask"].astype(mstype.float32), shape)[..., 0]
        known = labelled.max(axis=-1)
        areas = targets["wh"][..., 0] * targets["wh"][..., 1] * known + (1 - known)
        similarity = ops.exp(-squares / (ops.expand_dims(areas, -1) * self.spread))
        oks = (similarity * labelled).sum(axis=-1) / ops.maximum(labelled.sum(axis=-1), ops.ones_like(known))
        value = self.num_shards * (known * (1 - oks)).sum() / (counts["persons"] + EPSILON)
        return self.factor * value, {"oks_loss": value}
