"""Residual networks (He et al., 2015, https://arxiv.org/abs/1512.03385). Parameters are named as in torchvision."""

from __future__ import annotations

from typing import Literal

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Backbone
from mindpoint.errors import ConfigError
from mindpoint.native.fused import conv_norm
from mindspore import nn
from mindspore.common.initializer import HeNormal

from mindpoint_centernet import layers
from mindpoint_centernet.layers import batch_norm, conv

_INIT = HeNormal(mode="fan_out", nonlinearity="relu")


def _shortcut(in_channels: int, out_channels: int, stride: int):
    """Return a 1x1 convolution and batch normalisation if the block changes size or channels, else None."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.SequentialCell([conv(in_channels, out_channels, 1, stride, init=_INIT), batch_norm(out_channels)])


class BasicBlock(layers.BasicBlock):
    """Two 3x3 convolutions and a shortcut: ``construct(x)``."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int):
        super().__init__(in_channels, width, stride, _INIT)
        self.downsample = _shortcut(in_channels, width, stride)

    def construct(self, x):
        return super().construct(x, x if self.downsample is None else self.downsample(x))


class Bottleneck(nn.Cell):
    """1x1, 3x3 and 1x1 convolution and a shortcut: ``construct(x)``. The 3x3 convolution has the stride, as in torchvision."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int):
        super().__init__()
        out_channels = self.expansion * width
        self.conv1 = conv(in_channels, width, 1, init=_INIT)
        self.bn1 = batch_norm(width)
        self.conv2 = conv(width, width, 3, stride, init=_INIT)
        self.bn2 = batch_norm(width)
        self.conv3 = conv(width, out_channels, 1, init=_INIT)
        self.bn3 = batch_norm(out_channels)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def construct(self, x):
        residual = x if self.downsample is None else self.downsample(x)
        y = conv_norm(self.conv2, self.bn2, conv_norm(self.conv1, self.bn1, x))
        return conv_norm(self.conv3, self.bn3, y, residual)


_KINDS = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


class ResNet(Backbone):
    """ResNet without its classifier. It returns the maps of its four stages, of strides 4, 8, 16 and 32.

    Args:
        depth: number of layers: 18, 34 (basic blocks), 50, 101 or 152 (bottlenecks).
        width: number of channels of the first convolution, at least 1. The published networks, and their weights, have 64.

    Raises:
        ConfigError: another depth, or a width below 1.
    """

    def __init__(self, depth: Literal[18, 34, 50, 101, 152], width: int = 64):
        super().__init__()
        if depth not in _KINDS:
            raise ConfigError(f"ResNet: depth must be one of {', '.join(map(str, _KINDS))}, got {depth}")
        if width < 1:
            raise ConfigError(f"ResNet: width must be at least 1, got {width}")
        self.block, counts = _KINDS[depth]
        self.conv1 = conv(3, width, 7, 2, init=_INIT)
        self.bn1 = batch_norm(width)
        self.border = nn.ZeroPad2d(1)
        self.maxpool = nn.MaxPool2d(3, 2)
        widths = [width * 2**i for i in range(4)]
        channels = [width] + [each * self.block.expansion for each in widths]
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            self._stage(channels[i], widths[i], counts[i], stride=1 if i == 0 else 2) for i in range(4)
        )
        self.out_features = tuple(FeatureSpec(channels[i + 1], 4 * 2**i) for i in range(4))

    def _stage(self, in_channels: int, width: int, count: int, stride: int) -> nn.SequentialCell:
        first = self.block(in_channels, width, stride)
        return nn.SequentialCell([first] + [self.block(width * self.block.expansion, width, 1) for _ in range(count - 1)])

    def construct(self, image):
        x = conv_norm(self.conv1, self.bn1, image)
        # MindSpore's padded pooling is slow; after a ReLU, padding with zeros gives the same maxima
        stage1 = self.layer1(self.maxpool(self.border(x)))
        stage2 = self.layer2(stage1)
        stage3 = self.layer3(stage2)
        return stage1, stage2, stage3, self.layer4(stage3)
