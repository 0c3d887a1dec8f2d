"""Weights of the official ``hourglass``."""

from __future__ import annotations

import re
from typing import Optional

from mindpoint.contracts.weights import Shapes
from mindpoint.errors import WeightsError

from mindpoint_centernet.weights.official import Body, OfficialRules, Task

WIDTHS, STEM = [256, 256, 384, 384, 384, 512], 128


class HourglassRules(OfficialRules):
    """Hourglass-104 with the official heads, one of each kind per stack."""

    bases = {"multi_pose": "dla34_dcn_coco", "ctdet": "ctdet_hourglass_coco"}
    body_names = ("pre", "kps", "cnvs", "cnvs_", "inters", "inters_")
    branch = ("0.0.conv", "0.1")

    def official_name(self, ours: str) -> str:
        """See :class:`WeightRules`. A head's name is followed by the number of its stack."""
        stack = 0 if ours.startswith("stacks.0.") else 1
        name = re.sub(r"^stacks\.0\.", "", ours)
        official = re.sub(r"^backbone\.", "", super().official_name(name))
        if not name.startswith("heads."):
            return official
        head, _, rest = official.partition(".")
        return f"{head}.{stack}." + re.sub(r"^2\.", "1.", re.sub(r"^0\.", "0.conv.", rest))

    def body(self, shapes: Shapes) -> Optional[Body]:
        """See :class:`OfficialRules`. The widths are those of the first stack."""
        if "pre.0.conv.weight" not in shapes or "kps.0.up1.0.conv1.weight" not in shapes:
            return None
        places = ["kps.0" + ".low2" * depth + ".up1" for depth in range(5)] + ["kps.0" + ".low2" * 5]
        firsts = [f"{place}.0.conv1.weight" for place in places]
        missing = [name for name in firsts if name not in shapes]
        if missing:
            raise WeightsError(f"not the weights of a whole Hourglass-104: {missing[0]} is missing")
        channels, stem = [shapes[name][0] for name in firsts], shapes["pre.0.conv.weight"][0]
        blocks = {"backbone": {"type": "Hourglass104", "channels": channels, "stem": stem}, "neck": None}
        return Body("hourglass", blocks, channels == WIDTHS and stem == STEM)

    def usage(self, task: Task, body: Body, width: int) -> str:
        """See :class:`OfficialRules`. The official heads have 256 channels, regardless of ``--head_conv``."""
        return f"{task.name} --arch {body.name} --load_model {{file}}" if width == WIDTHS[0] else ""
