"""The end of a convolution in its kernel: ``relu(norm(result) + residual)`` by moving statistics, each step optional; see ``finish.h``."""

from __future__ import annotations

from typing import Tuple

import mindspore as ms
from mindspore import Tensor, ops
from mindspore.ops.operations._grad_ops import ReluGrad

from mindpoint.native.kernel import FLOAT, INTEGER

INPUTS = [*[FLOAT] * 7, INTEGER]  # bias, gamma, beta, mean, variance, settings (epsilon first), residual, steps


@ops.constexpr
def _tensor(steps):
    return Tensor(steps, ms.int64)


def inputs_of(bias, norm, residual, relu):
    """Return the inputs for a bias (O,), a ``NativeBatchNorm2d`` or None, a map like the output or None, and whether to apply ReLU."""
    steps = _tensor((norm is not None, residual is not None, relu))
    numbers = (bias,) * 5 if norm is None else (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance, norm.settings)
    return (bias, *numbers, bias if residual is None else residual, steps)


def gradient(steps: Tuple[bool, bool, bool], inputs, plain, out, dout):
    """Return the gradient of a convolution's result, and the gradients of the inputs other than the bias.

    steps: whether normalised, with a residual, with ReLU. inputs: the eight of the kernel. plain: the convolution's result (B, O, Ho, Wo),
    bias included. out, dout: the output and its gradient.
    """
    normalised, added, relu = steps
    bias, gamma, beta, mean, variance, settings, residual, which = inputs
    dout = ReluGrad()(dout, out) if relu else dout
    dresidual = dout if added else ops.zeros_like(residual)
    dgamma, dbeta = ops.zeros_like(gamma), ops.zeros_like(beta)
    if normalised:
        scale = ops.rsqrt(variance + settings[0])
        dgamma, dbeta = (dout * (plain - mean[:, None, None])).sum((0, 2, 3)) * scale, dout.sum((0, 2, 3))
        dout = dout * (gamma * scale)[:, None, None]
    rest = (ops.zeros_like(mean), ops.zeros_like(variance), ops.zeros_like(settings), dresidual, ops.zeros_like(which))
    return dout, (dgamma, dbeta, *rest)
