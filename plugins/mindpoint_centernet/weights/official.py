"""Names of the official implementation's weights (PyTorch state dictionaries) and ours: the same but for a few rules.

    official                      here
    module.*                      *                     (saved from several devices)
    base.*                        backbone.*            (DLA)
    conv1|bn1|layer<n>.*          backbone.*            (ResNet)
    dla_up|ida_up|deconv_layers.* neck.*
    hm|wh|...*                    heads.<name>.*
    weight, bias, running_mean, running_var of a batch normalisation: gamma, beta, moving_mean, moving_variance

Arrays have the same layout on both sides.
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, Mapping

import numpy as np
from mindspore import nn

from mindpoint.engine.weights import LoadReport, load_arrays

_BATCH_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def to_official(name: str) -> str:
    """The official name of one of our parameters."""
    owner, _, last = name.rpartition(".")
    name = f"{owner}.{_BATCH_NORM.get(last, last)}"
    if re.match(r"backbone\.(conv1|bn1|layer\d)\.", name):
        return name[len("backbone.") :]
    name = re.sub(r"^backbone\.", "base.", name)
    return re.sub(r"^(neck|heads\.[^.]+)\.", "", name)


def from_official(names: Iterable[str], network: nn.Cell) -> Dict[str, str]:
    """Our names of official ones, for this network: only it knows which ``weight`` is a batch normalisation's, and whose head a map is.

    A name of nothing in the network stays as it is (without ``module.``).
    """
    ours = {to_official(name): name for name in network.parameters_dict()}
    bare = {name: re.sub(r"^module\.", "", name) for name in names}
    return {name: ours.get(plain, plain) for name, plain in bare.items()}


def _feeds_nothing(name: str, state: Mapping[str, np.ndarray]) -> bool:
    """What no output depends on: counters, the classifier, and the projection of a tree whose first part is itself a tree."""
    tree, project, _ = name.partition(".project.")
    return (
        name.endswith(".num_batches_tracked")
        or re.match(r"(module\.)?(base\.)?fc\.", name) is not None
        or bool(project)
        and f"{tree}.tree1.root.conv.weight" in state
    )


def load_official(network: nn.Cell, state: Mapping[str, np.ndarray]) -> LoadReport:
    """Copy official weights into the network. What does not fit is left alone and reported, under our names where there are any.

    Args:
        network: a whole network, with ``backbone``, ``neck`` and ``heads``.
        state: arrays by official name. Those that feed no output in the official network either are passed over.
    """
    useful = [name for name in state if not _feeds_nothing(name, state)]
    return load_arrays(network, {ours: state[name] for name, ours in from_official(useful, network).items()})
