"""Heads of CenterNet multi-person pose."""

from __future__ import annotations

from typing import List, Tuple

from mindpoint.contracts.features import FeatureSpec
from mindpoint.errors import ConfigError
from mindpoint_coco.keypoints import Keypoints

from mindpoint_centernet.heads.branches import Branches


class MultiPoseHeads(Branches):
    """One small convolutional branch per map, all on the finest feature map. For C classes and J joints:

    ========== ==== ==============================================================================================
    hm         C    logits of the centre heatmap of each class
    wh         2    width and height of the box centred here, in map pixels
    hps        2J   x, y of each joint relative to this pixel, in map pixels
    reg        2    fractional part of the box centre's x, y in map pixels, 0..1
    hm_hp      J    logits of the heatmap of each joint
    hp_offset  2    fractional part of a joint's x, y in map pixels, 0..1
    ========== ==== ==============================================================================================

    Args:
        head_conv: number of channels of a branch's 3x3 convolution; 0: a branch has only its last convolution.
        reg: return ``reg``; without it, box centres are the centres of pixels.
        hm_hp: return ``hm_hp``; without it, joints come from ``hps`` only.
        hp_offset: return ``hp_offset``; needs ``hm_hp``.
        final_kernel: width and height of the kernel of a branch's last convolution, odd.
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
        final_kernel: int = 1,
    ):
        if hp_offset and not hm_hp:
            raise ConfigError("MultiPoseHeads: hp_offset needs hm_hp, whose peaks it refines; with hm_hp: false, set hp_offset: false too")
        joints = len(keypoints)
        wanted = {"reg": reg, "hm_hp": hm_hp, "hp_offset": hp_offset}
        channels = {"hm": len(classes), "wh": 2, "hps": 2 * joints, "reg": 2, "hm_hp": joints, "hp_offset": 2}
        given = {name: count for name, count in channels.items() if wanted.get(name, True)}
        super().__init__(in_features, given, head_conv, final_kernel)
