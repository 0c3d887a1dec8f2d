"""The detection loss against the same sums in numpy."""

import mindspore as ms
import numpy as np
import pytest
from mindpoint_centernet.losses.detection import DetectionLoss

RNG = np.random.default_rng(8)
BATCH, CLASSES, SIZE, SLOTS = 2, 3, 6, 4


def example(class_sizes):
    """Random maps, and targets with five objects, two of them in one pixel."""
    heat = RNG.uniform(0, 0.9, (BATCH, CLASSES, SIZE, SIZE)).astype(np.float32)
    index = RNG.integers(0, SIZE * SIZE, (BATCH, SLOTS)).astype(np.int32)
    index[0, 1] = index[0, 0]
    mask = np.array([[1, 1, 1, 0], [1, 0, 1, 0]], np.float32)
    labels = RNG.integers(0, CLASSES, (BATCH, SLOTS))
    for image, slot in zip(*np.nonzero(mask)):
        heat[image, labels[image, slot]].reshape(-1)[index[image, slot]] = 1
    width = 2 * CLASSES if class_sizes else 2
    targets = {"hm": heat, "ind": index, "reg_mask": mask, "reg": RNG.uniform(0, 1, (BATCH, SLOTS, 2)).astype(np.float32)}
    targets["wh"] = RNG.uniform(1, 9, (BATCH, SLOTS, width)).astype(np.float32)
    if class_sizes:
        targets["wh_mask"] = (np.repeat(np.arange(CLASSES), 2) == labels[..., None]) * mask[..., None].astype(np.float32)
    maps = {"hm": CLASSES, "wh": width, "reg": 2}
    return {name: RNG.standard_normal((BATCH, count, SIZE, SIZE)).astype(np.float32) for name, count in maps.items()}, targets


def expected(outputs, targets, regression):
    p = np.clip(1 / (1 + np.exp(-outputs["hm"].astype(np.float64))), 1e-4, 1 - 1e-4)
    centre, heat = targets["hm"] == 1, targets["hm"]
    hm = -np.where(centre, (1 - p) ** 2 * np.log(p), (1 - heat) ** 4 * p**2 * np.log(1 - p)).sum() / centre.sum()

    def distance(name, mask):
        flat = outputs[name].astype(np.float64).reshape(BATCH, -1, SIZE * SIZE)
        found = np.stack([flat[image][:, targets["ind"][image]].T for image in range(BATCH)])
        gap = np.abs(found - targets[name])
        if regression == "smooth_l1":
            gap = np.where(gap < 1, gap**2 / 2, gap - 0.5)
        return (gap * mask).sum() / ((2 if regression == "l1" else 1) * targets["reg_mask"].sum() + 1e-4)

    mask = targets["reg_mask"][..., None]
    wh, off = distance("wh", targets.get("wh_mask", mask)), distance("reg", mask)
    return {"hm_loss": hm, "wh_loss": wh, "off_loss": off}, hm + 0.1 * wh + off


@pytest.mark.parametrize("regression", ["l1", "smooth_l1"])
@pytest.mark.parametrize("class_sizes", [False, True])
def test_terms_and_total(class_sizes, regression):
    outputs, targets = example(class_sizes)
    loss = DetectionLoss(regression=regression, maps=tuple(outputs), targets=tuple(targets))
    tensors = {name: ms.Tensor(value) for name, value in targets.items()}
    total, terms = loss({name: ms.Tensor(value) for name, value in outputs.items()}, tensors, loss.count_normalizers(tensors))
    wanted, sum_of_all = expected(outputs, targets, regression)
    assert list(terms) == list(wanted)
    for name, value in wanted.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-5), name
    assert float(total) == pytest.approx(sum_of_all, rel=1e-5)
