"""The detection loss against the same sums in numpy."""

import mindspore as ms
import numpy as np
import pytest
from mindpoint.errors import ConfigError
from mindpoint_centernet.losses.detection import DetectionLoss

RNG = np.random.default_rng(8)
BATCH, CLASSES, SIZE, SLOTS = 2, 3, 6, 4


def example(sizes):
    """Random maps, and targets with five objects, two of them in one pixel; ``sizes``: ``plain``, ``class`` or ``dense``."""
    heat = RNG.uniform(0, 0.9, (BATCH, CLASSES, SIZE, SIZE)).astype(np.float32)
    index = RNG.integers(0, SIZE * SIZE, (BATCH, SLOTS)).astype(np.int32)
    index[0, 1] = index[0, 0]
    mask = np.array([[1, 1, 1, 0], [1, 0, 1, 0]], np.float32)
    labels = RNG.integers(0, CLASSES, (BATCH, SLOTS))
    for image, slot in zip(*np.nonzero(mask)):
        heat[image, labels[image, slot]].reshape(-1)[index[image, slot]] = 1
    width = 2 * CLASSES if sizes == "class" else 2
    targets = {"hm": heat, "ind": index, "reg_mask": mask, "reg": RNG.uniform(0, 1, (BATCH, SLOTS, 2)).astype(np.float32)}
    if sizes == "dense":
        targets["dense_wh"] = RNG.uniform(1, 9, (BATCH, 2, SIZE, SIZE)).astype(np.float32)
        targets["dense_wh_mask"] = np.repeat(heat.max(axis=1, keepdims=True), 2, axis=1)
    else:
        targets["wh"] = RNG.uniform(1, 9, (BATCH, SLOTS, width)).astype(np.float32)
    if sizes == "class":
        targets["wh_mask"] = (np.repeat(np.arange(CLASSES), 2) == labels[..., None]) * mask[..., None].astype(np.float32)
    maps = {"hm": CLASSES, "wh": width, "reg": 2}
    return {name: RNG.standard_normal((BATCH, count, SIZE, SIZE)).astype(np.float32) for name, count in maps.items()}, targets


def expected(outputs, targets, regression, center_loss):
    p = np.clip(1 / (1 + np.exp(-outputs["hm"].astype(np.float64))), 1e-4, 1 - 1e-4)
    centre, heat = targets["hm"] == 1, targets["hm"]
    hm = -np.where(centre, (1 - p) ** 2 * np.log(p), (1 - heat) ** 4 * p**2 * np.log(1 - p)).sum() / centre.sum()

    if center_loss == "mse":
        hm = ((outputs["hm"].astype(np.float64) - heat) ** 2).mean()

    def distance(name, mask, regression=regression):
        flat = outputs[name].astype(np.float64).reshape(BATCH, -1, SIZE * SIZE)
        found = np.stack([flat[image][:, targets["ind"][image]].T for image in range(BATCH)])
        gap = np.abs(found - targets[name])
        if regression == "smooth_l1":
            gap = np.where(gap < 1, gap**2 / 2, gap - 0.5)
        return (gap * mask).sum() / ((2 if regression == "l1" else 1) * targets["reg_mask"].sum() + 1e-4)

    mask = targets["reg_mask"][..., None]
    off = distance("reg", mask)
    if "dense_wh" in targets:
        weight = targets["dense_wh_mask"].astype(np.float64)
        wh = (np.abs(outputs["wh"].astype(np.float64) - targets["dense_wh"]) * weight).sum() / (weight.sum() + 1e-4)
    elif "wh_mask" in targets:
        wh = distance("wh", targets["wh_mask"], "l1")
    else:
        wh = distance("wh", mask)
    return {"hm_loss": hm, "wh_loss": wh, "off_loss": off}, hm + 0.1 * wh + off


@pytest.mark.slow
@pytest.mark.parametrize("center_loss", ["focal", "mse"])
@pytest.mark.parametrize("regression", ["l1", "smooth_l1"])
@pytest.mark.parametrize("sizes", ["plain", "class", "dense"])
def test_terms_and_total(sizes, regression, center_loss):
    outputs, targets = example(sizes)
    loss = DetectionLoss(center_loss=center_loss, regression=regression, maps=tuple(outputs), targets=tuple(targets))
    tensors = {name: ms.Tensor(value) for name, value in targets.items()}
    total, terms = loss({name: ms.Tensor(value) for name, value in outputs.items()}, tensors, loss.count_normalizers(tensors))
    wanted, sum_of_all = expected(outputs, targets, regression, center_loss)
    assert list(terms) == list(wanted)
    for name, value in wanted.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-5), name
    assert float(total) == pytest.approx(sum_of_all, rel=1e-5)


def test_without_offsets():
    """No head gives them, so the term is left out and its targets are not needed."""
    outputs, targets = example("plain")
    outputs, targets = ({name: value for name, value in each.items() if name != "reg"} for each in (outputs, targets))
    loss = DetectionLoss(maps=tuple(outputs), targets=tuple(targets))
    assert loss.needs_targets == ("hm", "wh", "ind", "reg_mask")
    tensors = {name: ms.Tensor(value) for name, value in targets.items()}
    total, terms = loss({name: ms.Tensor(value) for name, value in outputs.items()}, tensors, loss.count_normalizers(tensors))
    assert float(total) == pytest.approx(float(terms["hm_loss"]) + 0.1 * float(terms["wh_loss"]), rel=1e-6) and len(terms) == 2


def test_unknown_loss():
    with pytest.raises(ConfigError, match="center_loss 'l2' is neither 'focal' nor 'mse'"):
        DetectionLoss(center_loss="l2")
