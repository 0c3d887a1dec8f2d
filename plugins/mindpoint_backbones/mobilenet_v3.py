"""MobileNetV3 (Howard et al., 2019, https://arxiv.org/abs/1905.02244). Parameters are named as in torchvision."""

from __future__ import annotations

from typing import List, Literal

from mindpoint.errors import ConfigError
from mindspore import nn, ops

from mindpoint_backbones.layers import conv, conv_norm, round_channels
from mindpoint_backbones.mobilenet import MobileNet

BLOCKS = {  # kernel, expanded channels, channels, squeeze and excitation, hard swish, stride: tables 1 and 2 of the paper
    "large": (
        (3, 16, 16, False, False, 1),
        (3, 64, 24, False, False, 2),
        (3, 72, 24, False, False, 1),
        (5, 72, 40, True, False, 2),
        (5, 120, 40, True, False, 1),
        (5, 120, 40, True, False, 1),
        (3, 240, 80, False, True, 2),
        (3, 200, 80, False, True, 1),
        (3, 184, 80, False, True, 1),
        (3, 184, 80, False, True, 1),
        (3, 480, 112, True, True, 1),
        (3, 672, 112, True, True, 1),
        (5, 672, 160, True, True, 2),
        (5, 960, 160, True, True, 1),
        (5, 960, 160, True, True, 1),
    ),
    "small": (
        (3, 16, 16, True, False, 2),
        (3, 72, 24, False, False, 2),
        (3, 88, 24, False, False, 1),
        (5, 96, 40, True, True, 2),
        (5, 240, 40, True, True, 1),
        (5, 240, 40, True, True, 1),
        (5, 120, 48, True, True, 1),
        (5, 144, 48, True, True, 1),
        (5, 288, 96, True, True, 2),
        (5, 576, 96, True, True, 1),
        (5, 576, 96, True, True, 1),
    ),
}


class SqueezeExcitation(nn.Cell):
    """Squeeze and excitation: scales each channel by a factor in 0..1 that depends on the means of all channels: ``construct(x)``."""

    def __init__(self, channels: int):
        super().__init__()
        squeezed = round_channels(channels // 4)
        self.fc1 = conv(channels, squeezed, 1, bias=True)
        self.fc2 = conv(squeezed, channels, 1, bias=True)

    def construct(self, x):
        return x * ops.hardsigmoid(self.fc2(ops.relu(self.fc1(ops.mean(x, (2, 3), True)))))


def _conv_norm(in_channels: int, out_channels: int, kernel: int, **options: object) -> nn.SequentialCell:
    return conv_norm(in_channels, out_channels, kernel, epsilon=1e-3, momentum=0.01, **options)


def _activation(hard_swish: bool) -> nn.Cell:
    return nn.HSwish() if hard_swish else nn.ReLU()


class InvertedResidual(nn.Cell):
    """A block that expands the channels by a 1x1 convolution, applies a depthwise one and projects by a 1x1 one: ``construct(x)``.

    The input is added if it has the output's shape.

    Args:
        width: number of channels after the expansion; if it is ``in_channels``, the first convolution is left out.
        excited: whether squeeze and excitation follows the depthwise convolution.
        hard_swish: whether the activation is a hard swish instead of a ReLU.
        stride: stride of the depthwise convolution.
    """

    def __init__(self, in_channels: int, kernel: int, width: int, out_channels: int, excited: bool, hard_swish: bool, stride: int):
        super().__init__()
        self.residual = stride == 1 and in_channels == out_channels
        cells: List[nn.Cell] = []
        if width != in_channels:
            cells.append(_conv_norm(in_channels, width, 1, activation=_activation(hard_swish)))
        cells.append(_conv_norm(width, width, kernel, stride=stride, groups=width, activation=_activation(hard_swish)))
        if excited:
            cells.append(SqueezeExcitation(width))
        self.block = nn.SequentialCell([*cells, _conv_norm(width, out_channels, 1)])

    def construct(self, x):
        y = self.block(x)
        return x + y if self.residual else y


class MobileNetV3(MobileNet):
    """MobileNetV3 without its last convolution and classifier. It returns maps of strides 4, 8, 16 and 32.

    Args:
        size: ``large`` or ``small``.
        width: factor of all numbers of channels, above 0; products are rounded to multiples of 8.

    Raises:
        ConfigError: another size, or the width is not above 0.
    """

    def __init__(self, size: Literal["large", "small"] = "large", width: float = 1.0):
        if size not in BLOCKS or width <= 0:
            raise ConfigError(f"MobileNetV3: size must be large or small and width above 0, got {size} and {width}")
        channels = round_channels(16 * width)
        cells = [(_conv_norm(3, channels, 3, stride=2, activation=nn.HSwish()), channels, 2)]
        for kernel, expanded, wanted, excited, hard_swish, stride in BLOCKS[size]:
            inner, out_channels = round_channels(expanded * width), round_channels(wanted * width)
            cells.append((InvertedResidual(channels, kernel, inner, out_channels, excited, hard_swish, stride), out_channels, stride))
            channels = out_channels
        super().__init__(cells)
