"""A few training updates of a seeded network on the golden batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, Mapping

import mindspore as ms
import numpy as np
from mindpoint.optim.optimizers import Adam
from mindpoint.training.step import TrainStep
from mindpoint_centernet.losses.detection import DetectionLoss
from mindpoint_centernet.losses.multi_pose import MultiPoseLoss
from mindspore import nn, ops

from mindpoint_parity.network import official_network, recognized
from mindpoint_parity.reference import Reference
from mindpoint_parity.seeded import golden_state, seeded_state

LEARNING_RATE = 1.25e-4
LOSSES = {"multi_pose": MultiPoseLoss, "ctdet": DetectionLoss}


@dataclass(frozen=True)
class Setting:
    """The settings of a training of the reference that differ from its default training.

    Attributes:
        loss: further arguments of our loss, by name.
        heads: changed numbers of channels of heads, by name; 0 leaves the head out.
        targets: the reference's names of targets, by our names.
    """

    loss: Mapping[str, object] = field(default_factory=dict)
    heads: Mapping[str, int] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)


class ReplayStep(nn.Cell):
    """A training step that also returns the gradients' norms.

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
    """The seeded network on the golden batch.

    Args:
        loss_weights: factor of each term by its official name.
    """

    def __init__(self, reference: Reference, loss_weights: Mapping[str, float], setting: Setting):
        state = start_state(reference.golden, setting.heads)
        self.rules = recognized(state).rules
        network = official_network(state).set_train()
        batch = read_batch(reference.golden, len(reference.config.classes))
        targets = {**batch, **{ours: batch[theirs] for ours, theirs in setting.targets.items()}}
        given = ("hm", "wh", "reg", "ind", "reg_mask", *setting.targets)
        weights = {f"{term}_weight": weight for term, weight in loss_weights.items()}
        loss = LOSSES[reference.task](maps=network.maps, targets=given, **weights, **setting.loss)
        self.step = TrainStep(network, {"all": loss}, Adam(network.trainable_params(), LEARNING_RATE), loss.needs_targets)
        self.cell = ReplayStep(self.step)
        self.inputs = [ms.Tensor(targets[name]) for name in ("input", *self.step.target_names)]
        self.start = {p.name: p.asnumpy().copy() for p in self.cell.get_parameters()}

    def run(self, updates: int, perturbation: int = 0) -> Iterator[Dict[str, float]]:
        """Yield the losses by name before each update. ``perturbation``: seed of the weights' random rounding, 0 to disable it."""
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
        return {self.rules.official_name(p.name): float(norm.asnumpy()) for p, norm in zip(self.step.optimizer.parameters, self.norms)}

    def weights(self) -> Dict[str, np.ndarray]:
        """Return all current weights, by official name."""
        return {self.rules.official_name(p.name): p.asnumpy().astype(np.float64) for p in self.step.network.get_parameters()}


def start_state(golden: Path, heads: Mapping[str, int]) -> Dict[str, np.ndarray]:
    """Return the seeded weights with the changes that keep the numbers well conditioned; ``heads`` as in :class:`Setting`."""
    state = golden_state(golden)
    for head, channels in heads.items():
        lasts = {f"{head}.2.weight", f"{head}.2.bias"}
        state.update(seeded_state((name, (channels, *state[name].shape[1:])) for name in lasts))
    state = {name: value for name, value in state.items() if heads.get(name.split(".")[0]) != 0}
    for name, value in state.items():
        if "conv_offset_mask" in name:
            state[name] = value * np.float32(0.1)
        elif not name.startswith(("base.", "dla_up.", "ida_up.")) and name.endswith(".2.weight"):
            state[name] = value * np.float32(0.05)
        elif name in ("hm.2.bias", "hm_hp.2.bias"):
            state[name] = np.full_like(value, -2.19)
    return state


def read_batch(golden: Path, classes: int) -> Dict[str, np.ndarray]:
    """Return the golden batch, with sparse arrays expanded."""
    with np.load(golden / "train_batch.npz") as file:
        stored = dict(file)
    images, _, height, width = stored["input"].shape
    pixels, slots = (height // 4, width // 4), stored["ind"].shape[1]
    shapes = {
        **dict.fromkeys(("hm", "mse_hm"), (images, classes, *pixels)),
        **dict.fromkeys(("dense_wh", "dense_wh_mask"), (images, 2, *pixels)),
        **dict.fromkeys(("cat_spec_wh", "cat_spec_mask"), (images, slots, 2 * classes)),
    }
    batch = {name: values for name, values in stored.items() if not name.endswith(("_index", "_value"))}
    for name in (name[: -len("_index")] for name in stored if name.endswith("_index")):
        batch[name] = np.zeros(shapes[name], np.float32)
        batch[name].flat[stored[f"{name}_index"]] = stored.get(f"{name}_value", 1)
    return batch
