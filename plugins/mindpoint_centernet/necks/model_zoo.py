"""The neck of the MindSpore model zoo's CenterNet: plain convolutions, concatenation, one aggregation node per level."""

from __future__ import annotations

from typing import Optional, Tuple

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Neck
from mindspore import nn, ops

from mindpoint_centernet.layers import conv_bn_relu, default_init
from mindpoint_centernet.necks.pyramid import check_pyramid, merged_at_last


class Merge(nn.Cell):
    """``construct(coarse, fine) -> map like fine``: 1x1 convolution, full transposed convolution, concatenation, 3x3 convolution."""

    def __init__(self, coarse: int, fine: int, factor: int = 2):
        super().__init__()
        kernel = 2 * factor
        self.proj = conv_bn_relu(coarse, fine, 1)
        self.up = nn.Conv2dTranspose(fine, fine, kernel, factor, "pad", factor // 2, weight_init=default_init(fine * kernel * kernel))
        self.node = conv_bn_relu(2 * fine, fine, 3)

    def construct(self, coarse, fine):
        return self.node(ops.concat((self.up(self.proj(coarse)), fine), 1))


class ModelZooDLAUp(Neck):
    """One map of the finest input's size and channels, from two or more maps whose strides double.

    Level by level, the coarsest map is merged into all finer ones. The merge from one stride to the next is always done by one cell, with
    the same weights and running statistics. A last series merges all results, including the coarsest, into the finest one.

    Args:
        last_level: the last series merges the maps of strides below ``2 ** last_level``. By default it merges all, as the model zoo's 6
            does.
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
