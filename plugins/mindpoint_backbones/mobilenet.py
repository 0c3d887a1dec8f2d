"""The base class of MobileNetV2 and MobileNetV3."""

from __future__ import annotations

from typing import Sequence, Tuple

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Backbone
from mindspore import nn


class MobileNet(Backbone):
    """A sequence of cells that returns the last map of each stride from 4 on.

    Args:
        cells: (cell, number of its output channels, its stride), in order.
    """

    def __init__(self, cells: Sequence[Tuple[nn.Cell, int, int]]):
        super().__init__()
        self.features = nn.SequentialCell([cell for cell, _, _ in cells])
        stride, found = 1, {}
        for index, (_, channels, step) in enumerate(cells):
            stride *= step
            found[stride] = (index + 1, FeatureSpec(channels, stride))
        self.ends, self.out_features = zip(*(found[stride] for stride in sorted(found) if stride >= 4))

    def construct(self, image):
        x, maps, begin = image, (), 0
        for end in self.ends:
            for index in range(begin, end):
                x = self.features[index](x)
            maps, begin = maps + (x,), end
        return maps
