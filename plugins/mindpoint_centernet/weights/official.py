"""Names of the official implementation's weights (PyTorch state dictionaries) and ours: the same but for a few rules.

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
from typing import Dict, Iterable, Mapping

import numpy as np
from mindspore import nn

from mindpoint.model.weights import LoadReport, load_arrays

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


def plain_names(state: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """The state without ``module.``, and with the ``base.`` that DLA's ImageNet weights lack."""
    bare = {re.sub(r"^module\.", "", name): value for name, value in state.items()}
    before = "base." if "base_layer.0.weight" in bare else ""
    return {before + name: value for name, value in bare.items()}


def official_state(arrays: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Our arrays under official names, with all that the official network has besides and no output depends on.

    These are a counter for every batch normalisation, 0, and the projection of every tree whose first part is itself a tree; it gets the
    values of that part's projection, which has the same shape.
    """
    state = {to_official(name): value for name, value in arrays.items()}
    for name, value in list(state.items()):
        if name.endswith(".running_mean"):
            state[name[: -len("running_mean")] + "num_batches_tracked"] = np.zeros((), np.int64)
    projections = [name for name in state if ".tree1.project." in name]
    return {**state, **{name.replace(".tree1.project.", ".project."): state[name] for name in projections}}


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
    return load_arrays(network, our_arrays(network, state))


def our_arrays(network: nn.Cell, state: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Official weights under our names for this network, as far as there are any, without those that feed no output."""
    useful = [name for name in state if not _feeds_nothing(name, state)]
    return {ours: state[name] for name, ours in from_official(useful, network).items()}
