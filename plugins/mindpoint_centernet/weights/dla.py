"""Weights of the official ``dla_34``, and of ImageNet's DLA-34."""

from __future__ import annotations

import re
from typing import Container, Dict, Mapping, Optional

import numpy as np
from mindpoint.contracts.weights import Shapes
from mindpoint.errors import WeightsError

from mindpoint_centernet.weights.official import Body, OfficialRules

WIDTHS = [16, 32, 64, 128, 256, 512]


class DLARules(OfficialRules):
    """DLA-34 with the official deformable neck and heads, or ImageNet's DLA-34, which has neither."""

    downloads = {"dla34": "http://dl.yf.io/dla/models/imagenet/dla34-ba72cf86.pth"}
    bases = {"multi_pose": "dla34_dcn_coco", "ctdet": "ctdet_dla34_dcn_coco"}
    body_names = ("base", "dla_up", "ida_up")

    def official_name(self, ours: str) -> str:
        return re.sub(r"^backbone\.", "base.", super().official_name(ours))

    def canonical_name(self, name: str) -> str:
        """Return the name with the prefix ``base.``, which files of ImageNet weights lack."""
        return f"base.{name}" if re.match(r"(base_layer|level\d|fc)\.", name) else name

    def body(self, shapes: Shapes) -> Optional[Body]:
        if "base.level5.root.conv.weight" not in shapes:
            return None
        if "base.level2.tree1.conv3.weight" in shapes:
            raise WeightsError("a DLA with bottlenecks (46, 60 or 102); only DLA-34 can be converted")
        channels = []
        for level in range(6):
            last = r"0\.weight" if level < 2 else r"(.*\.)?root\.conv\.weight"
            widths = [shape[0] for name, shape in shapes.items() if re.fullmatch(rf"base\.level{level}\.{last}", name)]
            if not widths:
                raise WeightsError(f"not the weights of a whole DLA-34: base.level{level} is missing")
            channels.append(widths[0])
        backbone = {"type": "DLA34", "channels": channels}
        if not any(name.startswith("ida_up.") for name in shapes):
            return Body("DLA-34", {"backbone": backbone}, channels == WIDTHS)
        if "ida_up.node_1.conv.conv_offset_mask.weight" not in shapes:
            raise WeightsError("a DLA-34 with another neck than the official dla_34's, which has deformable convolutions")
        return Body("dla_34", {"backbone": backbone, "neck": {"type": "DLAUp", "conv": "deformable"}}, channels == WIDTHS)

    def feeds_nothing(self, name: str, names: Container[str]) -> bool:
        """See :class:`WeightRules`. Includes the classifier, and the projection of a tree whose first part is a tree."""
        tree, project, _ = name.partition(".project.")
        unused = name.startswith("base.fc.") or bool(project) and f"{tree}.tree1.root.conv.weight" in names
        return unused or super().feeds_nothing(name, names)

    def unused_arrays(self, state: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """See :class:`WeightRules`. An unused projection gets the values of its first part's projection, which has the same shape."""
        counters = super().unused_arrays(state)
        every = {**state, **counters}
        return {**counters, **{name.replace(".tree1.project.", ".project."): every[name] for name in every if ".tree1.project." in name}}
