"""Conversion between official weight names and ours, by the rules that installed distributions declare."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Mapping, NamedTuple

import numpy as np
from mindspore import nn

from mindpoint.contracts.weights import RecognizedWeights, WeightRules
from mindpoint.errors import WeightsError
from mindpoint.model import checkpoint
from mindpoint.model.download import fetch
from mindpoint.model.weights import LoadReport, load_arrays
from mindpoint.registry import nearest, registry
from mindpoint.storage.digest import check_digest
from mindpoint.storage.torch_file import read_torch_file

State = Mapping[str, np.ndarray]
"""Arrays by name."""


class Found(NamedTuple):
    """Weights that some rules recognise.

    Attributes:
        rules: the rules that recognise them.
        weights: the result of :meth:`WeightRules.recognize`.
        state: the arrays by official name.
    """

    rules: WeightRules
    weights: RecognizedWeights
    state: Dict[str, np.ndarray]


def find_file(source: str) -> Path:
    """Return the file of a source: the file itself, or a download for a name that some rules declare.

    Raises:
        WeightsError: the name is unknown, or its file cannot be downloaded.
    """
    path = Path(source)
    if path.suffix or path.name != source or path.exists():
        return path
    known = downloads()
    if source not in known:
        meant = " or ".join(nearest(source, list(known)))
        advice = f"did you mean {meant}?" if meant else f"known names: {', '.join(known)}"
        raise WeightsError(f"{source}: neither a file nor the name of downloadable weights; {advice}")
    return fetch(known[source])


def downloads() -> Dict[str, str]:
    """Return the URLs of downloadable files by their short names."""
    return {name: url for rules in all_rules().values() for name, url in sorted(rules.downloads.items())}


def read_state(path: Path) -> Dict[str, np.ndarray]:
    """Return the arrays of another implementation's file, by the file's names.

    Args:
        path: a PyTorch file with a state dictionary, alone or under ``state_dict``, or a MindSpore ``.ckpt``.

    Raises:
        WeightsError: the file cannot be read, does not match the checksum in its name, or does not hold such arrays.
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
        raise WeightsError(f"{path}: has no state dictionary (tensors by name), alone or under 'state_dict'")
    return arrays


def recognize(state: State, what: str) -> Found:
    """Return the rules that recognise the arrays of a file, with their result.

    Args:
        state: arrays by the file's names; a leading ``module.`` is ignored.
        what: name of the weights, with which messages begin.

    Raises:
        WeightsError: no rules or several recognise the arrays, or they belong to an unknown or incomplete network.
    """
    bare = {re.sub(r"^module\.", "", name): value for name, value in state.items()}
    candidates = []
    for rules in all_rules().values():
        canonical = {rules.canonical_name(name): value for name, value in bare.items()}
        candidates.append((rules, canonical))
    return _only(candidates, what)


def recognize_ours(arrays: State, what: str) -> Found:
    """Return the rules that recognise arrays under our names, like :func:`recognize`. The state includes all arrays of the official
    network."""
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
        raise WeightsError(f"{what}: weights of an unknown architecture (names such as {names}); supported: {', '.join(all_rules())}")
    if len(found) > 1:
        rivals = ", ".join(type(each.rules).__name__ for each in found)
        raise WeightsError(f"{what}: several rules recognise these weights: {rivals}; uninstall all but one of their distributions")
    return found[0]


def all_rules() -> Dict[str, WeightRules]:
    """Return an instance of each of the declared rules, by name."""
    known = registry("weight_rules")
    return {entry.name: known.get(entry.name)() for entry in known.entries()}


def our_arrays(network: nn.Cell, state: State, rules: WeightRules) -> Dict[str, np.ndarray]:
    """Return official weights under our names for this network, without those that do not affect any output.

    Only the network shows which ``weight`` belongs to a batch normalisation and which block contains a head. Names without a counterpart in
    the network are kept.
    """
    ours = {rules.official_name(name): name for name in network.parameters_dict()}
    return {ours.get(name, name): value for name, value in state.items() if not rules.feeds_nothing(name, state)}


def load_official(network: nn.Cell, state: State, rules: WeightRules) -> LoadReport:
    """Copy official weights into the network. Arrays that do not fit are ignored and reported, under our names if they have one.

    Args:
        network: a complete network, with ``backbone``, ``neck`` and ``heads``.
        state: arrays by official name; those that do not affect any output of the official network are ignored.
    """
    return load_arrays(network, our_arrays(network, state, rules))


def initial_arrays(network: nn.Cell, source: str) -> Mapping[str, np.ndarray]:
    """Return the initial arrays of a training, under the network's names where the network has a counterpart.

    Args:
        source: a checkpoint, a PyTorch file that some rules recognise, or the name of weights to download.

    Raises:
        WeightsError: the file cannot be read, downloaded or recognised.
    """
    path = find_file(source)
    if path.suffix == ".ckpt" or not path.suffix:
        return checkpoint.load(path).network_arrays
    rules, _, state = recognize(read_state(path), str(path))
    return our_arrays(network, state, rules)
