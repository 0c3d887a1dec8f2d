"""The common part of the official CenterNet's networks: names of heads, and matching configurations.

    official                      here
    module.*                      *                     (saved from several devices)
    base.*                        backbone.*            (DLA; without ``base.`` in a file of ImageNet weights)
    conv1|bn1|layer<n>.*          backbone.*            (ResNet)
    pre|kps|cnvs|inters|...*      backbone.*            (Hourglass)
    dla_up|ida_up|deconv_layers.* neck.*
    hm|wh|...*                    heads.<name>.*
    hm.<stack>|wh.<stack>|...*    stacks.0.heads.<name>.*, heads.<name>.* (Hourglass)
    weight, bias, running_mean, running_var of a batch normalisation: gamma, beta, moving_mean, moving_variance

Arrays have the same layout on both sides; the channels of a deformable convolution's offsets have the same order.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Dict, FrozenSet, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from mindpoint.config import load_config, shipped
from mindpoint.contracts.weights import RecognizedWeights, Shapes, WeightRules, torch_name
from mindpoint.errors import WeightsError


class Task(NamedTuple):
    """A task of the official code.

    Attributes:
        name: its official name.
        block: the name of its heads in the shipped configurations.
        heads: the heads that every network of the task has.
        optional: heads that a network may have.
    """

    name: str
    block: str
    heads: FrozenSet[str]
    optional: Tuple[str, ...]


TASKS = (
    Task("multi_pose", "pose", frozenset({"hm", "wh", "hps"}), ("reg", "hm_hp", "hp_offset")),
    Task("ctdet", "detection", frozenset({"hm", "wh"}), ("reg",)),
)


class Body(NamedTuple):
    """A network without its heads.

    Attributes:
        name: value of the official ``--arch``, e.g. ``dla_34``, ``resdcn_18``; without a neck, a name such as ``DLA-34`` or ``ResNet-18``.
        blocks: backbone and neck of our configuration; ImageNet weights have no neck.
        official: whether it has the official widths.
    """

    name: str
    blocks: Dict[str, Optional[dict]]
    official: bool


class Branch(NamedTuple):
    """Numbers of channels of a head: of its 3x3 convolution (0 if it has only one convolution), and of its map."""

    hidden: int
    channels: int


class OfficialRules(WeightRules):
    """Rules of one architecture of the official CenterNet, with any heads."""

    bases: Mapping[str, str] = {}
    """Shipped configurations by task."""
    body_names: Sequence[str] = ()
    """Prefixes of the official names of backbone and neck."""
    branch: Tuple[str, str] = ("0", "2")
    """Names of the two convolutions of a head."""

    @abstractmethod
    def body(self, shapes: Shapes) -> Optional[Body]:
        """Return backbone and neck of these arrays; None if they are of another architecture. Raises WeightsError."""

    def official_name(self, ours: str) -> str:
        return re.sub(r"^(neck|heads\.[^.]+)\.", "", torch_name(ours))

    def recognize(self, shapes: Shapes) -> Optional[RecognizedWeights]:
        """See :class:`WeightRules`. Weights with the heads of an official task are whole."""
        body = self.body(shapes)
        if body is None:
            return None
        heads = self._heads(shapes)
        tasks = [task for task in TASKS if task.name in self.bases]
        task = next((task for task in tasks if task.heads <= set(heads) <= {*task.heads, *task.optional}), None)
        width = max((branch.hidden for branch in heads.values()), default=0)
        listed = ", ".join(f"{head} {branch.channels}" for head, branch in heads.items())
        return RecognizedWeights(
            name=body.name,
            description=f"{body.name}, head_conv {width}, heads {listed}" if heads else f"{body.name} without heads",
            config=self._config(body, heads, width, task),
            whole=task is not None,
            parts=tuple(name for name, block in body.blocks.items() if block),
            usage=self.usage(task, body, width) if task and body.official else "",
        )

    def usage(self, task: Task, body: Body, width: int) -> str:
        """Return the official code's options to load ``{file}``."""
        return f"{task.name} --arch {body.name} --head_conv {width} --load_model {{file}}"

    def reference_outputs(self, state: Mapping[str, np.ndarray], images: np.ndarray) -> Dict[str, np.ndarray]:
        from mindpoint_centernet.weights.reference import run_reference  # imports PyTorch

        return run_reference(state, images)

    def head_name(self, word: str) -> str:
        """Return our name of the head with this official prefix."""
        return word

    def _heads(self, shapes: Shapes) -> Dict[str, Branch]:
        first, last = self.branch
        used = [name for name in shapes if not self.feeds_nothing(name, shapes)]
        words = [word for word in dict.fromkeys(name.split(".")[0] for name in used) if word not in self.body_names]
        maps = {word: shapes.get(f"{word}.{last}.weight", shapes.get(f"{word}.weight")) for word in words}
        strange = [word for word, shape in maps.items() if shape is None]
        if strange:
            raise WeightsError(f"{', '.join(strange)}: not a head of the official networks")
        return {self.head_name(word): Branch(shapes.get(f"{word}.{first}.weight", (0,))[0], shape[0]) for word, shape in maps.items()}

    def _config(self, body: Body, heads: Mapping[str, Branch], width: int, task: Optional[Task]) -> dict:
        """Return a configuration based on the shipped one of the architecture, with the heads, classes and joints of the file."""
        base = str(shipped()[self.bases[(task or TASKS[0]).name]])
        model: dict = dict(body.blocks)
        config: dict = {"_base_": base, "model": model}
        if task is None:
            return config
        block = {"head_conv": width, **{name: name in heads for name in task.optional}}
        model["heads"] = {task.block: block}
        usual, classes = load_config(base), heads["hm"].channels
        if classes != len(usual.classes):
            config["classes"] = [f"class_{number}" for number in range(classes)]
        if "hps" in heads:
            joints = heads["hps"].channels // 2
            if joints != len(usual.vocabulary["keypoints"]):
                config["keypoints"] = {"_replace_": True, "names": [f"joint_{number}" for number in range(joints)]}
                config["test"] = {"flip": False}  # the file does not tell which joints are swapped in a mirrored image
        elif heads["wh"].channels == 2 * classes > 2:
            block["class_sizes"] = True
            model["decoder"] = {"class_sizes": True}
            config["data"] = {"train": {"targets": {"class_sizes": True}}}
        return config
