"""Choose the network of a configuration: a small one with random weights, or the one that given weights belong to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Dict, List, Optional

from mindpoint.config import Config
from mindpoint.errors import WeightsError

_SMALL = {"type": "ResNet", "depth": 18, "width": 32}
_NECK = {"type": "FPN", "channels": 48, "levels": 1, "finest": 4}


@dataclass
class NetworkPlan:
    """The network, and its training settings.

    Attributes:
        backbone, neck: their blocks in the configuration; ``neck`` may be None.
        head_conv: channels of the heads' hidden layers.
        stride: pixels of the input per pixel of the maps.
        lr: learning rate of Adam.
        weights: file or name of the weights to start from.
        weights_match: value of ``train.weights_match``.
        freeze: value of ``train.freeze``.
        reason: why this network was chosen.
    """

    backbone: Dict[str, object] = field(default_factory=lambda: dict(_SMALL))
    neck: Optional[Dict[str, object]] = field(default_factory=lambda: dict(_NECK))
    head_conv: int = 32
    stride: int = 4
    lr: float = 2e-3
    weights: Optional[str] = None
    weights_match: str = "heads"
    freeze: List[str] = field(default_factory=list)
    reason: str = "a ResNet-18 of half the width, from random weights: it trains within minutes on a CPU"


def plan_network(weights: Optional[str]) -> NetworkPlan:
    """Return the plan for weights: a checkpoint of this framework, a file that the rules of some project recognise, or a name to download.

    Raises:
        WeightsError: the file cannot be read, or its network is unknown or unsuitable.
    """
    if weights is None:
        return NetworkPlan()
    model, targets, whole = _origin(weights)
    heads = [head for head in model.get("heads", {}).values() if isinstance(head, dict)]
    if whole:
        reason = f"the network of {weights}; its normalisation statistics stay fixed"
        hidden = next((int(head["head_conv"]) for head in heads if "head_conv" in head), 256)
        found = NetworkPlan(
            model["backbone"], model.get("neck"), hidden, int(targets.get("stride", 4)), freeze=["statistics"], reason=reason
        )
    else:
        reason = f"the backbone of {weights} with a new neck and new heads"
        found = NetworkPlan(model["backbone"], {**_NECK, "channels": 64}, 64, weights_match="backbone", reason=reason)
    found.weights, found.lr = weights, 5e-4
    return found


def _origin(weights: str):
    """Return the section ``model`` and the block ``data.train.targets`` of the weights' network, and whether the weights cover more than
    its backbone."""
    from mindpoint.model import checkpoint
    from mindpoint.model.translate import find_file, read_state, recognize

    path = find_file(weights)
    if path.suffix == ".ckpt":
        content = checkpoint.load(path).info.get("config")
        if content:
            data = Config.from_text(content, str(path), parts=()).data
            return data["model"], (data.get("data", {}).get("train") or {}).get("targets") or {}, True
    found = recognize(read_state(path), weights).weights
    data = Config.from_text(json.dumps(found.config), weights, parts=(), trusted=True).data
    if "backbone" not in data.get("model", {}):
        raise WeightsError(f"{weights}: its backbone is unknown, since the rules for {found.name} do not name one")
    return data["model"], {}, found.whole or "neck" in found.parts
