"""The neck of the official ``dla_34``: iterative deep aggregation (Yu et al., 2018, https://arxiv.org/abs/1707.06484) of a pyramid."""

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
    """3x3 convolution (deformable or plain), batch normalisation and ReLU: ``construct(x)``.

    Parameters are named as in the official ``DeformConv``.
    """

    def __init__(self, kind: str, in_channels: int, out_channels: int):
        super().__init__()
        self.actf = nn.SequentialCell([batch_norm(out_channels), nn.ReLU()])
        self.conv = conv3x3(kind, in_channels, out_channels)

    def construct(self, x):
        return conv_norm(self.conv, self.actf[0], x)


class IDAUp(nn.Cell):
    """Merges maps one after the other into the first: ``merged_i = node_i(up_i(proj_i(map_i)) + merged_(i-1))``, ``merged_0 = map_0``.

    ``construct(maps) -> (merged_0, ..., merged_last)``, all with the shape of the first map.

    Args:
        kind: kind of the 3x3 convolutions: ``deformable`` or ``plain``.
        out_channels: number of channels of the first map and of the results.
        channels: number of channels of each map.
        factors: for each map, the size of the first map divided by its own.
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
    """Merges the maps of a pyramid from coarse to fine, as the official ``DLAUp`` does: at each size, the map and all previous results.

    ``construct(maps) -> maps of the same shapes``, both finest first.

    Args:
        kind: kind of the 3x3 convolutions: ``deformable`` or ``plain``.
        channels: number of channels of each map, finest first.
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
    """Neck of the official ``dla_34``. It returns one map with the size and channels of the finest input map.

    Each step applies a 3x3 convolution to a coarse map, upsamples it depthwise (trainable, initially bilinear), adds the finer map and
    applies another 3x3 convolution. A last aggregation merges the results into the finest. Parameters are named as in the official
    implementation.

    Args:
        in_features: at least two maps whose strides double.
        conv: kind of the 3x3 convolutions: ``deformable`` (version 2) or ``plain``.
        last_level: the last aggregation merges the maps of strides below ``2 ** last_level``. By default it merges all but the coarsest,
            like the official value, 5.

    Raises:
        ConfigError: the strides do not double, or an argument is invalid.
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
