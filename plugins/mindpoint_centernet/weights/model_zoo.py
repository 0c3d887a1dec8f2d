"""Checkpoints of the MindSpore model zoo's CenterNet, of its training or of the bare network.

    model zoo                        here
    dla_seg.dla.*                    backbone.*
    dla_seg.dla_up.idaup_fns.*       neck.merges.*
    dla_seg.dla_up.final_idaup_fns.* neck.final_merges.*
    hm_fn.*|reg_hp_fn.*|...          heads.<name>.hm.*|heads.<name>.hp_offset.*|...
    conv, batchnorm                  0, 1 of a series
    conv_bn_act, conv_bn             conv1 and bn1, conv2 and bn2 of a block

Training adds the prefix ``network.`` and the optimizer's arrays.
"""

from __future__ import annotations

import re
from typing import Container, Dict, Mapping, Optional

import numpy as np
from mindpoint.contracts.weights import Shapes
from mindpoint.errors import WeightsError

from mindpoint_centernet.weights.dla import WIDTHS
from mindpoint_centernet.weights.official import Body, OfficialRules, Task

_RULES = (
    (r"^backbone\.", "dla_seg.dla."),
    (r"^neck\.merges\.", "dla_seg.dla_up.idaup_fns."),
    (r"^neck\.final_merges\.", "dla_seg.dla_up.final_idaup_fns."),
    (r"^heads\.[^.]+\.hp_offset\.", "reg_hp_fn."),
    (r"^heads\.[^.]+\.([^.]+)\.", r"\1_fn."),
    (r"\.level([01])\.0\.", r".level\1.0.conv."),
    (r"\.level([01])\.1\.", r".level\1.0.batchnorm."),
    (r"\.(base_layer|project|proj|node)\.0\.", r".\1.conv."),
    (r"\.(base_layer|project|proj|node)\.1\.", r".\1.batchnorm."),
    (r"\.conv1\.", ".conv_bn_act.conv."),
    (r"\.bn1\.", ".conv_bn_act.batchnorm."),
    (r"\.conv2\.", ".conv_bn.conv."),
    (r"\.bn2\.", ".conv_bn.batchnorm."),
)


class ModelZooRules(OfficialRules):
    """DLA-34 with the model zoo's neck and heads."""

    bases = {"multi_pose": "dla34_coco_modelzoo"}
    body_names = ("dla_seg",)
    ending = ".ckpt"

    def official_name(self, ours: str) -> str:
        for pattern, replacement in _RULES:
            ours = re.sub(pattern, replacement, ours)
        return ours

    def canonical_name(self, name: str) -> str:
        """See :class:`WeightRules`. Removes the prefixes of the cells that training wraps around the network."""
        return re.sub(r"^(_?(network|backbone)\.)+", "", name)

    def head_name(self, word: str) -> str:
        return {"reg_hp_fn": "hp_offset"}.get(word, word[: -len("_fn")])

    def usage(self, task: Task, body: Body, width: int) -> str:
        return "eval.py --load_checkpoint_path {file}"

    def body(self, shapes: Shapes) -> Optional[Body]:
        if "dla_seg.dla.level5.root.conv.weight" not in shapes or "dla_seg.dla_up.idaup_fns.0.up.weight" not in shapes:
            return None
        lasts = [f"dla_seg.dla.level{level}.{'0' if level < 2 else 'root'}.conv.weight" for level in range(6)]
        missing = [name for name in lasts if name not in shapes]
        if missing:
            raise WeightsError(f"not a whole checkpoint of the model zoo: {missing[0]} is missing")
        channels = [shapes[name][0] for name in lasts]
        blocks = {"backbone": {"type": "DLA34", "channels": channels}, "neck": {"type": "ModelZooDLAUp"}}
        return Body("CenterNet of the model zoo", blocks, channels == WIDTHS)

    def feeds_nothing(self, name: str, names: Container[str]) -> bool:
        """See :class:`WeightRules`. These are the optimizer's arrays, and root and projection of a tree whose first part is a tree."""
        if not re.match(r"dla_seg\.|\w+_fn\.", name):
            return True
        tree = re.match(r"(.*?\.level\d)\.(root|project)\.", name)
        return tree is not None and f"{tree[1]}.tree1.root.conv.weight" in names

    def unused_arrays(self, state: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """See :class:`WeightRules`. An unused projection gets the values of its first part's projection; an unused root gets zeros."""
        unused = {name.replace(".tree1.project.", ".project."): value for name, value in state.items() if ".tree1.project." in name}
        for name in [name for name in state if name.endswith(".tree1.tree1.conv_bn_act.conv.weight")]:
            root, (channels, before) = name.replace(".tree1.tree1.conv_bn_act.conv.weight", ".root"), state[name].shape[:2]
            unused[f"{root}.conv.weight"] = np.zeros((channels, 2 * channels + before, 1, 1), np.float32)
            for part, value in (("gamma", 1), ("beta", 0), ("moving_mean", 0), ("moving_variance", 1)):
                unused[f"{root}.bn.{part}"] = np.full(channels, value, np.float32)
        return unused

    def reference_outputs(self, state: Mapping[str, np.ndarray], images: np.ndarray) -> Dict[str, np.ndarray]:
        raise WeightsError("--verify: the model zoo's network cannot be compared, since PyTorch has no version of it")
