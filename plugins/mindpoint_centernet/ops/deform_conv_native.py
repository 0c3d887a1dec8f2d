"""The C++ kernel of the deformable convolution as a MindSpore operator."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Tuple

from mindpoint.native import finish
from mindpoint.native.kernel import FLOAT, INTEGER, operator
from mindspore import ops

SOURCE = Path(__file__).with_name("deform_conv.cc")


@functools.lru_cache(maxsize=None)
def kernel() -> ops.Custom:
    """Return the operator ``(x, offset, mask, weight, bias, geometry) -> y``, with its gradient.

    The arrays are those of :func:`mindpoint_centernet.ops.deform_conv.deform_conv2d`, float32. geometry is constant, int64 (7,): stride,
    padding and dilation, each (vertical, horizontal), and 1 for products in bfloat16, else 0. Shapes may be dynamic. For the gradient,
    only the inputs are kept in memory.

    Raises:
        NativeBuildError: the source cannot be compiled.
    """
    tensors = [FLOAT] * 5 + [INTEGER]
    backward = operator(SOURCE, "DeformConvGrad", [*tensors, FLOAT], 5)

    def bprop(x, offset, mask, weight, bias, geometry, out, dout):
        dx, doffset, dmask, dweight, dbias = backward(x, offset, mask, weight, bias, geometry, dout)
        return dx, doffset, dmask, dweight, dbias, ops.zeros_like(geometry)

    return operator(SOURCE, "DeformConv", tensors, 1, bprop=bprop)


@functools.lru_cache(maxsize=None)
def finished_kernel(steps: Tuple[bool, bool, bool]) -> ops.Custom:
    """Return the operator ``(x, steered, weight, *inputs of mindpoint.native.finish, geometry) -> y``, with its gradient.

    ``steered`` is one map of the offsets, then the masks before the sigmoid: (B, 3*G*kh*kw, Ho, Wo).

    Args:
        steps: whether the operator normalises, adds a residual, applies a ReLU.
    """
    plain, backward = kernel(), kernel().bprop

    def bprop(x, steered, weight, bias, gamma, beta, mean, variance, settings, residual, which, geometry, out, dout):
        offsets = steered.shape[1] // 3 * 2
        offset, mask = steered[:, :offsets], ops.sigmoid(steered[:, offsets:])
        inputs = (bias, gamma, beta, mean, variance, settings, residual, which)
        dplain, rest = finish.gradient(steps, inputs, plain(x, offset, mask, weight, bias, geometry), out, dout)
        dx, doffset, dmask, dweight, dbias, dgeometry = backward(x, offset, mask, weight, bias, geometry, out, dplain)
        return (dx, ops.concat((doffset, dmask * mask * (1 - mask)), 1), dweight, dbias, *rest, dgeometry)

    inputs = [FLOAT] * 3 + finish.INPUTS + [INTEGER]
    return operator(SOURCE, "DeformConvFinished", inputs, 1, bprop=bprop, variant=str(steps))
