"""Deformable convolution, version 2 (Zhu et al., 2019, https://arxiv.org/abs/1811.11168, equation 1).

    y(p) = sum over taps k of  w_k * mask_k(p) * x(p * stride - padding + dilation * k + offset_k(p))

Positions are in pixels of the input map. Values between pixels are interpolated bilinearly; pixels outside of the map are zero. So a
position contributes only if it is above -1 and below the height (width).

There are two implementations, whose results differ only by rounding. ``native`` is a C++ kernel for CPUs, compiled on first use.
``portable`` is MindSpore's own operator, which is slow on a CPU but available on all devices. :mod:`mindpoint.native.kernel` describes how
``auto`` chooses.
"""

from __future__ import annotations

import math
from typing import Tuple, Union

import mindspore as ms
import numpy as np
from mindpoint.errors import MindpointError
from mindpoint.native import finish
from mindpoint.native.batch_norm import finish as finish_map
from mindpoint.native.exporting import exporting
from mindpoint.native.kernel import choose
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import Uniform, Zero, initializer
from mindspore.ops import functional

from mindpoint_centernet.ops import deform_conv_native
from mindpoint_centernet.ops.deform_conv_onnx import DeformConvNodes


@ops.constexpr
def _kernel(implementation):
    """Return the kernel for a graph being compiled, or None for the portable implementation."""
    return deform_conv_native.kernel() if choose(deform_conv_native.SOURCE, implementation) == "native" else None


@ops.constexpr
def _finished_kernel(implementation, steps):
    """Return the kernel that includes the steps of :mod:`mindpoint.native.finish`, or None for the portable implementation."""
    return deform_conv_native.finished_kernel(steps) if choose(deform_conv_native.SOURCE, implementation) == "native" else None


@ops.constexpr
def _onnx_operator(weight, stride, padding, dilation, groups):
    """Return the placeholder if the graph is being exported to ONNX, which MindSpore's own operator does not support, else None."""
    export = exporting()
    if export is None or export.format != "onnx":
        return None
    return DeformConvNodes(tuple(weight[2:]), stride, padding, dilation, weight[1], groups).operator(export)


@ops.constexpr
def _pair(value, what, least):
    """Return a number, or a pair (vertical, horizontal), as a pair.

    Raises:
        MindpointError: not one or two whole numbers of at least ``least``.
    """
    values = (value, value) if isinstance(value, int) else tuple(value)
    if len(values) != 2 or not all(isinstance(number, int) and number >= least for number in values):
        raise MindpointError(f"deformable convolution: {what} must be one or two whole numbers of at least {least}, got {value}")
    return values


@ops.constexpr
def _check(x, offset, mask, weight, stride, padding, dilation, groups):
    """Raise MindpointError for inconsistent shapes."""
    if len(x) != 4 or len(weight) != 4 or weight[1] != x[1]:
        raise MindpointError(f"deformable convolution: weight {weight} does not fit an input of shape {x}")
    if 0 in x:
        raise MindpointError(f"deformable convolution: the input is empty: its shape is {x}")
    if groups < 1 or x[1] % groups:
        raise MindpointError(f"deformable convolution: {x[1]} input channels cannot be divided into {groups} deformable groups")
    size = tuple((x[2 + i] + 2 * padding[i] - dilation[i] * (weight[2 + i] - 1) - 1) // stride[i] + 1 for i in (0, 1))
    if min(size) < 1:
        raise MindpointError(f"deformable convolution: the input {x} is smaller than the kernel {weight[2:]} with dilation {dilation}")
    taps = groups * weight[2] * weight[3]
    for name, shape, channels in (("offset", offset, 2 * taps), ("mask", mask, taps)):
        wanted = (x[0], channels) + size
        if tuple(shape) != wanted:
            raise MindpointError(f"deformable convolution: {name} must have shape {wanted}, got {tuple(shape)}")


@ops.constexpr
def _starts(size, kernel, stride, padding, dilation, groups):
    """Return the positions of the taps without offsets, one axis at a time: y (1, G*kh*kw, Ho, 1) and x (1, G*kh*kw, 1, Wo)."""
    if None in size or min(size) < 0:
        raise MindpointError("deformable convolution: the portable implementation needs a fixed height and width")
    i, j = np.divmod(np.arange(kernel[0] * kernel[1]), kernel[1])
    result = []
    for axis, tap in enumerate((i, j)):
        start = np.tile(tap * dilation[axis], groups)[:, None] + np.arange(size[axis]) * stride[axis] - padding[axis]
        result.append(Tensor(np.expand_dims(start, 2 - axis)[None].astype(np.float32)))
    return tuple(result)


def _unmoved_at_border(step, start):
    """Return the offsets, without gradient where the position is -1 or less.

    MindSpore's operator returns a gradient at exactly -1, although such a position does not contribute. In a new network, whose offsets are
    zero, taps on the first row or column of a padding of one pixel have this position.
    """
    return ops.where(start + step <= -1, ops.stop_gradient(step), step)


def _portable(x, offset, mask, weight, bias, stride, padding, dilation, groups):
    """Run MindSpore's own operator. It takes one map: all x offsets, then all y offsets, then the masks."""
    b, channels, h, w = offset.shape
    kernel = (weight.shape[2], weight.shape[3])
    steps = ops.reshape(offset, (b, channels // 2, 2, h, w))
    start_y, start_x = _starts((h, w), kernel, stride, padding, dilation, groups)
    packed = ops.concat((_unmoved_at_border(steps[:, :, 1], start_x), _unmoved_at_border(steps[:, :, 0], start_y), mask), 1)
    y = ops.deformable_conv2d(
        x,
        weight,
        packed,
        kernel,
        (1, 1) + stride,
        (padding[0], padding[0], padding[1], padding[1]),
        dilations=(1, 1) + dilation,
        deformable_groups=groups,
    )
    return ops.bias_add(y, bias)


@ops.constexpr
def _are_float32(*kinds):
    return all(kind == ms.float32 for kind in kinds)


def deform_conv2d(
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias=None,
    stride=1,
    padding=1,
    dilation=1,
    deformable_groups=1,
    implementation="auto",
    bfloat16=False,
):
    """Return a deformable convolution (B, O, Ho, Wo) of x, with x's type. Works in graph mode and in PyNative mode.

    Everything is computed in float32, and inputs of other types are cast: from 64 on, float16 positions are multiples of 1/16 pixel.

    Args:
        x: (B, I, H, W).
        offset: (B, 2*G*kh*kw, Ho, Wo), in input pixels. Each of the G deformable groups has a block of channels dy_0, dx_0, dy_1, dx_1,
            ...; tap k = i*kw + j is in row i and column j of the kernel.
        mask: (B, G*kh*kw, Ho, Wo), the factors of the taps, after the sigmoid.
        weight: (O, I, kh, kw).
        bias: (O,) or None.
        stride, padding, dilation: a number, or (vertical, horizontal).
        deformable_groups: G, a divisor of I.
        implementation: ``auto``, ``native`` or ``portable``; see the module.
        bfloat16: whether the kernel rounds the weights and the interpolated values to bfloat16 before it multiplies them.

    Raises:
        MindpointError: shapes do not fit together, or x is empty.
    """
    stride, padding, dilation = _pair(stride, "stride", 1), _pair(padding, "padding", 0), _pair(dilation, "dilation", 1)
    if not functional.is_sequence_value_unknown(x.shape):  # the kernel checks dynamic shapes at run time
        _check(x.shape, offset.shape, mask.shape, weight.shape, stride, padding, dilation, deformable_groups)
    operator, kernel = _onnx_operator(weight.shape, stride, padding, dilation, deformable_groups), _kernel(implementation)
    if bias is None:
        bias = ops.zeros((weight.shape[0],), ms.float32)
    # cast only if needed: a cast without effect would hide the cell's name in profiles
    if not _are_float32(x.dtype, offset.dtype, mask.dtype, weight.dtype, bias.dtype):
        inputs = functional.mixed_precision_cast(ms.float32, (x, offset, mask, weight, bias))
        return deform_conv2d(*inputs, stride, padding, dilation, deformable_groups, implementation, bfloat16).astype(x.dtype)
    if operator is not None:
        return operator(x, offset, mask, weight, bias)
    if kernel is not None:
        return kernel(x, offset, mask, weight, bias, Tensor(stride + padding + dilation + (int(bfloat16),), ms.int64))
    return _portable(x, offset, mask, weight, bias, stride, padding, dilation, deformable_groups)


def finished(conv, x, norm, residual, relu):
    """Return ``relu(norm(conv(x)) + residual)`` of a DeformConv2d; see :func:`mindpoint.native.fused.conv_norm`."""
    kernel = _finished_kernel(conv.implementation, (norm is not None, residual is not None, relu))
    if kernel is None or not _are_float32(x.dtype, conv.weight.dtype):
        return finish_map(conv(x) if norm is None else norm(conv(x)), residual, relu)
    geometry = Tensor(conv.stride + conv.padding + conv.dilation + (int(conv.bfloat16),), ms.int64)
    return kernel(x, conv.conv_offset_mask(x), conv.weight, *finish.inputs_of(conv.bias, norm, residual, relu), geometry)


class DeformConv2d(nn.Cell):
    """A deformable convolution that predicts its own offsets and masks.

    ``construct(x (B, in_channels, H, W)) -> (B, out_channels, Ho, Wo)``. Parameters are named as in the official implementation:
    ``weight``, ``bias``, and those of the convolution ``conv_offset_mask``. The first two thirds of its output channels are the offsets;
    the last third, after a sigmoid, are the masks. Its initial weights are zero, so that all offsets are 0 and all masks 0.5.

    Args:
        kernel_size, stride, padding, dilation: a number, or (vertical, horizontal).
        deformable_groups: number of groups of input channels with offsets and masks of their own; a divisor of ``in_channels``.
        implementation: ``auto``, ``native`` or ``portable``; see the module.

    Raises:
        MindpointError: an argument is invalid, or ``native`` cannot be used.
    """

    finished = staticmethod(finished)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Union[int, Tuple[int, int]] = 3,
        stride: Union[int, Tuple[int, int]] = 1,
        padding: Union[int, Tuple[int, int]] = 1,
        dilation: Union[int, Tuple[int, int]] = 1,
        deformable_groups: int = 1,
        implementation: str = "auto",
    ):
        super().__init__()
        if deformable_groups < 1 or in_channels % deformable_groups:
            raise MindpointError(
                f"deformable convolution: {in_channels} input channels cannot be divided into {deformable_groups} deformable groups"
            )
        kh, kw = _pair(kernel_size, "kernel size", 1)
        self.stride, self.padding = _pair(stride, "stride", 1), _pair(padding, "padding", 0)
        self.dilation, self.deformable_groups = _pair(dilation, "dilation", 1), deformable_groups
        self.implementation = choose(deform_conv_native.SOURCE, implementation)
        self.bfloat16 = False
        self.offsets = 2 * deformable_groups * kh * kw
        bound = 1 / math.sqrt(in_channels * kh * kw)
        self.weight = Parameter(initializer(Uniform(bound), (out_channels, in_channels, kh, kw)), name="weight")
        self.bias = Parameter(initializer(Zero(), (out_channels,)), name="bias")
        top, side = self.padding
        self.conv_offset_mask = nn.Conv2d(
            in_channels,
            self.offsets // 2 * 3,
            (kh, kw),
            self.stride,
            "pad",
            (top, top, side, side),
            self.dilation,
            has_bias=True,
            weight_init="zeros",
            bias_init="zeros",
        )

    def construct(self, x):
        steered = self.conv_offset_mask(x)
        return deform_conv2d(
            x,
            steered[:, : self.offsets],
            ops.sigmoid(steered[:, self.offsets :]),
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.deformable_groups,
            self.implementation,
            self.bfloat16,
        )

    def use_bfloat16(self) -> None:
        """Multiply in bfloat16, but compute the offsets and masks in float32."""
        self.bfloat16 = True

    def multiply_adds(self, inputs: Tuple[Tuple[int, ...], ...], output: Tuple[int, ...]) -> int:
        """Return the number of multiply-adds of both convolutions for these shapes of inputs and output; interpolation is not counted."""
        taps = math.prod(self.weight.shape[1:])
        return output[0] * math.prod(output[2:]) * taps * (output[1] + self.conv_offset_mask.out_channels)
