"""Which network official weights belong to, seen from their names and shapes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Mapping, Optional

import numpy as np

from mindpoint.errors import WeightsError

OPTIONAL_HEADS = ("reg", "hm_hp", "hp_offset")
POSE_HEADS = ("hm", "wh", "hps", *OPTIONAL_HEADS)
_DEPTHS = {("basic", 2): 18, ("basic", 6): 34, ("bottleneck", 6): 50, ("bottleneck", 23): 101}  # by blocks of layer3
_NO_HEAD = ("base", "dla_up", "ida_up", "deconv_layers", "conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc")


@dataclass(frozen=True)
class Architecture:
    """An official network.

    Attributes:
        name: as the official ``--arch``, e.g. ``dla_34``, ``resdcn_18``; without a neck ``DLA-34`` or ``ResNet-18``.
        backbone, neck: blocks of our configuration; the neck is None in ImageNet weights.
        heads: channels of each map.
        head_conv: channels between a head's two convolutions; 0 if it has but one.
    """

    name: str
    backbone: dict
    neck: Optional[dict]
    heads: Dict[str, int]
    head_conv: int

    @property
    def has_pose(self) -> bool:
        """Whether the heads are those of multi-person pose."""
        return {"hm", "wh", "hps"} <= set(self.heads) <= set(POSE_HEADS)

    @property
    def is_official(self) -> bool:
        """Whether it has the official widths."""
        widths = self.backbone.get("channels", [16, 32, 64, 128, 256, 512])
        return widths == [16, 32, 64, 128, 256, 512] and (self.neck or {}).get("channels") in (None, [256, 128, 64], [256, 256, 256])

    def __str__(self) -> str:
        if not self.heads:
            return f"{self.name} without heads"
        heads = ", ".join(f"{name} {count}" for name, count in self.heads.items())
        return f"{self.name}, head_conv {self.head_conv}, heads {heads}"


def recognize(state: Mapping[str, np.ndarray], what: str) -> Architecture:
    """The architecture of a state without ``module.``.

    Args:
        what: opens the messages.

    Raises:
        WeightsError: it is none of the known ones.
    """
    if "base.level5.root.conv.weight" in state:
        name, backbone, neck = _dla(state, what)
    elif "layer4.0.conv1.weight" in state:
        name, backbone, neck = _resnet(state, what)
    else:
        known = "DLA-34 (dla_34) and ResNet (resdcn_18, resdcn_50, resdcn_101, res_18, ...), with or without CenterNet's heads"
        raise WeightsError(f"{what}: weights of an unknown architecture (names such as {', '.join(list(state)[:3])}); known are {known}")
    heads = list(dict.fromkeys(key.split(".")[0] for key in state if key.split(".")[0] not in _NO_HEAD))
    lasts = {head: state.get(f"{head}.2.weight", state.get(f"{head}.weight")) for head in heads}
    if any(last is None for last in lasts.values()):
        raise WeightsError(
            f"{what}: {', '.join(head for head in heads if lasts[head] is None)}: no head as the official networks have them"
        )
    head_conv = max((len(state[f"{head}.0.weight"]) for head in heads if f"{head}.0.weight" in state), default=0)
    return Architecture(name, backbone, neck, {head: len(last) for head, last in lasts.items()}, head_conv)


def _dla(state: Mapping[str, np.ndarray], what: str) -> tuple:
    channels = []
    for level in range(6):
        last = r"0\.weight" if level < 2 else r"(.*\.)?root\.conv\.weight"
        widths = [len(value) for name, value in state.items() if re.fullmatch(rf"base\.level{level}\.{last}", name)]
        if not widths:
            raise WeightsError(f"{what}: not the weights of a whole DLA-34: nothing of base.level{level}")
        channels.append(widths[0])
    backbone = {"type": "DLA34", "channels": channels}
    if not any(name.startswith("ida_up.") for name in state):
        return "DLA-34", backbone, None
    if "ida_up.node_1.conv.conv_offset_mask.weight" not in state:
        raise WeightsError(f"{what}: a DLA-34 whose neck is not the official dla_34's, which has deformable convolutions")
    return "dla_34", backbone, {"type": "DLAUp", "conv": "deformable"}


def _resnet(state: Mapping[str, np.ndarray], what: str) -> tuple:
    kind = "bottleneck" if "layer1.0.conv3.weight" in state else "basic"
    blocks = len({name.split(".")[1] for name in state if name.startswith("layer3.")})
    depth = _DEPTHS.get((kind, blocks))
    if depth is None:
        raise WeightsError(f"{what}: a ResNet of another depth ({blocks} {kind} blocks in layer3); known are {sorted(_DEPTHS.values())}")
    backbone = {"type": "ResNet", "depth": depth}
    ups = [value for name, value in state.items() if re.match(r"deconv_layers\.\d+\.weight", name) and value.ndim == 4]
    channels = [int(up.shape[1]) for up in ups if up.shape[2:] == (4, 4)]
    if not channels:
        return f"ResNet-{depth}", backbone, None
    deformable = any("conv_offset_mask" in name for name in state)
    neck = {"type": "Deconv", "conv": "deformable" if deformable else "plain", "channels": channels}
    return f"{'resdcn' if deformable else 'res'}_{depth}", backbone, neck
