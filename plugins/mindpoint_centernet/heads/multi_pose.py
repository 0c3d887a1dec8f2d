"""Heads of CenterNet multi-person pose."""

from __future__ import annotations

from typing import List, Tuple

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Head
from mindpoint.errors import ConfigError
from mindpoint_coco.keypoints import Keypoints
from mindspore import nn
from mindspore.common.initializer import Constant, initializer

from mindpoint_centernet.layers import conv

PRIOR = -2.19  # log(0.1 / 0.9): at first every pixel of a heatmap scores about 0.1


def _branch(name: str, in_channels: int, width: int, out_channels: int) -> nn.Cell:
    """3x3 convolution, ReLU, 1x1 convolution (``width`` 0: only the latter) with the official initial biases."""
    last = conv(width or in_channels, out_channels, 1, bias=True)
    layers = [conv(in_channels, width, 3, bias=True), nn.ReLU(), last] if width else [last]
    heatmap = name in ("hm", "hm_hp")
    if heatmap:
        last.bias.set_data(initializer(Constant(PRIOR), last.bias.shape))
    else:
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                layer.bias.set_data(initializer("zeros", layer.bias.shape))
    return nn.SequentialCell(layers) if width else last


class MultiPoseHeads(Head):
    """One small convolutional branch a map, all on the finest feature map. For C classes and J joints:

    ========== ==== ==============================================================================================
    hm         C    logits of the centre heatmap of each class
    wh         2    width and height of the box centred here, in map pixels
    hps        2J   x, y of each joint relative to this pixel, in map pixels
    reg        2    x, y of the box centre's fraction of a pixel, 0..1
    hm_hp      J    logits of the heatmap of each joint
    hp_offset  2    x, y of a joint's fraction of a pixel, 0..1
    ========== ==== ==============================================================================================

    Args:
        head_conv: channels between a branch's 3x3 and 1x1 convolution; 0: one 1x1 convolution alone.
        reg: give ``reg``; without it box centres are whole pixels.
        hm_hp: give ``hm_hp``; without it joints come from ``hps`` alone.
        hp_offset: give ``hp_offset``; useless without ``hm_hp``.
    """

    def __init__(
        self,
        in_features: Tuple[FeatureSpec, ...],
        keypoints: Keypoints,
        classes: List[str],
        head_conv: int = 256,
        reg: bool = True,
        hm_hp: bool = True,
        hp_offset: bool = True,
    ):
        super().__init__()
        if head_conv < 0:
            raise ConfigError(f"MultiPoseHeads: head_conv must be 0 or more channels, not {head_conv}")
        if hp_offset and not hm_hp:
            raise ConfigError("MultiPoseHeads: hp_offset refines the peaks of hm_hp; with hm_hp: false set hp_offset: false too")
        joints = len(keypoints)
        wanted = {"reg": reg, "hm_hp": hm_hp, "hp_offset": hp_offset}
        channels = {"hm": len(classes), "wh": 2, "hps": 2 * joints, "reg": 2, "hm_hp": joints, "hp_offset": 2}
        finest = in_features[0]
        self.out_maps = {name: FeatureSpec(count, finest.stride) for name, count in channels.items() if wanted.get(name, True)}
        self.names = tuple(self.out_maps)
        for name, spec in self.out_maps.items():
            setattr(self, name, _branch(name, finest.channels, head_conv, spec.channels))

    def construct(self, maps):
        outputs = {}
        for name in self.names:
            outputs[name] = getattr(self, name)(maps[0])
        return outputs
