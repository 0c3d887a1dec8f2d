"""Deep layer aggregation, DLA-34 (Yu et al., 2018, https://arxiv.org/abs/1707.06484), as the official CenterNet has it."""

from __future__ import annotations

import math
from typing import Sequence

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Backbone
from mindpoint.errors import ConfigError
from mindspore import nn, ops
from mindspore.common.initializer import Normal

from mindpoint_centernet.layers import BasicBlock, batch_norm, conv, conv_bn_relu


def _init(kernel: int, out_channels: int) -> Normal:
    return Normal(math.sqrt(2 / (kernel * kernel * out_channels)))


def _conv_bn_relu(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.SequentialCell:
    return conv_bn_relu(in_channels, out_channels, kernel, stride, _init(kernel, out_channels))


class Root(nn.Cell):
    """1x1 convolution that merges maps of equal size: ``construct(tuple of maps)``."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = conv(in_channels, out_channels, 1, init=_init(1, out_channels))
        self.bn = batch_norm(out_channels)

    def construct(self, maps):
        return ops.relu(self.bn(self.conv(ops.concat(maps, 1))))


class Tree(nn.Cell):
    """Two residual blocks and a root over their outputs and further maps: ``construct(x, further maps)``.

    Args:
        keep_input: the root sees the (pooled) input too.
        further_channels: channels of the further maps together.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, keep_input: bool = False, further_channels: int = 0):
        super().__init__()
        self.keep_input = keep_input
        self.downsample = nn.MaxPool2d(stride, stride) if stride > 1 else None
        self.project = None
        if in_channels != out_channels:
            self.project = nn.SequentialCell([conv(in_channels, out_channels, 1, init=_init(1, out_channels)), batch_norm(out_channels)])
        self.tree1 = BasicBlock(in_channels, out_channels, stride, _init(3, out_channels))
        self.tree2 = BasicBlock(out_channels, out_channels, 1, _init(3, out_channels))
        self.root = Root(2 * out_channels + (in_channels if keep_input else 0) + further_channels, out_channels)

    def construct(self, x, further=()):
        bottom = x if self.downsample is None else self.downsample(x)
        residual = bottom if self.project is None else self.project(bottom)
        first = self.tree1(x, residual)
        maps = (self.tree2(first, first), first)
        if self.keep_input:
            maps = maps + (bottom,)
        return self.root(maps + further)


class DoubleTree(nn.Cell):
    """Two trees; the second one's root also merges the pooled input and the first tree's output."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.downsample = nn.MaxPool2d(stride, stride)
        self.tree1 = Tree(in_channels, out_channels, stride)
        self.tree2 = Tree(out_channels, out_channels, further_channels=in_channels + out_channels)

    def construct(self, x):
        first = self.tree1(x)
        return self.tree2(first, (self.downsample(x), first))


class DLA34(Backbone):
    """DLA-34 from strides 1 to 32; gives its last four levels, strides 4, 8, 16 and 32.

    Parameters are named as in the official implementation; its projections of level 3 and 4, which feed nothing, are left out.

    Args:
        channels: of levels 0 to 5; smaller numbers give a slim version.
    """

    def __init__(self, channels: Sequence[int] = (16, 32, 64, 128, 256, 512)):
        super().__init__()
        if len(channels) != 6 or min(channels) < 1:
            raise ConfigError(f"DLA34: channels must be six positive numbers, one a level, not {list(channels)}")
        c0, c1, c2, c3, c4, c5 = channels
        self.base_layer = _conv_bn_relu(3, c0, 7)
        self.level0 = _conv_bn_relu(c0, c0, 3)
        self.level1 = _conv_bn_relu(c0, c1, 3, stride=2)
        self.level2 = Tree(c1, c2, stride=2)
        self.level3 = DoubleTree(c2, c3, stride=2)
        self.level4 = DoubleTree(c3, c4, stride=2)
        self.level5 = Tree(c4, c5, stride=2, keep_input=True)
        self.out_features = (FeatureSpec(c2, 4), FeatureSpec(c3, 8), FeatureSpec(c4, 16), FeatureSpec(c5, 32))

    def construct(self, image):
        level2 = self.level2(self.level1(self.level0(self.base_layer(image))))
        level3 = self.level3(level2)
        level4 = self.level4(level3)
        return level2, level3, level4, self.level5(level4)
