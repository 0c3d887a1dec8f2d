"""A neck that merges coarse maps into the finest one."""

from typing import Tuple

from mindspore import nn

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Neck


class AcmeNeck(Neck):
    """Returns one map of the finest stride. Beginning with the coarsest, each map is doubled in size and added to the next finer one.

    Args:
        channels: number of channels of this map.
    """

    def __init__(self, in_features: Tuple[FeatureSpec, ...], channels: int = 64) -> None:
        super().__init__()
        self.lateral = nn.CellList([nn.Conv2d(spec.channels, channels, 1, has_bias=True) for spec in in_features])
        self.double = nn.CellList(
            [nn.Conv2dTranspose(channels, channels, 4, 2, pad_mode="pad", padding=1, group=channels) for _ in in_features[1:]]
        )
        self.out_features = (FeatureSpec(channels, in_features[0].stride),)

    def construct(self, maps):
        x = self.lateral[-1](maps[-1])
        for level in range(len(maps) - 2, -1, -1):
            x = self.lateral[level](maps[level]) + self.double[level](x)
        return (x,)
