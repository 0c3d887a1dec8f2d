"""A MindSpore network as a function of arrays, and detection with it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence

import mindspore as ms
import numpy as np
from mindspore.nn.utils import no_init_parameters

from mindpoint.config import Config, load_config
from mindpoint.config.node import Trust
from mindpoint.contracts.engine import IMAGE, Forward, Inputs
from mindpoint.errors import WeightsError
from mindpoint.inference.detect import in_batches_of
from mindpoint.inference.detector import Detector, Model, build_detector
from mindpoint.inference.exclusive import exclusive
from mindpoint.model import checkpoint
from mindpoint.model.network import Network, build_network
from mindpoint.model.weights import load_exactly
from mindpoint.native.accelerate import accelerate
from mindpoint.runtime import device

NETWORK = ("model.backbone", "model.neck", "model.heads")


@dataclass(frozen=True)
class Trained:
    """The content of a checkpoint file.

    Attributes:
        category_ids: see :class:`Model`.
    """

    config: Config
    network: Network
    category_ids: List[int]


def forward_of(network: Network) -> Forward:
    """Return a network as a thread-safe function of arrays. It runs in inference mode (running statistics)."""
    names = (IMAGE, *network.inputs)

    def forward(inputs: Inputs) -> Dict[str, np.ndarray]:
        with exclusive(), _testing(network):
            maps = network(*(ms.Tensor(inputs[name]) for name in names))
            return {name: value.asnumpy().astype(np.float32) for name, value in zip(network.maps, maps)}  # a copy

    return forward


@contextlib.contextmanager
def _testing(network: Network) -> Iterator[None]:
    training = network.training
    network.set_train(False)
    try:
        yield
    finally:
        network.set_train(training)


def network_detector(config: Config, network: Network, oracle: Optional[str] = None) -> Detector:
    """Build the configured detector around a MindSpore network. For ``oracle`` see :func:`build_detector`."""
    forward = in_batches_of(config.section("test").batch_size, forward_of(network))  # another batch size would need another compilation
    return build_detector(config, forward, network.maps, network.divisor, network.inputs, oracle=oracle)


def open_checkpoint(
    place: Path, config_path: Optional[str], overrides: Sequence[str], parts: Sequence[str], oracle: Optional[str], trust: Trust
) -> Model:
    """Open the model of a checkpoint file; see :func:`mindpoint.inference.open.open_model`."""
    trained = open_network(place, config_path, overrides, parts, trust)
    detector = network_detector(trained.config, trained.network, oracle)
    return Model(place, trained.config, detector, trained.category_ids)


def open_network(
    place: Path, config_path: Optional[str], overrides: Sequence[str], parts: Sequence[str] = (), trust: Trust = Trust.MODEL
) -> Trained:
    """Build the network of a checkpoint file and load its weights. The arguments and errors are those of
    :func:`mindpoint.inference.open.open_model`."""
    with exclusive():
        stored = checkpoint.load(place)
    needed = [*NETWORK, *parts]
    if config_path is not None:
        config = load_config(config_path, overrides, needed)
    elif "config" in stored.info:
        config = Config.from_text(stored.info["config"], str(place), overrides, needed, trust)
    elif "purpose" in stored.info:
        raise WeightsError(f"{place}: holds {stored.info['purpose']}")
    else:
        raise WeightsError(f"{place}: has no configuration; name the matching one with --config")
    with exclusive():
        device.setup(seed=config.seed, **vars(config.section("runtime")))
        with no_init_parameters():  # all parameters come from the file
            network = build_network(config)
        accelerate(network)
        load_exactly(network, stored.network_arrays, str(place))
    return Trained(config, network, _category_ids(stored.info, config.classes))


def _category_ids(info: Mapping[str, object], classes: Sequence[str]) -> List[int]:
    """Return the data set's category id of each class by label: the checkpoint's id for the name of the class, otherwise 1, 2, 3, ..."""
    known = {record["name"]: record["id"] for record in info.get("categories", ())}
    if all(name in known for name in classes):
        return [known[name] for name in classes]
    return list(range(1, len(classes) + 1))
