"""Parts that tell in which types they compute."""

from typing import Set, Tuple

from mindpoint.contracts.features import FeatureSpec
from mindspore import nn, ops
from toy import CELL, Cells, SpotLoss

SEEN: Set[Tuple[str, str]] = set()
"""What was seen while a graph was compiled: a place and a type."""


@ops.constexpr
def _saw(place, kind):
    SEEN.add((place, str(kind)))


class WatchedConv(nn.Conv2d):
    def construct(self, x):
        _saw("in convolution", x.dtype)
        return super().construct(x)


class WatchedNorm(nn.GroupNorm):
    def construct(self, x):
        _saw("in norm", x.dtype)
        return super().construct(x)


class Watched(Cells):
    """Convolutions, normalisations that MindSpore's lists have and have not, and what joins maps of both."""

    def __init__(self):
        super().__init__(4)
        self.watched_conv, self.watched_norm = WatchedConv(4, 4, 3, weight_init="normal"), WatchedNorm(2, 4)
        self.pool = nn.MaxPool2d(1, 1)
        self.out_features = (FeatureSpec(8, CELL),)

    def construct(self, image):
        x = self.conv(image)
        _saw("convolution gives", x.dtype)
        x = self.pool(self.watched_norm(self.norm(x)))
        _saw("norm gives", x.dtype)
        return (ops.concat((x, self.watched_conv(x)), 1),)


class WatchedLoss(SpotLoss):
    """A hundredfold, whose gradient is too large for float16 where the loss is scaled."""

    def construct(self, outputs, targets):
        _saw("loss", outputs["spot"].dtype)
        total, parts = super().construct(outputs, targets)
        return 100 * total, parts
