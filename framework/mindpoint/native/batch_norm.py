"""A compiled batch normalisation for training, instead of MindSpore's.

MindSpore's sums the pixels of a channel one by one in float32, which shifts losses by some tenths of a percent within a few updates. The
kernel sums blocks in double precision.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Optional, Tuple

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindpoint.native.kernel import FLOAT, native, operator

SOURCE = Path(__file__).with_name("batch_norm.cc")


@functools.lru_cache(maxsize=None)
def kernel() -> ops.Custom:
    """Return the operator with its gradient for x, gamma and beta: (x (B, C, H, W), gamma, beta, moving mean, moving variance, settings) ->
    (y, mean, 1 / sqrt(variance + epsilon), new moving mean, new moving variance), float32, all but x and y (C,).

    settings: epsilon, and the weight of the batch in the moving statistics. They use the sample variance (divided by n - 1).
    """
    gradient = operator(SOURCE, "BatchNormGrad", [FLOAT] * 5, 3, lambda x, dy, gamma, mean, scale: (x, gamma, gamma))

    def bprop(x, gamma, beta, moving_mean, moving_variance, settings, out, dout):
        dx, dgamma, dbeta = gradient(x, dout[0], gamma, out[1], out[2])
        return dx, dgamma, dbeta, ops.zeros_like(moving_mean), ops.zeros_like(moving_variance), ops.zeros_like(settings)

    return operator(SOURCE, "BatchNorm", [FLOAT] * 6, 5, lambda x, gamma, *_: (x, gamma, gamma, gamma, gamma), bprop)


class NativeBatchNorm2d(nn.BatchNorm2d):
    """A batch normalisation that the kernel computes for float32 and batch statistics, and MindSpore otherwise."""

    SOURCE = SOURCE

    @staticmethod
    def geometry_of(cell: nn.Cell) -> Optional[Tuple[int, ...]]:
        """Return an empty tuple if the kernel supports this cell, else None."""
        return () if type(cell) is nn.BatchNorm2d and cell.format == "NCHW" else None

    def prepare(self, _: Tuple[int, ...]) -> None:
        self.operator = kernel()
        self.settings = Tensor([self.eps, self.momentum], ms.float32)  # MindSpore stores one minus the argument `momentum`

    def construct(self, x):
        of_batch = self.training if self.use_batch_statistics is None else self.use_batch_statistics
        if of_batch and native(SOURCE) and x.dtype == ms.float32 and self.gamma.dtype == ms.float32:
            found = self.operator(x, self.gamma, self.beta, self.moving_mean, self.moving_variance, self.settings)
            ops.assign(self.moving_mean, found[3])
            ops.assign(self.moving_variance, found[4])
            return found[0]
        return super().construct(x)
