"""Deformable convolution, version 2 (Zhu et al., 2019, https://arxiv.org/abs/1811.11168, equation 1).

    y(p) = sum over taps k of  w_k * mask_k(p) * x(p * stride - padding + dilation * k + offset_k(p))

Positions are pixels of the input map; values between pixels are interpolated bilinearly and everything outside the map is zero, so a
position counts if it is above -1 and below the height (width).
"""

from __future__ import annotations

import math
from typing import Tuple, Union

from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import Uniform, Zero, initializer

from mindpoint.errors import MindpointError


def pair(value: Union[int, Tuple[int, int]]) -> Tuple[int, int]:
    """One number for both directions, or (vertical, horizontal)."""
    if isinstance(value, int):
        return value, value
    return value


def _portable(x, offset, mask, weight, stride, padding, dilation, deformable_groups):
    """MindSpore's own op, which wants all x offsets, then all y offsets, then the masks."""
    b, channels, h, w = offset.shape
    steps = ops.reshape(offset, (b, channels // 2, 2, h, w))
    packed = ops.concat((steps[:, :, 1], steps[:, :, 0], mask), 1)
    return ops.deformable_conv2d(x, weight, packed, (weight.shape[2], weight.shape[3]), (1, 1) + stride,
                                 (padding[0], padding[0], padding[1], padding[1]), dilations=(1, 1) + dilation,
                                 deformable_groups=deformable_groups)


def deform_conv2d(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias=None, stride=1, padding=1, dilation=1,
                  deformable_groups=1):
    """Deformable convolution as a function.

    x: (B, I, H, W) float32; offset: (B, 2*G*kh*kw, Ho, Wo) in input pixels, interleaved (dy_k, dx_k) with k = i*kw + j, one run for
    each of the G deformable groups; mask: (B, G*kh*kw, Ho, Wo), the factors themselves (after the sigmoid); weight: (O, I, kh, kw);
    bias: (O,) or None. stride, padding and dilation are numbers or (vertical, horizontal). Returns (B, O, Ho, Wo).
    """
    y = _portable(x, offset, mask, weight, pair(stride), pair(padding), pair(dilation), deformable_groups)
    if bias is not None:
        y = ops.bias_add(y, bias)
    return y


class DeformConv2d(nn.Cell):
    """Deformable convolution that predicts its own offsets and masks.

    (B, in_channels, H, W) float32 -> (B, out_channels, Ho, Wo). Parameters as in the official implementation: ``weight``, ``bias`` and the
    convolution ``conv_offset_mask`` whose first two thirds of channels are offsets and whose last third, after a sigmoid, the masks. It
    starts at zero: no offset, every mask 0.5.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size=3, stride=1, padding=1, dilation=1, deformable_groups: int = 1,
                 implementation: str = "auto"):
        super().__init__()
        if in_channels % deformable_groups:
            raise MindpointError(f"deformable convolution: {in_channels} input channels cannot be shared by {deformable_groups} groups")
        kh, kw = pair(kernel_size)
        taps = deformable_groups * kh * kw
        top, side = pair(padding)
        bound = 1 / math.sqrt(in_channels * kh * kw)
        self.weight = Parameter(initializer(Uniform(bound), (out_channels, in_channels, kh, kw)), name="weight")
        self.bias = Parameter(initializer(Zero(), (out_channels,)), name="bias")
        self.conv_offset_mask = nn.Conv2d(in_channels, 3 * taps, (kh, kw), pair(stride), "pad", (top, top, side, side), pair(dilation),
                                          has_bias=True, weight_init="zeros", bias_init="zeros")
        self.offsets = 2 * taps
        self.stride, self.padding, self.dilation = pair(stride), pair(padding), pair(dilation)
        self.deformable_groups = deformable_groups

    def construct(self, x):
        steered = self.conv_offset_mask(x)
        return deform_conv2d(x, steered[:, :self.offsets], ops.sigmoid(steered[:, self.offsets:]), self.weight, self.bias, self.stride,
                             self.padding, self.dilation, self.deformable_groups)
