"""A head: the class of each cell of a grid, and the distances to the sides of its object."""

from typing import List, Tuple

from mindspore import nn

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Head


class AcmeHead(Head):
    """Returns ``cls`` (B, C, H, W), a logit of each class, and ``sides`` (B, 4, H, W): left, top, right, bottom in strides.

    Args:
        channels: number of channels of the layer before the maps.
    """

    def __init__(self, in_features: Tuple[FeatureSpec, ...], classes: List[str], channels: int = 64) -> None:
        super().__init__()
        spec = in_features[0]
        self.body = nn.SequentialCell(
            [nn.Conv2d(spec.channels, channels, 3, pad_mode="pad", padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
        )
        self.cls = nn.Conv2d(channels, len(classes), 1, has_bias=True, bias_init=-4.0)
        self.sides = nn.Conv2d(channels, 4, 1, has_bias=True, bias_init=1.0)
        self.out_maps = {"cls": FeatureSpec(len(classes), spec.stride), "sides": FeatureSpec(4, spec.stride)}

    def construct(self, features):
        x = self.body(features[0])
        return {"cls": self.cls(x), "sides": self.sides(x)}
