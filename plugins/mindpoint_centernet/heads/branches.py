"""The base class of CenterNet's heads: a small convolutional branch per map."""

from __future__ import annotations

from typing import Mapping, Tuple

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Head
from mindpoint.errors import ConfigError
from mindspore import nn
from mindspore.common.initializer import Constant, initializer

from mindpoint_centernet.layers import conv

PRIOR = -2.19  # log(0.1 / 0.9): a new network scores about 0.1 at every pixel of a heatmap


def _branch(name: str, in_channels: int, width: int, out_channels: int, final_kernel: int) -> nn.Cell:
    """Return a 3x3 convolution with ``width`` channels, a ReLU and a last convolution; if ``width`` is 0, only the last convolution.

    The initial biases are the official ones: zero, and -2.19 for heatmaps.
    """
    last = conv(width or in_channels, out_channels, final_kernel, bias=True)
    layers = [conv(in_channels, width, 3, bias=True), nn.ReLU(), last] if width else [last]
    heatmap = name in ("hm", "hm_hp")
    if heatmap:
        last.bias.set_data(initializer(Constant(PRIOR), last.bias.shape))
    else:
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                layer.bias.set_data(initializer("zeros", layer.bias.shape))
    return nn.SequentialCell(layers) if width else last


class Branches(Head):
    """One small convolutional branch per map, all on the finest feature map.

    Args:
        channels: number of channels of each map by name.
        head_conv: number of channels of a branch's 3x3 convolution; 0: a branch has only its last convolution.
        final_kernel: width and height of the last convolution's kernel, odd.

    Raises:
        ConfigError: ``head_conv`` is negative, or ``final_kernel`` is not odd and positive.
    """

    def __init__(self, in_features: Tuple[FeatureSpec, ...], channels: Mapping[str, int], head_conv: int, final_kernel: int = 1):
        super().__init__()
        if head_conv < 0:
            raise ConfigError(f"{type(self).__name__}: head_conv must be at least 0, got {head_conv}")
        if final_kernel < 1 or final_kernel % 2 == 0:
            raise ConfigError(f"{type(self).__name__}: final_kernel must be odd, such as 1 or 3, got {final_kernel}")
        finest = in_features[0]
        self.out_maps = {name: FeatureSpec(count, finest.stride) for name, count in channels.items()}
        self.names = tuple(self.out_maps)
        for name, spec in self.out_maps.items():
            setattr(self, name, _branch(name, finest.channels, head_conv, spec.channels, final_kernel))

    def construct(self, maps):
        outputs = {}
        for name in self.names:
            outputs[name] = getattr(self, name)(maps[0])
        return outputs
