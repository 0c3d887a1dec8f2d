"""Iterative deep aggregation of a pyramid, the neck of the official ``dla_34``."""

from __future__ import annotations

from typing import Literal, Optional, Sequence, Tuple

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Neck
from mindpoint.native.fused import conv_norm
from mindspore import nn

from mindpoint_centernet.layers import batch_norm, upsample
from mindpoint_centernet.necks.blocks import conv3x3
from mindpoint_centernet.necks.pyramid import check_pyramid, merged_at_last


class ConvBlock(nn.Cell):
    """3x3 convolution (deformable or plain), batch normalisation, ReLU; named as the official ``DeformConv``."""

    def __init__(self, kind: str, in_channels: int, out_channels: int):
        super().__init__()
        self.actf = nn.SequentialCell([batch_norm(out_channels), nn.ReLU()])
        self.conv = conv3x3(kind, in_channels, out_channels)

    def construct(self, x):
        return conv_norm(self.conv, self.actf[0], x)


class IDAUp(nn.Cell):
    """Merges maps at the size of the first, one after the other: ``merged_i = node_i(up_i(proj_i(map_i)) + merged_(i-1))``.

    ``construct(maps) -> (map_0, merged_1, ..., merged_last)``, each but the first with ``out_channels``.

    Args:
        channels: number of channels of each map; the first has ``out_channels``.
        factors: size of the first map relative to each map.
    """

    def __init__(self, kind: str, out_channels: int, channels: Sequence[int], factors: Sequence[int]):
        super().__init__()
        self.count = len(channels)
        for i in range(1, self.count):
            setattr(self, f"proj_{i}", ConvBlock(kind, channels[i], out_channels))
            setattr(self, f"up_{i}", upsample(out_channels, factors[i]))
            setattr(self, f"node_{i}", ConvBlock(kind, out_channels, out_channels))

    def construct(self, maps):
        merged = (maps[0],)
        for i in range(1, self.count):
            up = getattr(self, f"up_{i}")(getattr(self, f"proj_{i}")(maps[i]))
            merged = merged + (getattr(self, f"node_{i}")(up + merged[-1]),)
        return merged


class PyramidUp(nn.Cell):
    """Official ``DLAUp``: from coarse to fine, merges the previous results into the next finer map.

    ``construct(maps, finest first) -> maps of the same sizes and channels``.
    """

    def __init__(self, kind: str, channels: Sequence[int]):
        super().__init__()
        self.count = len(channels) - 1
        for i in range(self.count):
            finest = self.count - 1 - i
            own = channels[finest]
            coarser = [channels[finest + 1]] * (i + 1)  # previous results have the channels of the next coarser map
            setattr(self, f"ida_{i}", IDAUp(kind, own, [own] + coarser, [1] + [2] * (i + 1)))

    def construct(self, maps):
        merged = (maps[self.count],)
        result = merged
        for i in range(self.count):
            merged = getattr(self, f"ida_{i}")((maps[self.count - 1 - i],) + merged)
            result = (merged[-1],) + result
        return result


class DLAUp(Neck):
    """Neck of the official ``dla_34``: one map of the finest input's size and channels.

    Needs two or more maps whose strides double. Every step projects with a 3x3 convolution, upsamples depthwise (trainable, initially
    bilinear), adds the finer map and convolves again. A last aggregation merges the results except the coarsest. Parameters are
    named as in the official implementation.

    Args:
        conv: kind of the 3x3 convolutions: ``deformable`` (version 2) or ``plain``.
        last_level: the last aggregation uses the maps of strides below ``2 ** last_level``. By default it uses all but the coarsest, as the
            official 5 does.
    """

    def __init__(
        self,
        in_features: Tuple[FeatureSpec, ...],
        conv: Literal["deformable", "plain"] = "deformable",
        last_level: Optional[int] = None,
    ):
        super().__init__()
        check_pyramid("DLAUp", in_features)
        channels = [feature.channels for feature in in_features]
        self.dla_up = PyramidUp(conv, channels)
        last = merged_at_last("DLAUp", in_features, last_level, usual=len(channels) - 1)
        self.last = last
        self.ida_up = IDAUp(conv, channels[0], channels[:last], [2**i for i in range(last)])
        self.out_features = (FeatureSpec(channels[0], in_features[0].stride),)

    def construct(self, maps):
        return (self.ida_up(self.dla_up(maps)[: self.last])[-1],)
