"""Replay of ``network*.npz``: raw outputs of the seeded networks, of each stack, in inference mode."""

from __future__ import annotations

import json
from typing import List, Mapping, NamedTuple

import mindspore as ms
import numpy as np
from mindpoint.config import Config
from mindpoint.contracts.comparison import Comparison
from mindpoint.contracts.weights import WeightRules
from mindpoint.errors import WeightsError
from mindpoint.model.network import Network, build_network
from mindpoint.model.translate import load_official, recognize
from mindpoint.native.accelerate import accelerate
from mindpoint.runtime import device
from mindspore.nn.utils import no_init_parameters

from mindpoint_parity.reference import Reference
from mindpoint_parity.seeded import golden_state

INPUT = (1, 3, 256, 256)


class Recognized(NamedTuple):
    """Our configuration for official weights, and the rules of their names."""

    config: Config
    rules: WeightRules


def recognized(state: Mapping[str, np.ndarray]) -> Recognized:
    """Return the network that ``mindpoint weights convert`` recognises in these weights (arrays by official name)."""
    found = recognize(state, "the reference's weights")
    return Recognized(Config.from_text(json.dumps(found.weights.config), "the reference's network", trusted=True), found.rules)


def official_network(state: Mapping[str, np.ndarray]) -> Network:
    """Return the network of these weights (arrays by official name), with the weights loaded.

    Raises:
        WeightsError: the network differs from the official one: weights are missing, superfluous or of other shapes.
    """
    config, rules = recognized(state)
    with no_init_parameters():
        network = build_network(config)
    accelerate(network)
    report = load_official(network, state, rules)
    ours = {rules.official_name(p.name): np.broadcast_to(np.float32(0), p.shape) for p in network.get_parameters()}
    names = {name: value.shape for name, value in {**ours, **rules.unused_arrays(ours)}.items()}
    theirs = {name: value.shape for name, value in state.items()}
    if not report.complete or report.unexpected or names != theirs:
        different = ", ".join(sorted({name for name, _ in names.items() ^ theirs.items()})[:5])
        raise WeightsError(
            f"these weights are not those of the official network: {report}; names or shapes that differ: {different or 'none'}"
        )
    return network


def check(reference: Reference) -> List[Comparison]:
    """Compare each map of each network by the largest absolute difference."""
    device.setup("auto", seed=0)
    return [row for variant in reference.variants for row in _check_variant(reference, variant)]


def _check_variant(reference: Reference, variant: str) -> List[Comparison]:
    expected = dict(np.load(reference.golden / (f"network-{variant}.npz" if variant else "network.npz")))
    generator = np.random.Generator(np.random.PCG64(expected.pop("seed").tolist()))
    image = generator.standard_normal(INPUT).astype(np.float32)
    network = official_network(golden_state(reference.golden, variant))
    network.set_train()  # returns the maps of all stacks
    for part in network.cells():
        part.set_train(False)
    stacks = len(network.stacks) + 1
    names = [f"stack{stack}/{name}" if stacks > 1 else name for stack in range(stacks) for name in network.maps]
    with device.operator_by_operator():
        outputs = dict(zip(names, network(ms.Tensor(image))))
    rows = []
    for name, value in expected.items():
        case = "/".join(filter(None, (variant, name)))
        tolerance = reference.tolerance("network", case.rpartition("/")[0] or "maps")
        rows.append(Comparison("network", case, float(np.abs(outputs[name].asnumpy() - value).max()), tolerance))
    return rows
