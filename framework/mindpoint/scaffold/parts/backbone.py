"""A backbone of plain strided convolutions."""

from typing import Sequence

from mindspore import nn

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Backbone


def halve(in_channels: int, out_channels: int) -> nn.SequentialCell:
    """Return a convolution that halves height and width."""
    conv = nn.Conv2d(in_channels, out_channels, 3, stride=2, pad_mode="pad", padding=1)
    return nn.SequentialCell([conv, nn.BatchNorm2d(out_channels), nn.ReLU()])


class AcmeBackbone(Backbone):
    """Maps of strides 4, 8, 16, ..., each half the size of the one before.

    Args:
        channels: number of channels of each map, finest first.
    """

    def __init__(self, channels: Sequence[int] = (32, 64, 96, 128)) -> None:
        super().__init__()
        self.stem = halve(3, channels[0])
        self.stages = nn.CellList([halve(i, o) for i, o in zip([channels[0], *channels], channels)])
        self.out_features = tuple(FeatureSpec(c, 4 * 2**i) for i, c in enumerate(channels))

    def construct(self, image):
        x = self.stem(image)
        maps = ()
        for stage in self.stages:
            x = stage(x)
            maps = maps + (x,)
        return maps
