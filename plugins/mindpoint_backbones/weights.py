"""Weights of torchvision's MobileNets, trained on ImageNet."""

from __future__ import annotations

import re
from typing import Container, Optional

from mindpoint.config import shipped
from mindpoint.contracts.weights import RecognizedWeights, Shapes, WeightRules, torch_name
from mindpoint.errors import WeightsError

from mindpoint_backbones.mobilenet_v3 import BLOCKS

_PLACE = "https://download.pytorch.org/models/"


class MobileNetRules(WeightRules):
    """Rules for torchvision's MobileNetV2 and MobileNetV3 of width 1. Its names lack the prefix ``backbone.``."""

    downloads = {
        "mobilenet_v2": f"{_PLACE}mobilenet_v2-b0353104.pth",
        "mobilenet_v2_v2": f"{_PLACE}mobilenet_v2-7ebf99e0.pth",
        "mobilenet_v3_large": f"{_PLACE}mobilenet_v3_large-8738ca79.pth",
        "mobilenet_v3_large_v2": f"{_PLACE}mobilenet_v3_large-5c1a4163.pth",
        "mobilenet_v3_small": f"{_PLACE}mobilenet_v3_small-047dcff4.pth",
    }

    def official_name(self, ours: str) -> str:
        return re.sub(r"^backbone\.", "", torch_name(ours))

    def recognize(self, shapes: Shapes) -> Optional[RecognizedWeights]:
        """See :class:`WeightRules`. The weights are always those of a backbone without heads."""
        if "features.1.conv.0.0.weight" in shapes:
            name, backbone = "MobileNetV2", {"type": "MobileNetV2"}
        elif "features.1.block.0.0.weight" in shapes:
            size = "large" if f"features.{len(BLOCKS['small']) + 1}.block.0.0.weight" in shapes else "small"
            name, backbone = f"MobileNetV3 {size}", {"type": "MobileNetV3", "size": size}
        else:
            return None
        others = [other for other in shapes if not other.startswith(("features.", "classifier."))]
        if others:
            raise WeightsError(f"{others[0]}: torchvision's MobileNets have neither neck nor heads")
        config = {"_base_": str(shipped()["quickstart_detection"]), "model": {"backbone": backbone, "neck": {"type": "FPN"}}}
        return RecognizedWeights(name, f"{name} without heads", config, whole=False)

    def feeds_nothing(self, name: str, names: Container[str]) -> bool:
        """See :class:`WeightRules`. In addition to the counters, these are the arrays of the classifier and of the last convolution."""
        return bool(re.match(r"classifier\.|features\.[1-9]\d*\.\d+\.", name)) or super().feeds_nothing(name, names)
