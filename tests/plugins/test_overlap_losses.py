"""OKS and overlap of boxes as losses, against worked values and plain float64 formulas with their central differences."""

import functools

import mindspore as ms
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.errors import ConfigError
from mindpoint.runtime import device
from mindpoint_centernet.losses.iou import BoxIouLoss
from mindpoint_centernet.losses.oks import OksLoss
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.similarity import oks
from test_losses import Gradients

J, SIZE, SLOTS = 3, 6, 4
JOINTS = Keypoints([f"joint{number}" for number in range(J)], sigmas=(0.03, 0.06, 0.1))


@pytest.fixture(scope="module", autouse=True)
def graph_mode():
    device.setup("CPU", seed=0)


def example(objects=3):
    """Maps and targets of two images: so many objects in the first, one less in the second; joints and boxes somewhat off."""
    rng = np.random.default_rng(2)
    targets = {
        "ind": np.stack([rng.permutation(SIZE * SIZE)[:SLOTS] for _ in range(2)]).astype(np.int32),
        "wh": rng.uniform(3, 9, (2, SLOTS, 2)).astype(np.float32),
        "reg": rng.uniform(0, 1, (2, SLOTS, 2)).astype(np.float32),
        "hps": rng.normal(size=(2, SLOTS, 2 * J)).astype(np.float32),
        "reg_mask": np.zeros((2, SLOTS), np.float32),
        "hps_mask": np.zeros((2, SLOTS, 2 * J), np.float32),
    }
    for image in range(2):
        targets["reg_mask"][image, : max(objects - image, 0)] = 1
        for slot in range(max(objects - image, 0)):
            targets["hps_mask"][image, slot, : 2 * (slot + 1)] = 1
    targets["wh"][targets["reg_mask"] == 0] = 0
    outputs = {name: rng.normal(size=(2, count, SIZE, SIZE)).astype(np.float32) for name, count in (("hps", 2 * J), ("wh", 2), ("reg", 2))}
    for name, noise in (("hps", 0.4), ("wh", 1.0), ("reg", 0.7)):
        for image in range(2):
            for slot, at in enumerate(targets["ind"][image]):
                near = targets[name][image, slot] + rng.normal(0, noise, targets[name].shape[2])
                outputs[name][image].reshape(-1, SIZE * SIZE)[:, at] = np.maximum(near, 1) if name == "wh" else near
    return outputs, targets


LOSSES = {
    "oks": lambda: OksLoss(JOINTS, weight=3.0),
    "giou": lambda: BoxIouLoss("giou", weight=2.0),
    "ciou": lambda: BoxIouLoss("ciou", weight=2.0),
    "giou of sizes": lambda: BoxIouLoss("giou", weight=2.0, maps=("wh",)),
}


@functools.lru_cache(maxsize=None)
def compiled(name):
    """The loss with its gradients; it is compiled at its first call."""
    return Gradients(LOSSES[name](), example()[0])


def run(name, outputs, targets):
    """Total, the term, gradients by map."""
    cell = compiled(name)
    for parameter, value in zip(cell.maps, outputs.values()):
        parameter.set_data(ms.Tensor(value))
    total, (term,), gradients = cell(*(ms.Tensor(targets[name]) for name in cell.targets))
    return float(total.asnumpy()), float(term.asnumpy()), {name: value.asnumpy() for name, value in zip(outputs, gradients)}


def at(maps, ind):
    return np.stack([m.reshape(len(m), -1)[:, i].T for m, i in zip(maps.astype(np.float64), ind)])


def oks_loss(o, t):
    """The mean over objects of 1 - OKS, by the function of the evaluation."""
    found, truth = (values.reshape(2, SLOTS, J, 2) for values in (at(o["hps"], t["ind"]), t["hps"].astype(np.float64)))
    labelled = t["hps_mask"].reshape(2, SLOTS, J, 2)[..., 0] > 0
    similarity = oks(found, truth, t["wh"].astype(np.float64).prod(axis=-1), JOINTS.sigmas, labelled)
    counted = labelled.any(axis=-1)
    return (1 - similarity)[counted].sum() / (counted.sum() + 1e-4)


def corners(center, size):
    return (*(center - size / 2), *(center + size / 2))


def overlap_of(found, true, kind, weight=None):
    """GIoU or CIoU of two boxes left, top, right, bottom, as the papers write it; ``weight``: CIoU's alpha, if it is to be held fast."""
    w, h = min(found[2], true[2]) - max(found[0], true[0]), min(found[3], true[3]) - max(found[1], true[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (found, true)]
    common = max(w, 0) * max(h, 0)
    union = sum(areas) - common
    across, down = max(found[2], true[2]) - min(found[0], true[0]), max(found[3], true[3]) - min(found[1], true[1])
    if kind == "giou":
        return common / union - (across * down - union) / (across * down)
    middles = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in (found, true)]
    distance = (middles[0][0] - middles[1][0]) ** 2 + (middles[0][1] - middles[1][1]) ** 2
    v = 4 / np.pi**2 * np.subtract(*(np.arctan((box[2] - box[0]) / (box[3] - box[1])) for box in (true, found))) ** 2
    alpha = v / (1 - common / union + v + 1e-4) if weight is None else weight
    return common / union - distance / (across**2 + down**2) - alpha * v


def iou_loss(o, t, kind, offsets=True, fixed=None):
    total, sizes, centers = 0.0, at(o["wh"], t["ind"]), at(o["reg"], t["ind"])
    for number, (image, slot) in enumerate(zip(*np.nonzero(t["reg_mask"]))):
        true = t["reg"][image, slot].astype(np.float64)
        found = corners(centers[image, slot] if offsets else true, sizes[image, slot])
        total += 1 - overlap_of(
            found, corners(true, t["wh"][image, slot].astype(np.float64)), kind, None if fixed is None else fixed[number]
        )
    return total / (t["reg_mask"].sum() + 1e-4)


def alphas(o, t):
    """CIoU's weight of each object, from its formula."""
    found = []
    for image, slot in zip(*np.nonzero(t["reg_mask"])):
        boxes = [corners(a[image, slot], b[image, slot]) for a, b in ((at(o["reg"], t["ind"]), at(o["wh"], t["ind"])), (t["reg"], t["wh"]))]
        with_zero, with_one = (overlap_of(*boxes, "ciou", weight) for weight in (0, 1))
        found.append((with_zero - overlap_of(*boxes, "ciou")) / (with_zero - with_one))
    return found


def assert_central_differences(gradients, outputs, formula, names):
    o = {name: value.astype(np.float64) for name, value in outputs.items()}
    for name in names:
        largest = np.argsort(-np.abs(gradients[name]).ravel())[:6]
        for index in (np.unravel_index(flat, gradients[name].shape) for flat in largest):
            step = np.zeros_like(o[name])
            step[index] = 1e-5
            sides = [formula({**o, name: o[name] + sign * step}) for sign in (1, -1)]
            assert gradients[name][index] == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=2e-3, abs=1e-6), (name, index)


@pytest.mark.slow
def test_oks_loss_is_the_similarity_of_the_evaluation():
    o, t = example()
    total, term, gradients = run("oks", o, t)
    assert term == pytest.approx(oks_loss(o, t), rel=1e-5) and total == pytest.approx(3 * term) and 0.05 < term < 0.95
    assert_central_differences(gradients, o, lambda maps: 3 * oks_loss(maps, t), ["hps"])
    assert not gradients["wh"].any() and np.count_nonzero(gradients["hps"]) == t["hps_mask"].sum()


def test_oks_loss_by_hand():
    """One object of 10 x 10, one labelled joint with k = 0.2, 2 pixels off: 1 - exp(-4 / (2 100 0.04)) = 1 - exp(-0.5)."""
    o, t = example(1)
    t["hps_mask"][:] = 0
    t["hps_mask"][0, 0, 4:] = 1
    t["wh"][0, 0] = 10
    o["hps"][0].reshape(2 * J, -1)[:, t["ind"][0, 0]] = t["hps"][0, 0] + [9, 9, 9, 9, 2, 0]
    assert run("oks", o, t)[1] == pytest.approx((1 - np.exp(-0.5)) / (1 + 1e-4), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["giou", "ciou", "giou of sizes"])
def test_box_losses_are_the_papers_formulas(kind):
    o, t = example()
    kind, offsets, given = kind.partition(" ")[0], " " not in kind, kind
    total, term, gradients = run(given, o, t)
    assert term == pytest.approx(iou_loss(o, t, kind, offsets), rel=1e-4) and total == pytest.approx(2 * term) and 0.05 < term < 1.5
    assert offsets or not gradients["reg"].any()
    if offsets:
        fixed = alphas(o, t) if kind == "ciou" else None  # the weight of proportions has no gradient
        assert_central_differences(gradients, o, lambda maps: 2 * iou_loss(maps, t, kind, True, fixed), ("wh", "reg"))


@pytest.mark.parametrize("kind, expected", [("giou", 1 - (4 / 12 - 0)), ("ciou", 1 - (4 / 12 - 4 / (36 + 4)))])
def test_box_losses_by_hand(kind, expected):
    """Two boxes of 4 x 2, one 2 to the right of the other: common 2 x 2, union 12, around both 6 x 2."""
    o, t = example(1)
    t["wh"][0, 0], t["reg"][0, 0] = (4, 2), (0.25, 0.5)
    o["wh"][0].reshape(2, -1)[:, t["ind"][0, 0]] = 4, 2
    o["reg"][0].reshape(2, -1)[:, t["ind"][0, 0]] = 2.25, 0.5
    assert run(kind, o, t)[1] == pytest.approx(expected / (1 + 1e-4), rel=1e-4)


def test_boxes_apart_and_sizes_below_zero_still_learn():
    o, t = example(1)
    t["wh"][0, 0], t["reg"][0, 0], place = (4, 2), (0.5, 0.5), t["ind"][0, 0]
    o["reg"][0].reshape(2, -1)[:, place] = 9.5, 0.5
    o["wh"][0].reshape(2, -1)[:, place] = 4, 2
    _, term, gradients = run("giou", o, t)
    assert term > 1 and gradients["reg"][0].reshape(2, -1)[0, place] > 0, "back towards the true centre"
    o["reg"][0].reshape(2, -1)[:, place] = 0.5, 0.5
    for size in (-3.0, 0.0, 0.5):
        o["wh"][0].reshape(2, -1)[:, place] = size
        for kind in ("giou", "ciou"):
            gradient = run(kind, o, t)[2]["wh"][0].reshape(2, -1)[:, place]
            assert np.isfinite(gradient).all() and (gradient < 0).any() and gradient.sum() < 0, (kind, size)


@pytest.mark.parametrize("loss", ["oks", "giou", "ciou"])
def test_nothing_to_learn_and_perfect_outputs(loss):
    o, t = example(0)
    total, term, gradients = run(loss, o, t)
    assert total == term == 0 and not any(gradient.any() for gradient in gradients.values())
    o, t = example()
    for name in ("hps", "wh", "reg"):
        for image in range(2):
            o[name][image].reshape(-1, SIZE * SIZE)[:, t["ind"][image]] = t[name][image].T
    _, term, gradients = run(loss, o, t)
    assert term == pytest.approx(0, abs=1e-4) and all(np.isfinite(gradient).all() for gradient in gradients.values())


def test_wrong_arguments():
    with pytest.raises(ConfigError, match="BoxIouLoss.kind: 'iou'"):
        BoxIouLoss("iou")
    with pytest.raises(ConfigError, match="sizes per class"):
        BoxIouLoss(targets=("wh", "wh_mask"))


@pytest.mark.parametrize("config, block", [("quickstart", "OksLoss"), ("quickstart", "BoxIouLoss"), ("quickstart_detection", "BoxIouLoss")])
def test_one_line_adds_them(config, block, capsys):
    assert main(["config", "check", config, "--set", f"+model.losses.more={{type: {block}, weight: 0.5}}"]) == 0, capsys.readouterr().err
