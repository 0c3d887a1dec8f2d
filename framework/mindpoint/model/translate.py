"""Weights under official names and under ours, by the rules that any installed distribution declares."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Mapping, NamedTuple

import numpy as np
from mindpoint.contracts.weights import RecognizedWeights, WeightRules
from mindpoint.errors import WeightsError
from mindpoint.model import checkpoint
from mindpoint.model.download import fetch
from mindpoint.model.weights import LoadReport, load_arrays
from mindpoint.registry import nearest, registry
from mindpoint.storage.digest import check_digest
from mindpoint.storage.torch_file import read_torch_file
from mindspore import nn

State = Mapping[str, np.ndarray]
"""Arrays by name."""


class Found(NamedTuple):
    """Weights that some rules know.

    Attributes:
        rules: those rules.
        weights: what they see in the arrays.
        state: the arrays by official name.
    """

    rules: WeightRules
    weights: RecognizedWeights
    state: Dict[str, np.ndarray]


def find_file(source: str) -> Path:
    """Return the file that a source means: the file itself, or one from the network for a name that some rules declare.

    Raises:
        WeightsError: the name is unknown, or its file cannot be fetched.
    """
    path = Path(source)
    if path.suffix or path.name != source or path.exists():
        return path
    known = downloads()
    if source not in known:
        meant = " or ".join(nearest(source, list(known)))
        advice = f"did you mean {meant}?" if meant else f"known names: {', '.join(known)}"
        raise WeightsError(f"{source}: neither a file nor the name of known weights; {advice}")
    return fetch(known[source])


def downloads() -> Dict[str, str]:
    """Return the URLs of the files that can be fetched, by their short names."""
    return {name: url for rules in all_rules().values() for name, url in sorted(rules.downloads.items())}


def read_state(path: Path) -> Dict[str, np.ndarray]:
    """Return the arrays of another implementation's file by the file's names.

    Args:
        path: a file of PyTorch with a state dictionary, alone or under ``state_dict``, or a ``.ckpt`` of MindSpore.

    Raises:
        WeightsError: the file cannot be read, differs from the check sum in its name, or holds no such arrays.
    """
    if path.suffix == ".ckpt":
        return checkpoint.load_plain(path)
    content = read_torch_file(path)
    check_digest(path)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    arrays = {}
    if isinstance(content, dict):
        arrays = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, np.ndarray)}
    if not arrays:
        raise WeightsError(f"{path}: holds no state dictionary (tensors by name), alone or under 'state_dict'")
    return arrays


def recognize(state: State, what: str) -> Found:
    """Return the rules for the arrays of a file, and what they see in them.

    Args:
        state: arrays by the file's names; ``module.`` in front of them does not count.
        what: opens the messages.

    Raises:
        WeightsError: no rules know them, several do, or they belong to a network that is not known or not whole.
    """
    bare = {re.sub(r"^module\.", "", name): value for name, value in state.items()}
    candidates = []
    for rules in all_rules().values():
        canonical = {rules.canonical_name(name): value for name, value in bare.items()}
        candidates.append((rules, canonical))
    return _only(candidates, what)


def recognize_ours(arrays: State, what: str) -> Found:
    """Return the same for arrays under our names; the state has all that the official network has."""
    candidates = []
    for rules in all_rules().values():
        state = {rules.official_name(name): value for name, value in arrays.items()}
        candidates.append((rules, {**state, **rules.unused_arrays(state)}))
    return _only(candidates, what)


def _only(candidates: list, what: str) -> Found:
    found, problems = [], []
    for rules, state in candidates:
        try:
            weights = rules.recognize({name: np.shape(value) for name, value in state.items()})
        except WeightsError as error:
            problems.append(error)
            continue
        if weights is not None:
            found.append(Found(rules, weights, state))
    if not found and problems:
        raise WeightsError(f"{what}: {'; '.join(dict.fromkeys(map(str, problems)))}") from problems[0]
    if not found:
        names = ", ".join(list(candidates[0][1])[:3])
        raise WeightsError(f"{what}: weights of an unknown architecture (names such as {names}); known are {', '.join(all_rules())}")
    if len(found) > 1:
        rivals = ", ".join(type(each.rules).__name__ for each in found)
        raise WeightsError(f"{what}: several rules know these weights: {rivals}; uninstall all distributions but one that declare them")
    return found[0]


def all_rules() -> Dict[str, WeightRules]:
    """Return one object of all declared rules, by name."""
    known = registry("weight_rules")
    return {entry.name: known.get(entry.name)() for entry in known.entries()}


def our_arrays(network: nn.Cell, state: State, rules: WeightRules) -> Dict[str, np.ndarray]:
    """Return official weights under our names for this network, without those that feed no output.

    Only the network knows which ``weight`` is a batch normalisation's and in which block a head is. A name of nothing in it stays as it is.
    """
    ours = {rules.official_name(name): name for name in network.parameters_dict()}
    return {ours.get(name, name): value for name, value in state.items() if not rules.feeds_nothing(name, state)}


def load_official(network: nn.Cell, state: State, rules: WeightRules) -> LoadReport:
    """Copy official weights into the network. What does not fit is left alone and reported, under our names where there are any.

    Args:
        network: a whole network, with ``backbone``, ``neck`` and ``heads``.
        state: arrays by official name; those that feed no output in the official network are passed over.
    """
    return load_arrays(network, our_arrays(network, state, rules))


def initial_arrays(network: nn.Cell, source: str) -> Mapping[str, np.ndarray]:
    """Return the arrays that a training starts from, under the network's names as far as it has them.

    Args:
        source: a checkpoint, a file of PyTorch that some rules know, or the name of weights to download.

    Raises:
        WeightsError: the file cannot be read, fetched or recognised.
    """
    path = find_file(source)
    if path.suffix == ".ckpt" or not path.suffix:
        return checkpoint.load(path).network_arrays
    rules, _, state = recognize(read_state(path), str(path))
    return our_arrays(network, state, rules)
