"""The seeded network on the golden batch: a few updates, as a training does them."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Iterator, Mapping

import mindspore as ms
import numpy as np
from mindpoint.optim.optimizers import Adam
from mindpoint.training.step import TrainStep
from mindpoint_centernet.losses.multi_pose import MultiPoseLoss
from mindpoint_centernet.weights.dla import DLARules
from mindspore import nn, ops

from mindpoint_parity.network import official_network
from mindpoint_parity.seeded import golden_state

LEARNING_RATE = 1.25e-4


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
        """Yield the losses by name before each update. ``perturbation``: number of the weights' random rounding, 0 for none."""
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
        """Return the norm of each gradient of the last step, by official name."""
        return {DLARules().official_name(p.name): float(norm.asnumpy()) for p, norm in zip(self.step.optimizer.parameters, self.norms)}

    def weights(self) -> Dict[str, np.ndarray]:
        """Return all weights as they are now, by official name."""
        return {DLARules().official_name(p.name): p.asnumpy().astype(np.float64) for p in self.step.network.get_parameters()}


def start_state(golden: Path) -> Dict[str, np.ndarray]:
    """Return the seeded weights with the changes that keep the numbers well conditioned."""
    state = golden_state(golden)
    for name, value in state.items():
        if "conv_offset_mask" in name:
            state[name] = value * np.float32(0.1)
        elif not name.startswith(("base.", "dla_up.", "ida_up.")) and name.endswith(".2.weight"):
            state[name] = value * np.float32(0.05)
        elif name in ("hm.2.bias", "hm_hp.2.bias"):
            state[name] = np.full_like(value, -2.19)
    return state
