"""The last steps of a convolution kernel: ``relu(norm(result) + residual)``, each step optional.

The normalisation uses moving statistics. ``finish.h`` is the counterpart in C++.
"""

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
    """Return the kernel's inputs for the last steps, in the order of ``INPUTS``.

    Args:
        bias: (O,).
        norm: a ``NativeBatchNorm2d``, or None.
        residual: a map of the output's shape (B, O, Ho, Wo), or None.
        relu: whether to apply a ReLU.
    """
    steps = _tensor((norm is not None, residual is not None, relu))
    numbers = (bias,) * 5 if norm is None else (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance, norm.settings)
    return (bias, *numbers, bias if residual is None else residual, steps)


def gradient(steps: Tuple[bool, bool, bool], inputs, plain, out, dout):
    """Return the gradient of the convolution's result (B, O, Ho, Wo), and a tuple of the gradients of all inputs except the bias.

    Args:
        steps: whether the kernel normalises, adds a residual, applies a ReLU.
        inputs: the eight inputs of :func:`inputs_of`.
        plain: the convolution's result (B, O, Ho, Wo), bias included.
        out, dout: the kernel's output and its gradient, both (B, O, Ho, Wo).
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
