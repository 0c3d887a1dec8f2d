"""Deep layer aggregation, DLA (Yu et al., 2018, https://arxiv.org/abs/1707.06484), as in the official CenterNet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, List, Literal, Optional, Sequence, Tuple

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Backbone
from mindpoint.errors import ConfigError
from mindpoint.native.fused import conv_norm
from mindspore import nn, ops
from mindspore.common.initializer import Normal

from mindpoint_centernet.layers import BasicBlock, batch_norm, conv


def _init(kernel: int, out_channels: int) -> Normal:
    return Normal(math.sqrt(2 / (kernel * kernel * out_channels)))


def _convolutions(in_channels: int, out_channels: int, kernel: int, count: int = 1, stride: int = 1) -> nn.SequentialCell:
    """Return convolution, batch normalisation and ReLU, ``count`` times; the first convolution has the stride."""
    cells: List[nn.Cell] = []
    for number in range(count):
        first = number == 0
        cells.append(
            conv(in_channels if first else out_channels, out_channels, kernel, stride if first else 1, init=_init(kernel, out_channels))
        )
        cells += [batch_norm(out_channels), nn.ReLU()]
    return nn.SequentialCell(cells)


class Bottleneck(nn.Cell):
    """1x1, 3x3 and 1x1 convolution plus a residual: ``construct(x, residual)``.

    The inner convolutions have half of ``out_channels``; the 3x3 convolution has the stride. ``residual`` has the output's shape.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        width = out_channels // 2
        self.conv1 = conv(in_channels, width, 1, init=_init(1, width))
        self.bn1 = batch_norm(width)
        self.conv2 = conv(width, width, 3, stride, init=_init(3, width))
        self.bn2 = batch_norm(width)
        self.conv3 = conv(width, out_channels, 1, init=_init(1, out_channels))
        self.bn3 = batch_norm(out_channels)

    def construct(self, x, residual):
        y = conv_norm(self.conv2, self.bn2, conv_norm(self.conv1, self.bn1, x))
        return conv_norm(self.conv3, self.bn3, y, residual)


def _basic(in_channels: int, out_channels: int, stride: int) -> BasicBlock:
    return BasicBlock(in_channels, out_channels, stride, _init(3, out_channels))


@dataclass(frozen=True)
class _Kind:
    """A published variant of DLA.

    Attributes:
        channels: number of channels of levels 0 to 5.
        levels: number of convolutions of levels 0 and 1, then heights of the trees of levels 2 to 5.
        block: the building block of a tree.
        residual_root: whether a root adds its first map to its output.
    """

    channels: Tuple[int, ...]
    levels: Tuple[int, ...]
    block: Callable[[int, int, int], nn.Cell] = Bottleneck
    residual_root: bool = False


_KINDS = {
    34: _Kind((16, 32, 64, 128, 256, 512), (1, 1, 1, 2, 2, 1), _basic),
    46: _Kind((16, 32, 64, 64, 128, 256), (1, 1, 1, 2, 2, 1)),
    60: _Kind((16, 32, 128, 256, 512, 1024), (1, 1, 1, 2, 3, 1)),
    102: _Kind((16, 32, 128, 256, 512, 1024), (1, 1, 1, 3, 4, 1), residual_root=True),
}


class Root(nn.Cell):
    """Concatenates maps of equal size and merges them by a 1x1 convolution: ``construct(tuple of maps)``.

    Args:
        residual: add the first map before the ReLU.
    """

    def __init__(self, in_channels: int, out_channels: int, residual: bool = False):
        super().__init__()
        self.conv = conv(in_channels, out_channels, 1, init=_init(1, out_channels))
        self.bn = batch_norm(out_channels)
        self.residual = residual

    def construct(self, maps):
        return conv_norm(self.conv, self.bn, ops.concat(maps, 1), maps[0] if self.residual else None)


class Tree(nn.Cell):
    """Two blocks and a root that merges their outputs with further maps: ``construct(x, tuple of further maps)``.

    A tree of height above 1 has two smaller trees in place of the blocks; the root of the second also merges the output of the first.

    Args:
        height: number of levels of the tree, at least 1.
        stride: stride of the first block.
        keep_input: also pass the input, max-pooled by the stride, to the root.
        further_channels: total number of channels of the further maps.
    """

    def __init__(
        self,
        kind: _Kind,
        height: int,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        keep_input: bool = False,
        further_channels: int = 0,
    ):
        super().__init__()
        self.height, self.keep_input = height, keep_input
        self.downsample = nn.MaxPool2d(stride, stride) if stride > 1 else None
        further_channels += in_channels if keep_input else 0
        self.project = None
        if height > 1:
            self.tree1 = Tree(kind, height - 1, in_channels, out_channels, stride)
            self.tree2 = Tree(kind, height - 1, out_channels, out_channels, further_channels=further_channels + out_channels)
            return
        if in_channels != out_channels:
            self.project = nn.SequentialCell([conv(in_channels, out_channels, 1, init=_init(1, out_channels)), batch_norm(out_channels)])
        self.tree1 = kind.block(in_channels, out_channels, stride)
        self.tree2 = kind.block(out_channels, out_channels, 1)
        self.root = Root(2 * out_channels + further_channels, out_channels, kind.residual_root)

    def construct(self, x, further=()):
        bottom = x if self.downsample is None else self.downsample(x)
        if self.keep_input:
            further = further + (bottom,)
        if self.height > 1:
            first = self.tree1(x)
            return self.tree2(first, further + (first,))
        first = self.tree1(x, bottom if self.project is None else self.project(bottom))
        return self.root((self.tree2(first, first), first) + further)


class DLA(Backbone):
    """DLA with levels of stride 1 to 32. It returns the maps of strides ``down_ratio`` to 32, by default 4, 8, 16 and 32.

    Parameters are named as in the official implementation. Its trees of two or more levels have projections that it never uses; they are
    left out here.

    Args:
        depth: number of layers: 34 (basic blocks), 46 (DLA-46-C, the compact variant with bottlenecks), 60 or 102 (bottlenecks).
        channels: six positive numbers, the channels of levels 0 to 5; default: those of the official network. Smaller numbers give a slim
            version.
        levels: six positive numbers: the convolutions of levels 0 and 1, then the heights of the trees of levels 2 to 5; default: those of
            the official network.
        down_ratio: stride of the finest returned map: 2, 4, 8 or 16.

    Raises:
        ConfigError: an argument is invalid.
    """

    def __init__(
        self,
        depth: Literal[34, 46, 60, 102] = 34,
        channels: Optional[Sequence[int]] = None,
        levels: Optional[Sequence[int]] = None,
        down_ratio: Literal[2, 4, 8, 16] = 4,
    ):
        super().__init__()
        name = type(self).__name__
        if depth not in _KINDS:
            raise ConfigError(f"{name}: depth must be one of {', '.join(map(str, _KINDS))}, got {depth}")
        if down_ratio not in (2, 4, 8, 16):
            raise ConfigError(f"{name}: down_ratio must be 2, 4, 8 or 16, got {down_ratio}")
        kind = _KINDS[depth]
        channels, levels = kind.channels if channels is None else channels, kind.levels if levels is None else levels
        for what, values in (("channels", channels), ("levels", levels)):
            if len(values) != 6 or min(values) < 1:
                raise ConfigError(f"{name}: {what} must be six positive numbers, one per level, got {list(values)}")
        self.base_layer = _convolutions(3, channels[0], 7)
        self.level0 = _convolutions(channels[0], channels[0], 3, levels[0])
        self.level1 = _convolutions(channels[0], channels[1], 3, levels[1], stride=2)
        self.level2, self.level3, self.level4, self.level5 = (
            Tree(kind, levels[i], channels[i - 1], channels[i], 2, keep_input=i > 2) for i in range(2, 6)
        )
        self.finest = down_ratio.bit_length() - 1
        self.out_features = tuple(FeatureSpec(channels[i], 2**i) for i in range(self.finest, 6))

    def construct(self, image):
        level1 = self.level1(self.level0(self.base_layer(image)))
        level2 = self.level2(level1)
        level3 = self.level3(level2)
        level4 = self.level4(level3)
        return (level1, level2, level3, level4, self.level5(level4))[self.finest - 1 :]


class DLA34(DLA):
    """DLA-34, the backbone of the official CenterNet's ``dla_34``.

    Args:
        channels, levels, down_ratio: see :class:`DLA`.
    """

    def __init__(
        self,
        channels: Sequence[int] = _KINDS[34].channels,
        levels: Sequence[int] = _KINDS[34].levels,
        down_ratio: Literal[2, 4, 8, 16] = 4,
    ):
        super().__init__(34, channels, levels, down_ratio)
