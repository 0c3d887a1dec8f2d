"""Loss terms of CenterNet as functions of MindSpore tensors; each gives a float32 scalar that is finite without any object."""

from __future__ import annotations

from typing import Callable

from mindspore import Tensor, ops

EPSILON = 1e-4


def alone(count: Tensor) -> Tensor:
    """The total of a count in a single process."""
    return count


def at_index(maps: Tensor, index: Tensor) -> Tensor:
    """Values of ``(B, C, H, W)`` at the flat positions ``y * W + x`` of ``index`` ``(B, N)``, integer: ``(B, N, C)``."""
    batch, channels = maps.shape[:2]
    flat = ops.reshape(maps, (batch, channels, -1))
    where = ops.broadcast_to(ops.expand_dims(index, 1), (batch, channels, index.shape[1]))
    return ops.transpose(ops.gather_elements(flat, 2, where), (0, 2, 1))


def focal(logits: Tensor, target: Tensor, weight: Tensor, total: Callable[[Tensor], Tensor] = alone, processes: int = 1) -> Tensor:
    """Penalty-reduced focal loss of heatmaps (Zhou et al., 2019, https://arxiv.org/abs/1904.07850, equation 1).

        -1/N * sum of  weight * ((1-p)^2 log p  where target is 1,  (1-target)^4 p^2 log(1-p)  elsewhere)

    with p = sigmoid(logits) clamped to [1e-4, 1 - 1e-4] and N the (weighted) number of ones, at least 1.

    logits, target (0..1): ``(B, C, H, W)``; weight: broadcast to it. ``total`` sums over so many ``processes``; the mean of their values is
    then that of the whole batch.
    """
    p = ops.clamp(ops.sigmoid(logits), EPSILON, 1 - EPSILON)
    centre = weight * (target == 1).astype(p.dtype)
    around = weight * (1 - target) ** 4
    terms = centre * (1 - p) ** 2 * ops.log(p) + around * p**2 * ops.log(1 - p)
    count = total(centre.sum())
    return -processes * terms.sum() / ops.select(count > 0, count, ops.ones_like(count))


def mean_squares(maps: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean over all elements of the squared difference times ``weight``, which is broadcast."""
    return (weight * (maps - target) ** 2).mean()


def absolute(values: Tensor, target: Tensor) -> Tensor:
    """|difference|, element by element."""
    return ops.abs(values - target)


def smooth_absolute(values: Tensor, target: Tensor) -> Tensor:
    """Half the squared difference where it is below 1, |difference| - 0.5 elsewhere."""
    difference = ops.abs(values - target)
    return ops.select(difference < 1, 0.5 * difference**2, difference - 0.5)


def weighted_mean(distance: Tensor, weight: Tensor, total: Callable[[Tensor], Tensor] = alone, processes: int = 1) -> Tensor:
    """``sum(distance * weight) / (sum(weight) + 1e-4)``; the weight is broadcast, but counted as it is. ``total``, ``processes``: see
    :func:`focal`."""
    return processes * (distance * weight).sum() / (total(weight.sum()) + EPSILON)
