"""MobileNetV2 (Sandler et al., 2018, https://arxiv.org/abs/1801.04381). Parameters are named as in torchvision."""

from __future__ import annotations

from mindpoint.errors import ConfigError
from mindspore import nn

from mindpoint_backbones.layers import conv_norm, round_channels
from mindpoint_backbones.mobilenet import MobileNet

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion factor, channels, blocks and stride of each stage: table 2 of the paper."""


class InvertedResidual(nn.Cell):
    """A block that expands the channels by a 1x1 convolution, applies a depthwise 3x3 one and projects by a 1x1 one: ``construct(x)``.

    The input is added if it has the output's shape. Without expansion (factor 1), the first convolution is left out.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int):
        super().__init__()
        width = expansion * in_channels
        self.residual = stride == 1 and in_channels == out_channels
        cells = [conv_norm(in_channels, width, 1, activation=nn.ReLU6())] if expansion != 1 else []
        cells.append(conv_norm(width, width, 3, stride, width, nn.ReLU6()))
        self.conv = nn.SequentialCell([*cells, *conv_norm(width, out_channels, 1)])

    def construct(self, x):
        y = self.conv(x)
        return x + y if self.residual else y


class MobileNetV2(MobileNet):
    """MobileNetV2 without its last convolution and classifier. It returns maps of strides 4, 8, 16 and 32.

    Args:
        width: factor of all numbers of channels, above 0; products are rounded to multiples of 8.

    Raises:
        ConfigError: the width is not above 0.
    """

    def __init__(self, width: float = 1.0):
        if width <= 0:
            raise ConfigError(f"MobileNetV2: width must be above 0, got {width}")
        channels = round_channels(32 * width)
        cells = [(conv_norm(3, channels, 3, 2, activation=nn.ReLU6()), channels, 2)]
        for expansion, wanted, count, stride in STAGES:
            out_channels = round_channels(wanted * width)
            for step in (stride, *[1] * (count - 1)):
                cells.append((InvertedResidual(channels, out_channels, step, expansion), out_channels, step))
                channels = out_channels
        super().__init__(cells)
