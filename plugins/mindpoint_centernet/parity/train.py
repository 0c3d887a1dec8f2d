"""Replay of ``train.json`` and ``train_batch.npz``: losses, gradients and weights of the seeded network over a few Adam updates on one batch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, List, Mapping, Optional

import mindspore as ms
import numpy as np
from mindspore import nn, ops

from mindpoint.engine.network import Network
from mindpoint.runtime import device
from mindpoint_centernet.losses.multi_pose import MultiPoseLoss
from mindpoint_centernet.parity.network import official_network
from mindpoint_centernet.parity.row import Row
from mindpoint_centernet.parity.seeded import golden_state
from mindpoint_centernet.weights.official import to_official

LEARNING_RATE = 1.25e-4
SMALL_SUMS = ("off_loss", "hp_offset_loss")  # over few points, so one rounding weighs more
UNUSED = 1e-6  # a gradient below it is rounding alone, such as that of a bias in front of a batch normalisation


class Step(nn.Cell):
    """``construct(image, targets) -> (total, terms, L2 norm of each gradient)`` before the update that it does."""

    def __init__(self, network: Network, loss: MultiPoseLoss):
        super().__init__(auto_prefix=False)
        self.network, self.loss = network, loss
        self.optimizer = nn.Adam(network.trainable_params(), LEARNING_RATE, 0.9, 0.999, 1e-8)
        self.value_and_grad = ops.value_and_grad(self.forward, None, self.optimizer.parameters, has_aux=True)

    def forward(self, image, targets):
        return self.loss(self.network(image), targets)

    def construct(self, image, targets):
        (total, terms), gradients = self.value_and_grad(image, targets)
        norms = ()
        for gradient in gradients:
            norms = norms + (ops.sqrt((gradient**2).sum()),)
        return total, terms, ops.depend(norms, self.optimizer(gradients))


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


def relative(value: float, expected: float) -> float:
    """|difference| relative to what was expected."""
    return abs(value - expected) / max(abs(expected), UNUSED)


def check(golden: Path) -> List[Row]:
    """Rows of both kinds of pose regression; every error is relative."""
    device.setup("auto", seed=0)
    expected = json.loads((golden / "train.json").read_text())
    batch = {name: ms.Tensor(value) for name, value in np.load(golden / "train_batch.npz").items()}
    weights = {f"{term}_weight": weight for term, weight in expected["loss_weights"].items()}
    state = start_state(golden)
    rows: List[Row] = []
    for kind in ("sparse", "dense"):
        network = official_network(state).set_train()
        step = Step(network, MultiPoseLoss(dense=kind == "dense", **weights))
        rows += _replay(kind, step, batch, expected[kind])
    return rows


def _replay(kind: str, step: Step, batch: Dict[str, ms.Tensor], expected: Mapping) -> List[Row]:
    targets = {name: value for name, value in batch.items() if name != "input"}
    rows: List[Row] = []
    first: Dict[str, float] = {}
    for number, losses in enumerate(expected["losses"]):
        total, terms, norms = step(batch["input"], targets)
        values = {name: float(value.asnumpy()) for name, value in {"loss": total, **terms}.items()}
        for name, loss in losses.items():
            tolerance = (5e-3 if name in SMALL_SUMS else 1e-3) if number == 0 else (0.2 if name in SMALL_SUMS else 0.01)
            rows.append(Row("train", f"{kind}/{name} after {number} updates", relative(values[name], loss), tolerance))
        if number == 0:
            first = {to_official(p.name): float(norm.asnumpy()) for p, norm in zip(step.optimizer.parameters, norms)}
    rows += _gradient_rows(kind, first, expected["grad_l2_step0"])
    if expected["param_l2_after"] is not None:
        arrays = {to_official(p.name): p.asnumpy() for p in step.network.get_parameters()}
        rows.append(_weights_row(kind, arrays, expected))
    return rows


def _gradient_rows(kind: str, norms: Dict[str, float], expected: Mapping[str, Optional[float]]) -> List[Row]:
    errors = [relative(norms.get(name, np.nan), norm) for name, norm in expected.items() if norm is not None and norm > UNUSED]
    unused = max((norms.get(name, 0.0) for name, norm in expected.items() if norm is None or norm <= UNUSED), default=0.0)
    measures = (("median", np.median(errors), 0.01), ("95th percentile", np.percentile(errors, 95), 0.05), ("largest", np.max(errors), 0.25))
    rows = [Row("train", f"{kind}/gradient norms, {name}", float(error), tolerance) for name, error, tolerance in measures]
    return rows + [Row("train", f"{kind}/gradient norms of what is unused", unused, 1e-3)]


def _weights_row(kind: str, arrays: Dict[str, np.ndarray], expected: Mapping) -> Row:
    """Of all tensors but counters, biases whose gradient is rounding, and modules that no output depends on."""
    gradients = expected["grad_l2_step0"]
    unused = {name.rpartition(".")[0] for name, norm in gradients.items() if norm is None}
    errors = [
        relative(float(np.linalg.norm(arrays[name].astype(np.float64))) if name in arrays else np.nan, norm)
        for name, norm in expected["param_l2_after"].items()
        if name.rpartition(".")[0] not in unused and not name.endswith("num_batches_tracked") and gradients.get(name, 1.0) > UNUSED
    ]
    return Row("train", f"{kind}/norms after {len(expected['losses'])} updates, largest", float(np.max(errors)), 0.02)
