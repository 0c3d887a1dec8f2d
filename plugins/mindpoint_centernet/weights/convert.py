"""Official weights to our checkpoints and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, Optional, Tuple

import numpy as np
from mindspore.nn.utils import no_init_parameters

from mindpoint.config import Config, load_config
from mindpoint.config.files import shipped_folder
from mindpoint.model import checkpoint
from mindpoint.inference.open import find_model
from mindpoint.model.network import build_network
from mindpoint.model.weights import load_arrays
from mindpoint.errors import OutputError, WeightsError
from mindpoint.runtime import device
from mindpoint_centernet.weights.architecture import Architecture, OPTIONAL_HEADS, recognize
from mindpoint_centernet.weights.official import official_state, our_arrays, plain_names
from mindpoint_centernet.weights.torch_file import read_torch_file, write_torch_file

_BASES = {"DLA34": "dla34_dcn_coco.yaml", "ResNet": "resnet18_dcn_coco.yaml"}


def read_official(path: str) -> Dict[str, np.ndarray]:
    """The state dictionary of an official file, alone or under ``state_dict``, without ``module.``.

    Raises:
        WeightsError: no readable file of PyTorch, or no state dictionary in it.
    """
    content = read_torch_file(path)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    arrays = {}
    if isinstance(content, dict):
        arrays = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, np.ndarray)}
    if not arrays:
        raise WeightsError(f"{path}: holds no state dictionary (tensors by name), alone or under 'state_dict'")
    return plain_names(arrays)


def configuration(found: Architecture) -> str:
    """The shipped configuration of an architecture as YAML, with heads, classes and joints as found."""
    model = {"backbone": found.backbone}
    if found.neck:
        model["neck"] = found.neck
    changes: dict = {"_base_": str(shipped_folder() / _BASES[found.backbone["type"]]), "model": model}
    if found.has_pose:
        wanted = {name: name in found.heads for name in OPTIONAL_HEADS}
        model["heads"] = {"pose": {"head_conv": found.head_conv, **wanted}}
        shipped = load_config(changes["_base_"])
        if found.heads["hm"] != len(shipped.classes):
            changes["classes"] = [f"class_{number}" for number in range(found.heads["hm"])]
        joints = found.heads["hps"] // 2
        if joints != len(shipped.keypoints):
            changes["keypoints"] = {"_replace_": True, "names": [f"joint_{number}" for number in range(joints)]}
            changes["test"] = {"flip": False}  # which joints change places in a mirrored image is not in a file
    return json.dumps(changes)


def convert(source: str, out: str, config_name: Optional[str] = None) -> Tuple[Architecture, int]:
    """Write a checkpoint of official weights.

    With the heads of multi-person pose it carries its configuration; other weights are for ``train.weights`` only, and so it says.

    Args:
        config_name: what it shall carry instead of the shipped configuration, e.g. for the names of joints.

    Returns:
        What was recognised, and how many arrays were written.

    Raises:
        WeightsError: the weights are not those of a whole network.
        OutputError: ``out`` exists, does not end in ``.ckpt``, or cannot be written.
    """
    refuse_existing(out, ".ckpt")
    state = read_official(source)
    found = recognize(state, source)
    config = load_config(config_name) if config_name else Config.from_text(configuration(found), source)
    device.setup(config.section("runtime").device, config.seed)
    with no_init_parameters():
        network = build_network(config)
    arrays = our_arrays(network, state)
    report = load_arrays(network, arrays)
    if found.has_pose:
        if not report.complete or report.unexpected:
            raise WeightsError(f"{source}: not the weights of a whole {found.name}: {report}")
        info: Dict[str, object] = {"config": config.to_yaml()}
    else:
        missing = [name for name in report.missing if name.split(".")[0] in ("backbone", "neck" if found.neck else "")]
        if missing:
            raise WeightsError(f"{source}: not the weights of a whole {found.name}: missing {', '.join(missing[:5])}")
        arrays = {name: value for name, value in arrays.items() if name in network.parameters_dict()}
        info = {"purpose": f"initial weights for a training (train.weights), {found}; there are no joints in them to predict"}
    checkpoint.save(out, {name: value.astype(np.float32) for name, value in arrays.items()}, info)
    return found, len(arrays)


def convert_back(model: str, out: str, classifier: bool = False) -> Architecture:
    """Write the weights of a checkpoint or run folder as a file that the official implementation loads.

    Args:
        classifier: write zeros for ``base.fc`` too, which nothing uses but the official ``dla_34`` has where it was made with
            ImageNet weights.

    Raises:
        WeightsError: it is no network of the official implementation.
        OutputError: ``out`` exists, does not end in ``.pth``, or cannot be written.
    """
    refuse_existing(out, ".pth")
    place = find_model(model)
    stored = checkpoint.load(place)
    state = official_state(stored.network_arrays)
    found = recognize(state, str(place))
    if classifier and found.name == "dla_34":
        width = found.backbone["channels"][-1]
        state = {**state, "base.fc.weight": np.zeros((1000, width, 1, 1), np.float32), "base.fc.bias": np.zeros(1000, np.float32)}
    write_torch_file(out, state, epoch=int(stored.info.get("epoch", 0)))
    return found


def refuse_existing(out: str, ending: str) -> None:
    """Raise OutputError if a file cannot be made there."""
    path = Path(out)
    if path.suffix != ending:
        raise OutputError(f"{out}: give it a name that ends in {ending}")
    if path.exists():
        raise OutputError(f"{out}: exists; choose another name or remove it")
    if not path.parent.is_dir():
        raise OutputError(f"{out}: there is no folder {path.parent}; make it first")
