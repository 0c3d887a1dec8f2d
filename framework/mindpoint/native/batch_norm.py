"""A compiled batch normalisation for training, in place of MindSpore's.

MindSpore's operator sums the pixels of a channel one by one in float32. The rounding errors change losses by some tenths of a percent
within a few updates. The kernel sums blocks of pixels in float32, and the blocks in double precision.
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
def kernel(residual: bool, relu: bool) -> ops.Custom:
    """Return the operator ``(x, gamma, beta, moving mean, moving variance, settings) -> (y, mean, 1 / sqrt(variance + epsilon), new moving
    mean, new moving variance)``.

    All arrays are float32. x and y are (B, C, H, W), settings is (2,): epsilon, and the weight of the batch in the moving statistics. The
    others are (C,). The moving variance averages sample variances, divided by n - 1. The operator has gradients for x, gamma, beta and
    residual.

    Args:
        residual: take one more input of x's shape and add it to the normalised x.
        relu: apply a ReLU at the end.
    """
    if residual and relu:
        gradient = operator(SOURCE, "BatchNormAddReluGrad", [FLOAT] * 6, 4, lambda x, dy, gamma, *_: (x, gamma, gamma, x))
    else:
        function, inputs = ("BatchNormReluGrad", 6) if relu else ("BatchNormGrad", 5)
        gradient = operator(SOURCE, function, [FLOAT] * inputs, 3, lambda x, dy, gamma, *_: (x, gamma, gamma))

    def gradients(x, gamma, out, dout):
        return gradient(x, dout[0], gamma, out[1], out[2], out[0]) if relu else gradient(x, dout[0], gamma, out[1], out[2])

    def bprop(x, gamma, beta, moving_mean, moving_variance, settings, out, dout):
        found = gradients(x, gamma, out, dout)
        return found[0], found[1], found[2], ops.zeros_like(moving_mean), ops.zeros_like(moving_variance), ops.zeros_like(settings)

    def bprop_with_residual(x, gamma, beta, moving_mean, moving_variance, settings, residual, out, dout):
        found = gradients(x, gamma, out, dout)
        others = ops.zeros_like(moving_mean), ops.zeros_like(moving_variance), ops.zeros_like(settings)
        return found[0], found[1], found[2], *others, found[3] if relu else dout[0]

    function, inputs, back = ("BatchNormAdd", 7, bprop_with_residual) if residual else ("BatchNorm", 6, bprop)
    function += "Relu" if relu else ""
    return operator(SOURCE, function, [FLOAT] * inputs, 5, lambda x, gamma, *_: (x, gamma, gamma, gamma, gamma), back)


@ops.constexpr
def _kernel(residual, relu):
    return kernel(residual, relu)


def finish(y: Tensor, residual: Optional[Tensor], relu: bool) -> Tensor:
    """Return the map plus the residual, unless it is None; with ``relu``, apply a ReLU to the result."""
    y = y if residual is None else y + residual
    return ops.relu(y) if relu else y


def uses_batch(norm):
    """Return whether a batch normalisation uses the statistics of the batch instead of the moving ones."""
    return norm.training if norm.use_batch_statistics is None else norm.use_batch_statistics


class NativeBatchNorm2d(nn.BatchNorm2d):
    """A batch normalisation that uses the kernel for float32 and batch statistics, and MindSpore's operator otherwise.

    ``construct(x, residual=None, relu=False)``, all maps (B, C, H, W): normalises, adds the residual, applies the ReLU.
    """

    SOURCE = SOURCE
    fuses = True  # its construct takes a residual and a ReLU

    @staticmethod
    def geometry_of(cell: nn.Cell) -> Optional[Tuple[int, ...]]:
        """Return an empty tuple if the kernel supports this cell, else None."""
        return () if type(cell) is nn.BatchNorm2d and cell.format == "NCHW" else None

    def prepare(self, _: Tuple[int, ...]) -> None:
        self.settings = Tensor([self.eps, self.momentum], ms.float32)  # MindSpore stores one minus the argument `momentum`

    def construct(self, x, residual=None, relu=False):
        if not (uses_batch(self) and native(SOURCE) and x.dtype == ms.float32 and self.gamma.dtype == ms.float32):
            return finish(super().construct(x), residual, relu)
        inputs = x, self.gamma, self.beta, self.moving_mean, self.moving_variance, self.settings
        inputs = inputs if residual is None else (*inputs, residual)
        found = _kernel(residual is not None, relu)(*inputs)
        ops.assign(self.moving_mean, found[3])
        ops.assign(self.moving_variance, found[4])
        return found[0]
