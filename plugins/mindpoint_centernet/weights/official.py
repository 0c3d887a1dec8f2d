"""What the official CenterNet's networks have in common: names of heads, and the configurations that they belong to.

    official                      here
    module.*                      *                     (saved from several devices)
    base.*                        backbone.*            (DLA; without ``base.`` in a file of ImageNet weights)
    conv1|bn1|layer<n>.*          backbone.*            (ResNet)
    dla_up|ida_up|deconv_layers.* neck.*
    hm|wh|...*                    heads.<name>.*
    weight, bias, running_mean, running_var of a batch normalisation: gamma, beta, moving_mean, moving_variance

Arrays have the same layout on both sides; the channels of a deformable convolution's offsets have the same order.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np
from mindpoint.config import load_config
from mindpoint.config.files import shipped_folder
from mindpoint.contracts.weights import RecognizedWeights, Shapes, WeightRules, torch_name
from mindpoint.errors import WeightsError

OPTIONAL_HEADS = ("reg", "hm_hp", "hp_offset")
POSE_HEADS = ("hm", "wh", "hps", *OPTIONAL_HEADS)


class Body(NamedTuple):
    """A network without its heads.

    Attributes:
        name: as the official ``--arch``, e.g. ``dla_34``, ``resdcn_18``; without a neck ``DLA-34`` or ``ResNet-18``.
        backbone, neck: blocks of our configuration; the neck is None in ImageNet weights.
        official: it has the official widths.
    """

    name: str
    backbone: dict
    neck: Optional[dict]
    official: bool


class OfficialRules(WeightRules):
    """Rules of one architecture of the official CenterNet, whatever its heads are."""

    base = ""
    """The shipped configuration of the architecture."""
    body_names: Sequence[str] = ()
    """First words of the official names that belong to backbone and neck."""

    @abstractmethod
    def body(self, shapes: Shapes) -> Optional[Body]:
        """Return backbone and neck of these arrays; None if they are of another architecture. Raises WeightsError."""

    def official_name(self, ours: str) -> str:
        return re.sub(r"^(neck|heads\.[^.]+)\.", "", torch_name(ours))

    def recognize(self, shapes: Shapes) -> Optional[RecognizedWeights]:
        """See :class:`WeightRules`. Weights with the heads of multi-person pose are whole."""
        body = self.body(shapes)
        if body is None:
            return None
        heads = self._heads(shapes)
        head_conv = max((shapes[f"{head}.0.weight"][0] for head in heads if f"{head}.0.weight" in shapes), default=0)
        listed = ", ".join(f"{head} {count}" for head, count in heads.items())
        pose = {"hm", "wh", "hps"} <= set(heads) <= set(POSE_HEADS)
        return RecognizedWeights(
            name=body.name,
            description=f"{body.name}, head_conv {head_conv}, heads {listed}" if heads else f"{body.name} without heads",
            config=self._config(body, heads, head_conv, pose),
            whole=pose,
            parts=("backbone", "neck") if body.neck else ("backbone",),
            usage=f"multi_pose --arch {body.name} --head_conv {head_conv} --load_model {{file}}" if body.official else "",
        )

    def reference_outputs(self, state: Mapping[str, np.ndarray], images: np.ndarray) -> Dict[str, np.ndarray]:
        from mindpoint_centernet.weights.reference import run_reference  # imports PyTorch

        return run_reference(state, images)

    def _heads(self, shapes: Shapes) -> Dict[str, int]:
        """Return the channels of each head's map."""
        heads: List[str] = list(dict.fromkeys(name.split(".")[0] for name in shapes))
        heads = [head for head in heads if head not in self.body_names]
        lasts = {head: shapes.get(f"{head}.2.weight", shapes.get(f"{head}.weight")) for head in heads}
        strange = [head for head, last in lasts.items() if last is None]
        if strange:
            raise WeightsError(f"{', '.join(strange)}: not a head as the official networks have them")
        return {head: last[0] for head, last in lasts.items()}

    def _config(self, body: Body, heads: Mapping[str, int], head_conv: int, pose: bool) -> dict:
        """Return the shipped configuration of the architecture with heads, classes and joints as found."""
        model: dict = {"backbone": body.backbone, **({"neck": body.neck} if body.neck else {})}
        config: dict = {"_base_": str(shipped_folder() / self.base), "model": model}
        if not pose:
            return config
        model["heads"] = {"pose": {"head_conv": head_conv, **{name: name in heads for name in OPTIONAL_HEADS}}}
        shipped = load_config(config["_base_"])
        if heads["hm"] != len(shipped.classes):
            config["classes"] = [f"class_{number}" for number in range(heads["hm"])]
        joints = heads["hps"] // 2
        if joints != len(shipped.vocabulary["keypoints"]):
            config["keypoints"] = {"_replace_": True, "names": [f"joint_{number}" for number in range(joints)]}
            config["test"] = {"flip": False}  # which joints change places in a mirrored image is not in a file
        return config
