"""Feature pyramid network (Lin et al., 2017, https://arxiv.org/abs/1612.03144). Parameters are named as in torchvision."""

from __future__ import annotations

from typing import Optional, Tuple

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Neck
from mindpoint.errors import ConfigError
from mindspore import nn, ops
from mindspore.common.initializer import HeUniform

INIT = HeUniform(negative_slope=1)


def _conv(in_channels: int, out_channels: int, kernel: int) -> nn.SequentialCell:
    padding = kernel // 2
    return nn.SequentialCell(
        [nn.Conv2d(in_channels, out_channels, kernel, 1, "pad", padding, has_bias=True, weight_init=INIT, bias_init="zeros")]
    )


class FPN(Neck):
    """A feature pyramid network.

    From coarse to fine, a 1x1 convolution projects each map, the upsampled coarser sum is added, and a 3x3 convolution computes the output
    map from the sum.

    Args:
        in_features: at least two maps of stride ``finest`` or more, each stride a multiple of the one before.
        channels: number of channels of every output map.
        levels: number of output maps, finest first; default: all.
        finest: smallest stride to use; finer maps are ignored.

    Raises:
        ConfigError: the maps do not fit, or an argument is out of range.
    """

    def __init__(self, in_features: Tuple[FeatureSpec, ...], channels: int = 256, levels: Optional[int] = None, finest: int = 1):
        super().__init__()
        self.skipped = sum(feature.stride < finest for feature in in_features)
        in_features = in_features[self.skipped :]
        strides = [feature.stride for feature in in_features]
        if len(strides) < 2 or any(second <= first or second % first for first, second in zip(strides, strides[1:])):
            raise ConfigError(f"FPN: needs two or more maps, each stride a multiple of the one before; the backbone gives {strides}")
        levels = len(strides) if levels is None else levels
        if channels < 1 or not 1 <= levels <= len(strides):
            raise ConfigError(f"FPN: channels must be positive and levels in 1..{len(strides)}, got {channels} and {levels}")
        self.inner_blocks = nn.CellList([_conv(feature.channels, channels, 1) for feature in in_features])
        self.layer_blocks = nn.CellList([_conv(channels, channels, 3) for _ in range(levels)])
        self.out_features = tuple(FeatureSpec(channels, stride) for stride in strides[:levels])

    def construct(self, maps):
        maps = maps[self.skipped :]
        last = len(self.inner_blocks) - 1
        merged = self.inner_blocks[last](maps[last])
        results = (self.layer_blocks[last](merged),) if last < len(self.layer_blocks) else ()
        for level in range(last - 1, -1, -1):
            merged = self.inner_blocks[level](maps[level]) + ops.interpolate(merged, size=maps[level].shape[2:], mode="nearest")
            if level < len(self.layer_blocks):
                results = (self.layer_blocks[level](merged),) + results
        return results
