"""Replay of ``train.json`` and ``train_batch.npz``: losses, gradients and weights of the seeded network over a few updates on one batch.

Everything comes from the network as a training has it. Rounding grows tenfold with every update, so losses after updates differ from run
to run: the median of a few counts, whose weights differ by one rounding. Where batch normalisation is MindSpore's for lack of a compiler,
the centre heatmap's loss comes out 0.8 % low after four updates, for it adds up a channel's pixels one after the other in float32.
"""

from __future__ import annotations

import json
from typing import List, Mapping, Optional

import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint.runtime import device

from mindpoint_parity.reference import Reference
from mindpoint_parity.replay import Replay

SMALL_SUMS = ("off_loss", "hp_offset_loss")  # over few points, so one rounding weighs more
UNUSED = 1e-6  # a gradient below it is rounding alone, such as that of a bias in front of a batch normalisation
RUNS = 5
Tolerances = Mapping[str, float]


def check(reference: Reference) -> List[Comparison]:
    """Compare trainings with both kinds of pose regression; every error is relative."""
    device.setup("auto", seed=0)
    expected = json.loads((reference.golden / "train.json").read_text())
    tolerances = reference.tolerances["train"]
    rows: List[Comparison] = []
    for kind in ("sparse", "dense"):
        rows += _check_kind(Replay(reference.golden, kind == "dense", expected["loss_weights"]), kind, expected[kind], tolerances)
    return rows


def _check_kind(replay: Replay, kind: str, expected: Mapping, tolerances: Tolerances) -> List[Comparison]:
    updates = len(expected["losses"])
    steps = replay.run(updates)
    first = next(steps)
    rows = _loss_rows(kind, 0, first, expected["losses"][0], tolerances)
    rows += _gradient_rows(kind, replay.gradient_norms(), expected["grad_l2_step0"], tolerances)
    runs = [[first, *steps]]
    if expected["param_l2_after"] is not None:
        rows.append(_weights_row(kind, replay.weights(), expected, tolerances["weights after updates"]))
    if updates > 1:
        runs += [list(replay.run(updates, perturbation)) for perturbation in range(1, RUNS)]
        for number in range(1, updates):
            median = {name: float(np.median([run[number][name] for run in runs])) for name in expected["losses"][number]}
            rows += _loss_rows(kind, number, median, expected["losses"][number], tolerances)
    return rows


def _relative(value: float, expected: float) -> float:
    return abs(value - expected) / max(abs(expected), UNUSED)


def _loss_rows(
    kind: str, number: int, losses: Mapping[str, float], expected: Mapping[str, float], tolerances: Tolerances
) -> List[Comparison]:
    rows = []
    for name, value in expected.items():
        quantity = ("losses of offsets" if name in SMALL_SUMS else "losses") + (" after updates" if number else "")
        rows.append(Comparison("train", f"{kind}/{name} after {number} updates", _relative(losses[name], value), tolerances[quantity]))
    return rows


def _gradient_rows(
    kind: str, norms: Mapping[str, float], expected: Mapping[str, Optional[float]], tolerances: Tolerances
) -> List[Comparison]:
    errors = [_relative(norms.get(name, np.nan), norm) for name, norm in expected.items() if norm is not None and norm > UNUSED]
    unused = max((norms.get(name, 0.0) for name, norm in expected.items() if norm is None or norm <= UNUSED), default=0.0)
    measures = {"median gradient": 50, "95th percentile of gradients": 95, "largest gradient": 100}
    rows = [
        Comparison("train", f"{kind}/{name}", float(np.percentile(errors, percent)), tolerances[name]) for name, percent in measures.items()
    ]
    return rows + [Comparison("train", f"{kind}/unused gradient", unused, tolerances["unused gradient"])]


def _weights_row(kind: str, arrays: Mapping[str, np.ndarray], expected: Mapping, tolerance: float) -> Comparison:
    """Compare the norms of all tensors but counters, biases whose gradient is rounding, and modules that no output depends on."""
    gradients = expected["grad_l2_step0"]
    unused = {name.rpartition(".")[0] for name, norm in gradients.items() if norm is None}
    errors = [
        _relative(np.linalg.norm(arrays[name]) if name in arrays else np.nan, norm)
        for name, norm in expected["param_l2_after"].items()
        if name.rpartition(".")[0] not in unused and not name.endswith("num_batches_tracked") and gradients.get(name, 1.0) > UNUSED
    ]
    return Comparison("train", f"{kind}/norms after {len(expected['losses'])} updates, largest", float(np.max(errors)), tolerance)
