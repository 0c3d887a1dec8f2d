"""Conversion of official weights to our checkpoints, and back."""

from __future__ import annotations

import json
from typing import Dict, Mapping, NamedTuple, Optional

import numpy as np
from mindpoint.config import Config, load_config
from mindpoint.contracts.weights import RecognizedWeights
from mindpoint.errors import WeightsError
from mindpoint.inference.open import find_model
from mindpoint.model import checkpoint
from mindpoint.model.network import build_network
from mindpoint.model.translate import find_file, our_arrays, read_state, recognize, recognize_ours
from mindpoint.model.weights import load_arrays
from mindpoint.runtime import device
from mindpoint.storage.files import refuse_existing
from mindpoint.storage.torch_file import write_torch_file
from mindspore.nn.utils import no_init_parameters


class Converted(NamedTuple):
    """The result of a conversion.

    Attributes:
        weights: the recognised weights.
        count: number of written arrays.
        whole: whether the checkpoint is a whole model with its configuration; otherwise it holds initial weights.
    """

    weights: RecognizedWeights
    count: int
    whole: bool


def convert(source: str, out: str, config_name: Optional[str] = None) -> Converted:
    """Write a checkpoint of official weights.

    If the weights match the configuration's network completely, the checkpoint includes the configuration; other weights are marked as
    usable for ``train.weights`` only.

    Args:
        source: a file, or the name of weights to download.
        config_name: the configuration to use instead of the one suggested by the rules, e.g. for other names of joints or another task.

    Raises:
        WeightsError: the weights do not form a whole network.
        OutputError: ``out`` exists, does not end in ``.ckpt``, or cannot be written.
    """
    refuse_existing(out, ".ckpt")
    rules, found, state = recognize(read_state(find_file(source)), source)
    config = load_config(config_name) if config_name else Config.from_text(json.dumps(found.config), source, trusted=True)
    device.setup(seed=config.seed, **vars(config.section("runtime")))
    with no_init_parameters():
        network = build_network(config)
    arrays = our_arrays(network, state, rules)
    _check_plausible(arrays, source)
    report = load_arrays(network, arrays)
    whole = report.complete and not report.unexpected
    info: Dict[str, object] = {"config": config.to_yaml()}
    if not whole:
        missing = [name for name in report.missing if name.split(".")[0] in found.parts]
        if found.whole or missing:
            raise WeightsError(f"{source}: not the weights of a whole {found.name}: {report}")
        arrays = {name: value for name, value in arrays.items() if name in network.parameters_dict()}
        info = {"purpose": f"initial weights for a training (train.weights), {found}; a part of a network, which cannot predict"}
    checkpoint.save(out, {name: value.astype(np.float32) for name, value in arrays.items()}, info)
    return Converted(found, len(arrays), whole)


def _check_plausible(arrays: Mapping[str, np.ndarray], source: str) -> None:
    """Raise WeightsError for impossible values, since MindSpore files may lack a checksum."""
    for name, value in arrays.items():
        if not np.isfinite(value).all() or name.endswith(".moving_variance") and (value < 0).any():
            what = "negative variances" if np.isfinite(value).all() else "numbers that are not finite"
            raise WeightsError(f"{source}: {what} in {name}: the file is damaged, or its training failed; use another file")


def convert_back(model: str, out: str, classifier: bool = False) -> RecognizedWeights:
    """Write the weights of a checkpoint or run folder as a file of the official implementation or the model zoo.

    Args:
        classifier: also write zeros for the unused ``base.fc``, which the official ``dla_34`` has if it was made with
            ImageNet weights.

    Raises:
        WeightsError: the network is not one of the official implementation.
        OutputError: ``out`` exists, has the wrong ending, or cannot be written.
    """
    place = find_model(model)
    stored = checkpoint.load(place)
    rules, found, state = recognize_ours(stored.network_arrays, str(place))
    refuse_existing(out, rules.ending)
    if classifier and found.name == "dla_34":
        width = state["base.level5.root.conv.weight"].shape[0]
        state = {**state, "base.fc.weight": np.zeros((1000, width, 1, 1), np.float32), "base.fc.bias": np.zeros(1000, np.float32)}
    if rules.ending == ".ckpt":
        checkpoint.save(out, state, None)
    else:
        write_torch_file(out, state, epoch=int(stored.info.get("epoch", 0)))
    return found
