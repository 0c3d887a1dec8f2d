"""A MindSpore network as a function of arrays, and detection with it."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Optional, Sequence, Tuple

import mindspore as ms
import numpy as np
from mindspore.nn.utils import no_init_parameters

from mindpoint.config import Config, load_config
from mindpoint.model import checkpoint
from mindpoint.inference.detector import Detector, Forward, build_detector, in_batches_of
from mindpoint.inference.detector import Model
from mindpoint.model.network import Network, build_network
from mindpoint.model.weights import load_exactly
from mindpoint.native.accelerate import accelerate
from mindpoint.errors import WeightsError
from mindpoint.runtime import device


def forward_of(network: Network) -> Forward:
    """A network as a function of arrays: normalised images ``(B, 3, H, W)`` to raw maps. It runs as in testing (running statistics)."""

    def forward(batch: np.ndarray) -> Dict[str, np.ndarray]:
        training = network.training
        network.set_train(False)
        maps = network(ms.Tensor(batch))
        network.set_train(training)
        return {name: value.asnumpy().astype(np.float32) for name, value in zip(network.maps, maps)}  # a copy

    return forward


def network_detector(config: Config, network: Network) -> Detector:
    """A detector around a MindSpore network."""
    forward = in_batches_of(config.section("test").batch_size, forward_of(network))  # another number would be compiled anew
    return build_detector(config, forward, {name: spec.channels for name, spec in network.maps.items()}, network.divisor)


def open_checkpoint(place: Path, config_path: Optional[str], overrides: Sequence[str]) -> Model:
    """The model of a checkpoint file; see :func:`mindpoint.inference.open.open_model`."""
    config, network = open_network(place, config_path, overrides)
    return Model(place, config, network_detector(config, network))


def open_network(place: Path, config_path: Optional[str], overrides: Sequence[str]) -> Tuple[Config, Network]:
    """Configuration and network of a checkpoint file, weights loaded; arguments and errors as of
    :func:`mindpoint.inference.open.open_model`."""
    stored = checkpoint.load(place)
    if config_path is not None:
        config = load_config(config_path, overrides)
    elif "config" in stored.info:
        config = Config.from_text(stored.info["config"], str(place), overrides)
    elif "purpose" in stored.info:
        raise WeightsError(f"{place}: holds {stored.info['purpose']}")
    else:
        raise WeightsError(f"{place}: carries no configuration; say which one it belongs to with --config")
    device.setup(config.section("runtime").device, config.seed)
    with no_init_parameters():  # the file has them all
        network = build_network(config)
    accelerate(network)
    load_exactly(network, stored.network_arrays, str(place))
    return config, network
