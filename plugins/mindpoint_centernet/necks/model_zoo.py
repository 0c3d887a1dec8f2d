"""The neck of the MindSpore model zoo's CenterNet. It merges maps by concatenation and plain convolutions."""

from __future__ import annotations

from typing import Optional, Tuple

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Neck
from mindspore import nn, ops

from mindpoint_centernet.layers import conv_bn_relu, default_init
from mindpoint_centernet.necks.pyramid import check_pyramid, merged_at_last


class Merge(nn.Cell):
    """Merges a coarse map into a fine one: ``construct(coarse, fine) -> map of fine's shape``.

    It applies a 1x1 convolution and a transposed convolution to the coarse map, concatenates the fine map and applies a 3x3 convolution.

    Args:
        coarse, fine: number of channels of the maps.
        factor: size of the fine map divided by that of the coarse one.
    """

    def __init__(self, coarse: int, fine: int, factor: int = 2):
        super().__init__()
        kernel = 2 * factor
        self.proj = conv_bn_relu(coarse, fine, 1)
        self.up = nn.Conv2dTranspose(fine, fine, kernel, factor, "pad", factor // 2, weight_init=default_init(fine * kernel * kernel))
        self.node = conv_bn_relu(2 * fine, fine, 3)

    def construct(self, coarse, fine):
        return self.node(ops.concat((self.up(self.proj(coarse)), fine), 1))


class ModelZooDLAUp(Neck):
    """Neck of the model zoo's CenterNet. It returns one map with the size and channels of the finest input map.

    Like :class:`~mindpoint_centernet.necks.dla_up.DLAUp`, it merges the maps from coarse to fine. All merges from one stride to the next
    share one cell, and with it weights and moving statistics. Last, all results, including the coarsest, are merged into the finest.

    Args:
        in_features: at least two maps whose strides double.
        last_level: the last merges use the maps of strides below ``2 ** last_level``. By default they use all, like the model zoo's
            value, 6.

    Raises:
        ConfigError: the strides do not double, or ``last_level`` does not fit the maps.
    """

    def __init__(self, in_features: Tuple[FeatureSpec, ...], last_level: Optional[int] = None):
        super().__init__()
        check_pyramid("ModelZooDLAUp", in_features)
        channels = [feature.channels for feature in in_features]
        self.merges = nn.CellList([Merge(coarse, fine) for fine, coarse in zip(channels, channels[1:])])
        self.last = merged_at_last("ModelZooDLAUp", in_features, last_level, usual=len(channels))
        self.final_merges = nn.CellList([Merge(channels[i], channels[0], 2**i) for i in range(1, self.last)])
        self.out_features = (FeatureSpec(channels[0], in_features[0].stride),)

    def construct(self, maps):
        merged = (maps[0],)  # coarsest first
        for i in range(1, len(maps)):
            level = (maps[i],)
            for j in range(i):
                level = level + (self.merges[i - 1 - j](level[-1], merged[j]),)
            merged = level
        result = merged[-1]
        for i in range(1, self.last):
            result = self.final_merges[i - 1](merged[-1 - i], result)
        return (result,)
