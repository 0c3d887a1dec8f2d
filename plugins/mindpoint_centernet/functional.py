"""Building blocks of CenterNet's loss terms, as functions of MindSpore tensors for use in ``construct``.

Heatmaps in numpy are in :mod:`mindpoint_centernet.heatmaps`. Both are public for plugins: names and meaning are stable.
"""

from __future__ import annotations

from mindspore import Tensor, ops
from mindspore.common import dtype as mstype

__all__ = ["EPSILON", "at_index", "count_peaks", "focal", "l1", "mean_squares", "smooth_l1"]

EPSILON = 1e-4
"""Probabilities keep this distance from 0 and 1 before a logarithm; counts of objects are increased by it before a division."""


def at_index(maps: Tensor, index: Tensor) -> Tensor:
    """Return the values ``(B, N, C)`` of maps ``(B, C, H, W)`` at the flat positions ``y * W + x`` in ``index``, integers ``(B, N)``."""
    batch, channels = maps.shape[:2]
    flat = ops.reshape(maps, (batch, channels, -1))
    where = ops.broadcast_to(ops.expand_dims(index, 1), (batch, channels, index.shape[1]))
    return ops.transpose(ops.gather_elements(flat, 2, where), (0, 2, 1))


def count_peaks(target: Tensor, weight: Tensor) -> Tensor:
    """Return the (weighted) number of ones in heatmaps ``(B, C, H, W)``; the weight is broadcast."""
    return (weight * (target == 1).astype(mstype.float32)).sum()


def focal(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the penalty-reduced focal loss of heatmaps (Zhou et al., 2019, https://arxiv.org/abs/1904.07850, equation 1).

        - sum of  weight * ((1-p)^2 log p  where target is 1,  (1-target)^4 p^2 log(1-p)  elsewhere)

    with p = sigmoid(logits) clamped to [1e-4, 1 - 1e-4]. The sum is not divided by the number of peaks. logits and target (0..1) are
    ``(B, C, H, W)``; weight is broadcast to them.
    """
    p = ops.clamp(ops.sigmoid(logits), EPSILON, 1 - EPSILON)
    centre = weight * (target == 1).astype(p.dtype)
    distance, missing = (1 - target) * (1 - target), 1 - p  # products, since MindSpore's powers and squares take ten times as long
    around = weight * distance * distance
    return -(centre * missing * missing * ops.log(p) + around * p * p * ops.log(missing)).sum()


def mean_squares(maps: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the mean over all elements of the squared difference times ``weight``, which is broadcast."""
    return (weight * (maps - target) ** 2).mean()


def l1(values: Tensor, target: Tensor) -> Tensor:
    """Return |difference|, element by element."""
    return ops.abs(values - target)


def smooth_l1(values: Tensor, target: Tensor) -> Tensor:
    """Return, element by element, half the squared difference where |difference| is below 1, otherwise |difference| - 0.5."""
    difference = ops.abs(values - target)
    return ops.select(difference < 1, 0.5 * difference**2, difference - 0.5)
