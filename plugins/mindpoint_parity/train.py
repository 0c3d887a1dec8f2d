"""Replay of ``train.json`` and ``train_batch.npz``: losses, gradients and weights of the seeded network over a few updates on one batch.

Everything comes from the network as a training has it. Rounding grows tenfold with every update, so losses after updates differ from run
to run: the median of a few counts, whose weights differ by one rounding. Where batch normalisation is MindSpore's for lack of a compiler,
the centre heatmap's loss comes out 0.8 % low after four updates, for it adds up a channel's pixels one after the other in float32.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional

import mindspore as ms
import numpy as np
from mindspore import nn, ops

from mindpoint.train.step import TrainStep
from mindpoint.optim.optimizers import Adam
from mindpoint.runtime import device
from mindpoint_centernet.losses.multi_pose import MultiPoseLoss
from mindpoint_parity.network import official_network
from mindpoint_parity.comparison import Comparison
from mindpoint_parity.seeded import golden_state
from mindpoint_centernet.weights.official import to_official

LEARNING_RATE = 1.25e-4
SMALL_SUMS = ("off_loss", "hp_offset_loss")  # over few points, so one rounding weighs more
UNUSED = 1e-6  # a gradient below it is rounding alone, such as that of a bias in front of a batch normalisation
RUNS = 5


class ReplayStep(nn.Cell):
    """A training step that tells the gradients' norms too.

    ``construct(image, *targets) -> ((total, *terms), L2 norm of each gradient)``.
    """

    def __init__(self, step: TrainStep):
        super().__init__(auto_prefix=False)
        self.step = step

    def construct(self, image, *targets):
        (_, values), gradients = self.step.value_and_grad(image, *targets)
        norms = ()
        for gradient in gradients:
            norms = norms + (ops.sqrt((gradient**2).sum()),)
        return values, ops.depend(norms, self.step.optimizer(gradients))


class Replay:
    """The seeded network on the golden batch."""

    def __init__(self, golden: Path, dense: bool, loss_weights: Mapping[str, float]):
        network = official_network(start_state(golden)).set_train()
        loss = MultiPoseLoss(dense=dense, maps=network.maps, **{f"{term}_weight": weight for term, weight in loss_weights.items()})
        self.step = TrainStep(network, {"pose": loss}, Adam(network.trainable_params(), LEARNING_RATE), loss.needs_targets)
        self.cell = ReplayStep(self.step)
        batch = np.load(golden / "train_batch.npz")
        self.inputs = [ms.Tensor(batch[name]) for name in ("input", *self.step.target_names)]
        self.start = {p.name: p.asnumpy().copy() for p in self.cell.get_parameters()}

    def run(self, updates: int, perturbation: int = 0) -> Iterator[Dict[str, float]]:
        """Losses by name before each update. ``perturbation``: number of the weights' random rounding, 0 for none."""
        rng = np.random.default_rng(perturbation)
        trained = {p.name for p in self.step.optimizer.parameters}
        for p in self.cell.get_parameters():
            value = self.start[p.name]
            if perturbation and p.name in trained:
                value = (value * (1 + 2**-24 * rng.standard_normal(value.shape))).astype(np.float32)
            p.set_data(ms.Tensor(value))
        for _ in range(updates):
            values, self.norms = self.cell(*self.inputs)
            yield {name: float(value.asnumpy()) for name, value in zip(("loss", *self.step.terms), values)}

    def gradient_norms(self) -> Dict[str, float]:
        """Of the last step, by official name."""
        return {to_official(p.name): float(norm.asnumpy()) for p, norm in zip(self.step.optimizer.parameters, self.norms)}

    def weights(self) -> Dict[str, np.ndarray]:
        """As they are now, by official name."""
        return {to_official(p.name): p.asnumpy().astype(np.float64) for p in self.step.network.get_parameters()}


def start_state(golden: Path) -> Dict[str, np.ndarray]:
    """The seeded weights with the changes that keep the numbers well conditioned."""
    state = golden_state(golden)
    for name, value in state.items():
        if "conv_offset_mask" in name:
            state[name] = value * np.float32(0.1)
        elif not name.startswith(("base.", "dla_up.", "ida_up.")) and name.endswith(".2.weight"):
            state[name] = value * np.float32(0.05)
        elif name in ("hm.2.bias", "hm_hp.2.bias"):
            state[name] = np.full_like(value, -2.19)
    return state


def check(golden: Path) -> List[Comparison]:
    """Rows of both kinds of pose regression; every error is relative."""
    device.setup("auto", seed=0)
    expected = json.loads((golden / "train.json").read_text())
    return [row for kind in ("sparse", "dense") for row in _check_kind(golden, kind, expected[kind], expected["loss_weights"])]


def _check_kind(golden: Path, kind: str, expected: Mapping, loss_weights: Mapping[str, float]) -> List[Comparison]:
    updates = len(expected["losses"])
    replay = Replay(golden, kind == "dense", loss_weights)
    steps = replay.run(updates)
    first = next(steps)
    rows = _loss_rows(kind, 0, first, expected["losses"][0])
    rows += _gradient_rows(kind, replay.gradient_norms(), expected["grad_l2_step0"])
    runs = [[first, *steps]]
    if expected["param_l2_after"] is not None:
        rows.append(_weights_row(kind, replay.weights(), expected))
    if updates > 1:
        runs += [list(replay.run(updates, perturbation)) for perturbation in range(1, RUNS)]
        for number in range(1, updates):
            median = {name: float(np.median([run[number][name] for run in runs])) for name in expected["losses"][number]}
            rows += _loss_rows(kind, number, median, expected["losses"][number])
    return rows


def _relative(value: float, expected: float) -> float:
    return abs(value - expected) / max(abs(expected), UNUSED)


def _loss_rows(kind: str, number: int, losses: Mapping[str, float], expected: Mapping[str, float]) -> List[Comparison]:
    ordinary, small_sums = (1e-3, 5e-3) if number == 0 else (0.01, 0.2)
    return [
        Comparison(
            "train", f"{kind}/{name} after {number} updates", _relative(losses[name], value), small_sums if name in SMALL_SUMS else ordinary
        )
        for name, value in expected.items()
    ]


def _gradient_rows(kind: str, norms: Mapping[str, float], expected: Mapping[str, Optional[float]]) -> List[Comparison]:
    errors = [_relative(norms.get(name, np.nan), norm) for name, norm in expected.items() if norm is not None and norm > UNUSED]
    unused = max((norms.get(name, 0.0) for name, norm in expected.items() if norm is None or norm <= UNUSED), default=0.0)
    measures = (("median", 50, 0.01), ("95th percentile", 95, 0.05), ("largest", 100, 0.25))
    rows = [Comparison("train", f"{kind}/gradient norms, {name}", float(np.percentile(errors, q)), tolerance) for name, q, tolerance in measures]
    return rows + [Comparison("train", f"{kind}/gradient norms of what is unused", unused, 1e-3)]


def _weights_row(kind: str, arrays: Mapping[str, np.ndarray], expected: Mapping) -> Comparison:
    """Of all tensors but counters, biases whose gradient is rounding, and modules that no output depends on."""
    gradients = expected["grad_l2_step0"]
    unused = {name.rpartition(".")[0] for name, norm in gradients.items() if norm is None}
    errors = [
        _relative(np.linalg.norm(arrays[name]) if name in arrays else np.nan, norm)
        for name, norm in expected["param_l2_after"].items()
        if name.rpartition(".")[0] not in unused and not name.endswith("num_batches_tracked") and gradients.get(name, 1.0) > UNUSED
    ]
    return Comparison("train", f"{kind}/norms after {len(expected['losses'])} updates, largest", float(np.max(errors)), 0.02)
