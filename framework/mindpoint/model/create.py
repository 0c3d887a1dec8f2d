"""Creates a network from the name of its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, Sequence, Union

from mindpoint.config import Config, config_of
from mindpoint.model import checkpoint
from mindpoint.model.network import Network, build_network
from mindpoint.model.weights import load_exactly
from mindpoint.runtime import device


def create_model(
    name: Union[str, Path, Mapping[str, object], Config], overrides: Sequence[str] = (), weights: Union[str, Path, None] = None
) -> Network:
    """Return the network of a configuration as a MindSpore cell, ``construct(image (B, 3, H, W)) -> tuple of raw maps``.

    >>> network = mindpoint.create_model("dla34_dcn_coco", weights="runs/coco/best.ckpt")
    >>> list(network.maps)
    ['hm', 'wh', 'hps', 'reg', 'hm_hp', 'hp_offset']

    Args:
        name: a shipped configuration, a YAML file, a run folder, nested mappings, or a loaded configuration.
        overrides: changes, as after ``--set``.
        weights: a checkpoint of this network; None: initial weights from the configuration's seed.

    Raises:
        ConfigError: the configuration is invalid. WeightsError: the file is damaged or belongs to another network.
    """
    config = config_of(name, overrides)
    device.setup(seed=config.seed, **vars(config.section("runtime")))
    network = build_network(config)
    if weights is not None:
        load_exactly(network, checkpoint.load(weights).network_arrays, str(weights))
    return network
