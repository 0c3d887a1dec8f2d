"""A trained model: a checkpoint with the configuration that it carries."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence, Tuple

from mindpoint.config import Config, load_config
from mindpoint.engine import checkpoint
from mindpoint.engine.network import Network, build_network
from mindpoint.engine.weights import load_exactly
from mindpoint.errors import WeightsError


def find_checkpoint(path: str) -> Path:
    """The checkpoint itself, or for a run folder its ``best.ckpt``, else its ``last.ckpt``.

    Raises:
        WeightsError: there is none.
    """
    place = Path(path)
    if not place.is_dir():
        return place
    for name in ("best.ckpt", "last.ckpt"):
        if (place / name).is_file():
            return place / name
    raise WeightsError(f"{place}: no best.ckpt and no last.ckpt in this folder; name a run folder or a checkpoint file")


def read_model(path: str, config_path: Optional[str], overrides: Sequence[str]) -> Tuple[Config, checkpoint.Checkpoint]:
    """Checkpoint and configuration; ``config_path`` replaces the configuration that the file carries.

    Raises:
        WeightsError: not readable, or the file carries no configuration and none is given.
    """
    place = find_checkpoint(path)
    stored = checkpoint.load(place)
    if config_path is not None:
        return load_config(config_path, overrides), stored
    if "config" not in stored.info:
        raise WeightsError(f"{place}: carries no configuration; say which one it belongs to with --config")
    return Config.from_text(stored.info["config"], str(place), overrides), stored


def network_of(config: Config, stored: checkpoint.Checkpoint, name: str) -> Network:
    """The configured network with the arrays of a checkpoint.

    Raises:
        WeightsError: the checkpoint belongs to another model.
    """
    network = build_network(config)
    load_exactly(network, stored.network_arrays, name)
    network.set_train(False)
    return network
