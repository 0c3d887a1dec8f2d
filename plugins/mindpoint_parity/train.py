"""Replay of ``train.json`` and ``train_batch.npz``: losses, gradients and weights of the seeded network over a few updates on one batch.

The network is the same as in training. Rounding errors grow tenfold with every update, so losses after updates differ from run to run. The
check uses the median of a few runs whose weights differ by one rounding. With MindSpore's batch normalisation (without a compiler), the
centre heatmap's loss is 0.8 % too low after four updates, because it sums a channel's pixels one by one in float32.
"""

from __future__ import annotations

import contextlib
import json
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

import mindspore as ms
import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint.runtime import device

from mindpoint_parity.reference import Reference
from mindpoint_parity.replay import Replay, Setting

SMALL_SUMS = ("off_loss", "hp_offset_loss")  # losses over few points, so one rounding weighs more
UNUSED = 1e-6  # smaller gradients are only rounding errors, such as that of a bias before a batch normalisation
RUNS = 3
USUAL = Setting()
DENSE_POSES = Setting(loss={"dense": True})
BOX_OPTIONS = {
    "dense_wh": Setting(targets={"dense_wh": "dense_wh", "dense_wh_mask": "dense_wh_mask"}),
    "mse_loss": Setting(loss={"center_loss": "mse"}, targets={"hm": "mse_hm"}),
    "reg_loss_sl1": Setting(loss={"regression": "smooth_l1"}),
    "norm_wh": USUAL,  # has no effect in the reference
    "not_reg_offset": Setting(heads={"reg": 0}),
}


def check(reference: Reference) -> List[Comparison]:
    """Compare trainings, including those with the reference's other kinds of regression and loss; every error is relative."""
    device.setup("auto", seed=0)
    expected = json.loads((reference.golden / "train.json").read_text())
    rows: List[Comparison] = []
    trainings = _trainings(reference, expected)
    for setting in {id(setting): setting for setting, _ in trainings.values()}.values():
        kinds = {kind: values for kind, (own, values) in trainings.items() if own is setting}
        with _compiled(any(len(values["losses"]) > 1 for values in kinds.values())):
            replay = Replay(reference, expected["loss_weights"], setting)  # compiled at most once for all trainings with this setting
            for kind, values in kinds.items():
                rows += _check_kind(replay, kind, values, reference)
    return rows


@contextlib.contextmanager
def _compiled(wanted: bool) -> Iterator[None]:
    """Compile cells that are made and run within the block if ``wanted``. Otherwise run their operators one by one, which gives the same
    numbers and is faster for a single step. MindSpore decides about gradients when their function is made."""
    before = ms.get_context("mode")
    ms.set_context(mode=ms.GRAPH_MODE if wanted else ms.PYNATIVE_MODE)
    try:
        yield
    finally:
        ms.set_context(mode=before)


def _trainings(reference: Reference, expected: Mapping) -> Dict[str, Tuple[Setting, Mapping]]:
    """Return the settings and the numbers of each stored training by name."""
    trainings = {"sparse": (USUAL, expected["sparse"])}
    if "dense" in expected:
        trainings["dense"] = (DENSE_POSES, expected["dense"])
    by_class = Setting(heads={"wh": 2 * len(reference.config.classes)}, targets={"wh": "cat_spec_wh", "wh_mask": "cat_spec_mask"})
    for name, values in expected.get("options_step0", {}).items():
        setting = {**BOX_OPTIONS, "cat_spec_wh": by_class}[name]
        trainings[name] = (setting, {**values, "losses": [values["losses"]]})
    return trainings


def _check_kind(replay: Replay, kind: str, expected: Mapping, reference: Reference) -> List[Comparison]:
    updates = len(expected["losses"])
    steps = replay.run(updates)
    first = next(steps)
    rows = _loss_rows(kind, 0, first, expected["losses"][0], reference)
    if "grad_l2_step0" in expected:
        rows += _gradient_rows(kind, replay.gradient_norms(), expected["grad_l2_step0"], reference)
    if "grad_l2_step0_heads" in expected:
        norms, heads = replay.gradient_norms(), expected["grad_l2_step0_heads"]
        error = max(_relative(norms.get(name, np.nan), norm) for name, norm in heads.items())
        rows.append(Comparison("train", f"{kind}/gradients of heads, largest", error, reference.tolerance("train", "gradients of heads")))
    runs = [[first, *steps]]
    if expected.get("param_l2_after") is not None:
        rows.append(_weights_row(kind, replay.weights(), expected, reference.tolerance("train", "weights after updates")))
    if updates > 1:
        runs += [list(replay.run(updates, perturbation)) for perturbation in range(1, RUNS)]
        for number in range(1, updates):
            median = {name: float(np.median([run[number][name] for run in runs])) for name in expected["losses"][number]}
            rows += _loss_rows(kind, number, median, expected["losses"][number], reference)
    return rows


def _relative(value: float, expected: float) -> float:
    return abs(value - expected) / max(abs(expected), UNUSED)


def _loss_rows(
    kind: str, number: int, losses: Mapping[str, float], expected: Mapping[str, float], reference: Reference
) -> List[Comparison]:
    """Compare losses by name; missing ones count as 0."""
    rows = []
    for name, value in expected.items():
        quantity = ("losses of offsets" if name in SMALL_SUMS else "losses") + (" after updates" if number else "")
        error = _relative(losses.get(name, 0.0), value)
        rows.append(Comparison("train", f"{kind}/{name} after {number} updates", error, reference.tolerance("train", quantity)))
    return rows


def _gradient_rows(
    kind: str, norms: Mapping[str, float], expected: Mapping[str, Optional[float]], reference: Reference
) -> List[Comparison]:
    errors = [_relative(norms.get(name, np.nan), norm) for name, norm in expected.items() if norm is not None and norm > UNUSED]
    unused = max((norms.get(name, 0.0) for name, norm in expected.items() if norm is None or norm <= UNUSED), default=0.0)
    measures = {"median gradient": 50, "95th percentile of gradients": 95, "largest gradient": 100}
    values = {**{name: float(np.percentile(errors, percent)) for name, percent in measures.items()}, "unused gradient": unused}
    return [Comparison("train", f"{kind}/{name}", value, reference.tolerance("train", name)) for name, value in values.items()]


def _weights_row(kind: str, arrays: Mapping[str, np.ndarray], expected: Mapping, tolerance: float) -> Comparison:
    """Compare the norms of all tensors except counters, biases whose gradient is rounding noise, and unused modules."""
    gradients = expected["grad_l2_step0"]
    unused = {name.rpartition(".")[0] for name, norm in gradients.items() if norm is None}
    errors = [
        _relative(np.linalg.norm(arrays[name]) if name in arrays else np.nan, norm)
        for name, norm in expected["param_l2_after"].items()
        if name.rpartition(".")[0] not in unused and not name.endswith("num_batches_tracked") and gradients.get(name, 1.0) > UNUSED
    ]
    return Comparison("train", f"{kind}/norms after {len(expected['losses'])} updates, largest", float(np.max(errors)), tolerance)
