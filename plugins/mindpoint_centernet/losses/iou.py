"""Losses of box sizes and centres from the overlap of boxes."""

from __future__ import annotations

import math
from typing import Literal, Sequence

from mindpoint.contracts.parts import Loss
from mindpoint.errors import ConfigError
from mindspore import ops
from mindspore.common import dtype as mstype

from mindpoint_centernet.functional import EPSILON, at_index
from mindpoint_centernet.losses.centers import object_mask


class BoxIouLoss(Loss):
    """One minus the overlap of predicted boxes (from ``wh`` and ``reg`` at object centres) and true ones.

    ``giou``: intersection over union, minus the share of their smallest enclosing box that neither covers (Rezatofighi et al., 2019,
    https://arxiv.org/abs/1902.09630). ``ciou``: intersection over union, minus the squared distance of the centres over the squared
    diagonal of that box, minus a term for different aspect ratios (Zheng et al., 2020, https://arxiv.org/abs/1911.08287). The term
    ``iou_loss`` is the mean over objects: 0 for equal boxes; at most 2 for ``giou``.

    L1 weighs an error of one pixel equally for all sizes; the overlap weighs it relative to the box. Keep the L1 of ``wh`` with this loss,
    or turn it off with ``wh_weight: 0``. Sizes have a lower bound, a map pixel or half the true size, whichever is smaller; smaller sizes
    are clipped to it, but keep their gradient.

    Args:
        kind: ``giou`` or ``ciou``.
        weight: factor of the term in the total.
        maps: names of the heads' maps; provided by the run. Without ``reg`` only sizes are compared.
        targets: names of the encoder's targets; provided by the run.

    Raises:
        ConfigError: the kind is unknown, or the targets have sizes per class.
    """

    def __init__(
        self,
        kind: Literal["giou", "ciou"] = "giou",
        weight: float = 1.0,
        maps: Sequence[str] = ("wh", "reg"),
        targets: Sequence[str] = (),
    ):
        super().__init__()
        if kind not in ("giou", "ciou"):
            raise ConfigError(f"BoxIouLoss.kind: '{kind}' is neither 'giou' nor 'ciou'")
        if "wh_mask" in targets:
            raise ConfigError("BoxIouLoss: the targets have sizes per class; set class_sizes: false in targets, head and decoder")
        self.ciou, self.factor, self.offsets = kind == "ciou", weight, "reg" in maps
        self.terms, self.normalizers = ("iou_loss",), ("objects",)
        self.needs_maps = ("wh", "reg") if self.offsets else ("wh",)
        self.needs_targets = (*self.needs_maps, "ind", "reg_mask")

    def count_normalizers(self, targets):
        return {"objects": targets["reg_mask"].astype(mstype.float32).sum()}

    def construct(self, outputs, targets, counts):
        mask = object_mask(targets)
        wanted = targets["wh"] * mask + (1 - mask)
        sizes = at_least(at_index(outputs["wh"].astype(mstype.float32), targets["ind"]), ops.minimum(wanted / 2, ops.ones_like(wanted)))
        apart = ops.zeros_like(wanted)
        if self.offsets:
            apart = at_index(outputs["reg"].astype(mstype.float32), targets["ind"]) - targets["reg"]
        overlap = (ciou if self.ciou else giou)(apart, sizes, wanted)
        value = self.num_shards * (mask[..., 0] * (1 - overlap)).sum() / (counts["objects"] + EPSILON)
        return self.factor * value, {"iou_loss": value}


def at_least(values, least):
    """Return the maximum of both, with the gradient of ``values`` everywhere, so that values below the bound can grow."""
    return values + ops.stop_gradient(ops.maximum(values, least) - values)


def _overlap(apart, sizes, others):
    """Return the intersection over union of pairs of boxes, the area of their union, and the sides of the smallest box around both.

    Args:
        apart: ``(..., 2)`` centre of the first box minus centre of the second one, x before y.
        sizes, others: ``(..., 2)`` positive widths and heights of the first and second boxes.
    """
    low, high = apart - sizes / 2, apart + sizes / 2
    common = ops.relu(ops.minimum(high, others / 2) - ops.maximum(low, -others / 2))
    intersection = common[..., 0] * common[..., 1]
    union = sizes[..., 0] * sizes[..., 1] + others[..., 0] * others[..., 1] - intersection
    return intersection / union, union, ops.maximum(high, others / 2) - ops.minimum(low, -others / 2)


def giou(apart, sizes, others):
    """Return the generalized intersection over union ``(...)``, -1..1. The arguments are those of :func:`_overlap`."""
    iou, union, around = _overlap(apart, sizes, others)
    hull = around[..., 0] * around[..., 1]
    return iou - (hull - union) / hull


def ciou(apart, sizes, others):
    """Return the complete intersection over union ``(...)``, at most 1. The arguments are those of :func:`_overlap`. As in the paper, the
    weight of the aspect ratio has no gradient."""
    iou, _, around = _overlap(apart, sizes, others)
    distance = (apart * apart).sum(axis=-1) / (around * around).sum(axis=-1)
    turn = ops.atan(others[..., 0] / others[..., 1]) - ops.atan(sizes[..., 0] / sizes[..., 1])
    proportions = 4 / math.pi**2 * turn * turn
    weight = ops.stop_gradient(proportions / (1 - iou + proportions + EPSILON))
    return iou - distance - weight * proportions
