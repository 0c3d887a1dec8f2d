"""Weights of the official ``resdcn_*`` and ``res_*``, and of torchvision's ResNets."""

from __future__ import annotations

import re
from typing import Container, Optional

from mindpoint.contracts.weights import Shapes
from mindpoint.errors import WeightsError

from mindpoint_centernet.weights.official import Body, OfficialRules

DEPTHS = {
    ("basic", 2): 18,
    ("basic", 6): 34,
    ("bottleneck", 6): 50,
    ("bottleneck", 23): 101,
    ("bottleneck", 36): 152,
}  # depth by the number of blocks in layer3


class ResNetRules(OfficialRules):
    """ResNet with the official heads and neck of transposed convolutions, or torchvision's ResNet, which has neither."""

    downloads = {
        name: f"https://download.pytorch.org/models/{name.partition('_')[0]}-{digits}.pth"
        for name, digits in {
            "resnet18": "f37072fd",
            "resnet34": "b627a593",
            "resnet50": "0676ba61",
            "resnet50_v2": "11ad3fa6",
            "resnet101": "63fe2227",
            "resnet101_v2": "cd907fc2",
            "resnet152": "394f9c45",
            "resnet152_v2": "f82ba261",
        }.items()
    }
    bases = {"multi_pose": "resnet18_dcn_coco", "ctdet": "ctdet_resnet18_dcn_coco"}
    body_names = ("deconv_layers", "conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc")

    def official_name(self, ours: str) -> str:
        return re.sub(r"^backbone\.", "", super().official_name(ours))

    def body(self, shapes: Shapes) -> Optional[Body]:
        if "layer4.0.conv1.weight" not in shapes:
            return None
        kind = "bottleneck" if "layer1.0.conv3.weight" in shapes else "basic"
        blocks = len({name.split(".")[1] for name in shapes if name.startswith("layer3.")})
        depth = DEPTHS.get((kind, blocks))
        if depth is None:
            raise WeightsError(f"a ResNet of another depth ({blocks} {kind} blocks in layer3); supported depths: {sorted(DEPTHS.values())}")
        width = int(shapes["conv1.weight"][0])
        backbone = {"type": "ResNet", "depth": depth, **({"width": width} if width != 64 else {})}
        ups = [shape for name, shape in shapes.items() if re.match(r"deconv_layers\.\d+\.weight", name) and len(shape) == 4]
        channels = [int(shape[1]) for shape in ups if shape[2:] == (4, 4)]
        if not channels:
            return Body(f"ResNet-{depth}", {"backbone": backbone}, True)
        deformable = any("conv_offset_mask" in name for name in shapes)
        neck = {"type": "Deconv", "conv": "deformable" if deformable else "plain", "channels": channels}
        name = f"{'resdcn' if deformable else 'res'}_{depth}"
        return Body(
            name, {"backbone": backbone, "neck": neck}, width == 64 and channels == ([256, 128, 64] if deformable else [256, 256, 256])
        )

    def feeds_nothing(self, name: str, names: Container[str]) -> bool:
        """See :class:`WeightRules`. Includes the classifier."""
        return name.startswith("fc.") or super().feeds_nothing(name, names)
