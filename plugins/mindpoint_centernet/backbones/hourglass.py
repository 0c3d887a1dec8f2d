"""Hourglass-104 (Newell et al., 2016, https://arxiv.org/abs/1603.06937), as in the official CenterNet."""

from __future__ import annotations

from typing import Sequence

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Backbone
from mindpoint.errors import ConfigError
from mindpoint.native.fused import conv_norm
from mindspore import nn, ops

from mindpoint_centernet.layers import batch_norm, conv

RESIDUALS = (2, 2, 2, 2, 2, 4)  # number of residual blocks at each size, finest first


class ConvBlock(nn.Cell):
    """Convolution without bias, batch normalisation and ReLU: ``construct(x)``."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1):
        super().__init__()
        self.conv = conv(in_channels, out_channels, kernel, stride)
        self.bn = batch_norm(out_channels)

    def construct(self, x):
        return conv_norm(self.conv, self.bn, x)


def _projection(in_channels: int, out_channels: int, stride: int = 1) -> nn.SequentialCell:
    return nn.SequentialCell([conv(in_channels, out_channels, 1, stride), batch_norm(out_channels)])


class Residual(nn.Cell):
    """Two 3x3 convolutions and a skip connection: ``construct(x)``.

    The skip connection is a 1x1 convolution if size or number of channels change, otherwise the identity.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        self.conv1 = conv(in_channels, out_channels, 3, stride)
        self.bn1 = batch_norm(out_channels)
        self.conv2 = conv(out_channels, out_channels, 3)
        self.bn2 = batch_norm(out_channels)
        self.skip = _projection(in_channels, out_channels, stride) if stride != 1 or in_channels != out_channels else None

    def construct(self, x):
        residual = x if self.skip is None else self.skip(x)
        return conv_norm(self.conv2, self.bn2, conv_norm(self.conv1, self.bn1, x), residual)


def _going_down(in_channels: int, out_channels: int, count: int, stride: int = 1) -> nn.SequentialCell:
    further = [Residual(out_channels, out_channels) for _ in range(count - 1)]
    return nn.SequentialCell([Residual(in_channels, out_channels, stride), *further])


def _going_up(in_channels: int, out_channels: int, count: int) -> nn.SequentialCell:
    return nn.SequentialCell([Residual(in_channels, in_channels) for _ in range(count - 1)] + [Residual(in_channels, out_channels)])


class Doubled(nn.Cell):
    """Upsample by nearest neighbours: ``construct(x (B, C, H, W)) -> (B, C, 2H, 2W)``."""

    def construct(self, x):
        batch, channels, height, width = x.shape
        pixels = ops.reshape(x, (batch, channels, height, 1, width, 1))
        return ops.reshape(ops.tile(pixels, (1, 1, 1, 2, 1, 2)), (batch, channels, 2 * height, 2 * width))


class Hourglass(nn.Cell):
    """An hourglass of residual blocks: ``construct(x) -> map of the same shape``.

    It adds two paths. One has residual blocks at full size. The other halves the size, applies a smaller hourglass (at the coarsest size:
    residual blocks), and doubles the size again. Height and width of x must be multiples of ``2 ** (len(channels) - 1)``.

    Args:
        channels: number of channels at each size, finest first; at least two.
        residuals: number of residual blocks at each size, finest first.
    """

    def __init__(self, channels: Sequence[int], residuals: Sequence[int]):
        super().__init__()
        (fine, coarse), (count, below) = channels[:2], residuals[:2]
        self.up1 = _going_down(fine, fine, count)
        self.low1 = _going_down(fine, coarse, count, stride=2)
        self.low2 = Hourglass(channels[1:], residuals[1:]) if len(channels) > 2 else _going_down(coarse, coarse, below)
        self.low3 = _going_up(coarse, fine, count)
        self.up2 = Doubled()

    def construct(self, x):
        return self.up1(x) + self.up2(self.low3(self.low2(self.low1(x))))


class Hourglass104(Backbone):
    """Two stacked hourglasses, each of which returns a map of stride 4. Losses are averaged over both; predictions use the second.

    Parameters are named as in the official implementation. Height and width of the input must be multiples of 128.

    Args:
        channels: six positive numbers, the channels at strides 4, 8, 16, 32, 64 and 128; smaller numbers give a slim version.
        stem: number of channels of the first convolution, at least 1.

    Raises:
        ConfigError: an argument is invalid.
    """

    divisor = 128
    stacks = 2

    def __init__(self, channels: Sequence[int] = (256, 256, 384, 384, 384, 512), stem: int = 128):
        super().__init__()
        if len(channels) != len(RESIDUALS) or min(channels) < 1 or stem < 1:
            raise ConfigError(f"Hourglass104: channels must be six positive numbers and stem one, got {list(channels)} and {stem}")
        width = channels[0]
        self.pre = nn.SequentialCell([ConvBlock(3, stem, 7, 2), Residual(stem, width, 2)])
        self.kps = nn.CellList([Hourglass(channels, RESIDUALS) for _ in range(self.stacks)])
        self.cnvs = nn.CellList([ConvBlock(width, width, 3) for _ in range(self.stacks)])
        between = self.stacks - 1
        self.inters = nn.CellList([Residual(width, width) for _ in range(between)])
        self.inters_ = nn.CellList([_projection(width, width) for _ in range(between)])
        self.cnvs_ = nn.CellList([_projection(width, width) for _ in range(between)])
        self.out_features = (FeatureSpec(width, 4),)

    def construct(self, image):
        x = self.pre(image)
        maps = ()
        for stack in range(self.stacks):
            feature = self.cnvs[stack](self.kps[stack](x))
            maps = maps + (feature,)
            if stack + 1 < self.stacks:
                x = self.inters[stack](ops.relu(self.inters_[stack](x) + self.cnvs_[stack](feature)))
        return maps
