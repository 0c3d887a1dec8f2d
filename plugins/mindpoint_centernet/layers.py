"""Small cells shared by backbones, necks and heads. Like the official implementation, they use PyTorch's default initialisation."""

from __future__ import annotations

import math

import numpy as np
from mindpoint.native.fused import conv_norm
from mindspore import Tensor, nn
from mindspore.common.initializer import Initializer, Uniform


def default_init(fan_in: int) -> Uniform:
    """Return PyTorch's default initializer of convolutions, for weights and biases: uniform in ``+-1 / sqrt(fan_in)``."""
    return Uniform(1 / math.sqrt(fan_in))


def conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, bias: bool = False, init: Initializer = None) -> nn.Conv2d:
    """Return a convolution whose padding keeps height and width, apart from the stride.

    Args:
        kernel: odd width and height of the kernel.
        init: initializer of the weight; default: PyTorch's.
    """
    fan_in = in_channels * kernel * kernel
    return nn.Conv2d(
        in_channels,
        out_channels,
        kernel,
        stride,
        "pad",
        kernel // 2,
        has_bias=bias,
        weight_init=init or default_init(fan_in),
        bias_init=default_init(fan_in),
    )


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Return batch normalisation with PyTorch's defaults. MindSpore's momentum is the weight of the old value, so 0.9 is PyTorch's 0.1."""
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.9)


def conv_bn_relu(in_channels: int, out_channels: int, kernel: int) -> nn.SequentialCell:
    """Return convolution without bias, batch normalisation and ReLU."""
    return nn.SequentialCell([conv(in_channels, out_channels, kernel), batch_norm(out_channels), nn.ReLU()])


def bilinear_kernel(size: int) -> np.ndarray:
    """Return the ``(size, size)`` float32 weights by which a transposed convolution of stride ``size / 2`` interpolates bilinearly."""
    factor = math.ceil(size / 2)
    centre = (2 * factor - 1 - factor % 2) / (2 * factor)
    slope = 1 - np.abs(np.arange(size) / factor - centre)
    return np.outer(slope, slope).astype(np.float32)


def upsample(channels: int, factor: int) -> nn.Conv2dTranspose:
    """Return a depthwise transposed convolution that enlarges maps by ``factor``, initially by bilinear interpolation.

    Its weight is ``(channels, 1, 2 * factor, 2 * factor)``; ``factor`` is even.
    """
    weight = np.tile(bilinear_kernel(2 * factor), (channels, 1, 1, 1))
    return nn.Conv2dTranspose(channels, channels, 2 * factor, factor, "pad", factor // 2, group=channels, weight_init=Tensor(weight))


class BasicBlock(nn.Cell):
    """Two 3x3 convolutions plus a residual: ``construct(x, residual)``, where ``residual`` has the output's shape."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, init: Initializer):
        super().__init__()
        self.conv1 = conv(in_channels, out_channels, 3, stride, init=init)
        self.bn1 = batch_norm(out_channels)
        self.conv2 = conv(out_channels, out_channels, 3, init=init)
        self.bn2 = batch_norm(out_channels)

    def construct(self, x, residual):
        return conv_norm(self.conv2, self.bn2, conv_norm(self.conv1, self.bn1, x), residual)
