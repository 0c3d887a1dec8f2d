"""Each formula of the pose loss against numbers worked by hand or by plain numpy."""

import mindspore as ms
import numpy as np
import pytest
from mindpoint.errors import ConfigError
from mindpoint.runtime import device
from mindpoint_centernet.losses.multi_pose import MultiPoseLoss
from mindspore import nn, ops

J = 3  # joints
SIZE = 4  # map height and width


@pytest.fixture(scope="module", autouse=True)
def eager_mode():
    """Other tests compile these parts: those of their contracts and of training."""
    device.setup("CPU", seed=0)
    with device.operator_by_operator():
        yield


def example(seed=0, persons=2):
    """Outputs and targets of two images; ``persons`` in the first one, none in the second."""
    rng = np.random.default_rng(seed)
    channels = dict(hm=1, wh=2, hps=2 * J, reg=2, hm_hp=J, hp_offset=2)
    outputs = {name: rng.normal(size=(2, count, SIZE, SIZE)).astype(np.float32) for name, count in channels.items()}
    slots = 4
    targets = {
        "hm": rng.uniform(0, 0.9, (2, 1, SIZE, SIZE)).astype(np.float32),
        "hm_hp": rng.uniform(0, 0.9, (2, J, SIZE, SIZE)).astype(np.float32),
        "wh": rng.uniform(1, 9, (2, slots, 2)).astype(np.float32),
        "reg": rng.uniform(0, 1, (2, slots, 2)).astype(np.float32),
        "hps": rng.normal(size=(2, slots, 2 * J)).astype(np.float32),
        "hp_offset": rng.uniform(0, 1, (2, slots * J, 2)).astype(np.float32),
        "ind": rng.integers(0, SIZE * SIZE, (2, slots)),
        "hp_ind": rng.integers(0, SIZE * SIZE, (2, slots * J)),
        "reg_mask": np.zeros((2, slots), np.uint8),
        "hps_mask": np.zeros((2, slots, 2 * J), np.uint8),
        "hp_mask": np.zeros((2, slots * J), np.int64),
        "dense_hps": rng.normal(size=(2, 2 * J, SIZE, SIZE)).astype(np.float32),
        "dense_hps_mask": rng.uniform(0, 1, (2, 2 * J, SIZE, SIZE)).astype(np.float32) * (persons > 0),
        "hm_weight": rng.integers(0, 2, (2, 1, SIZE, SIZE)).astype(np.float32),
        "hm_hp_weight": rng.integers(0, 2, (2, J, SIZE, SIZE)).astype(np.float32),
    }
    for person in range(persons):
        targets["reg_mask"][0, person] = 1
        targets["hps_mask"][0, person, : 2 * (person + 1)] = 1
        targets["hp_mask"][0, person * J : person * J + person + 1] = 1
        targets["hm"][0, 0].flat[targets["ind"][0, person]] = 1
        targets["hm_hp"][0, person].flat[targets["hp_ind"][0, person * J]] = 1
    return outputs, targets


class Gradients(nn.Cell):
    """Total, terms and the total's gradient with respect to every map, in one graph; the maps are parameters."""

    def __init__(self, loss, outputs):
        super().__init__()
        self.loss, self.names, self.targets = loss, tuple(outputs), loss.needs_targets
        self.maps = ms.ParameterTuple([ms.Parameter(ms.Tensor(value), name=name) for name, value in outputs.items()])
        self.value_and_grad = ops.value_and_grad(self.forward, None, self.maps, has_aux=True)

    def forward(self, *values):
        outputs, targets = {}, {}
        for index, name in enumerate(self.names):
            outputs[name] = self.maps[index]
        for index, name in enumerate(self.targets):
            targets[name] = values[index]
        total, parts = self.loss(outputs, targets, self.loss.count_normalizers(targets))
        terms = ()
        for name in self.loss.terms:
            terms = terms + (parts[name],)
        return total, terms

    def construct(self, *values):
        (total, terms), gradients = self.value_and_grad(*values)
        return total, terms, gradients


def run(outputs, values, **arguments):
    """Total, terms by name, gradients by map."""
    loss = MultiPoseLoss(maps=tuple(outputs), **arguments)
    total, terms, gradients = Gradients(loss, outputs)(*(ms.Tensor(values[name]) for name in loss.needs_targets))
    return (
        float(total.asnumpy()),
        {name: float(value.asnumpy()) for name, value in zip(loss.terms, terms)},
        {name: value.asnumpy() for name, value in zip(outputs, gradients)},
    )


def focal(logits, target, weight=1.0):
    """Pixel by pixel, as the official implementation defines it."""
    total, positives = 0.0, 0.0
    for x, t, w in zip(logits.ravel(), target.ravel(), np.broadcast_to(weight, target.shape).ravel()):
        p = min(max(1 / (1 + np.exp(-float(x))), 1e-4), 1 - 1e-4)
        if t == 1:
            total -= w * np.log(p) * (1 - p) ** 2
            positives += w
        else:
            total -= w * np.log(1 - p) * p**2 * (1 - float(t)) ** 4
    return total / positives if positives else total


def at(maps, ind):
    """Values of (B, C, H, W) at flat positions (B, N)."""
    return np.stack([m.reshape(len(m), -1)[:, i].T for m, i in zip(maps, ind)])


def smooth(d):
    return np.where(np.abs(d) < 1, 0.5 * d**2, np.abs(d) - 0.5)


def regression(maps, ind, target, mask, distance=np.abs, divisor=2):
    return float((distance(at(maps, ind) - target) * mask[..., None]).sum() / (divisor * mask.sum() + 1e-4))


FACTORS = {"hm_loss": 1, "wh_loss": 0.1, "hp_loss": 1, "off_loss": 1, "hm_hp_loss": 1, "hp_offset_loss": 1}


def official(o, t):
    """Total and terms, in float64."""
    terms = {
        "hm_loss": focal(o["hm"], t["hm"]),
        "wh_loss": regression(o["wh"], t["ind"], t["wh"], t["reg_mask"]),
        "hp_loss": float((np.abs(at(o["hps"], t["ind"]) - t["hps"]) * t["hps_mask"]).sum() / (t["hps_mask"].sum() + 1e-4)),
        "off_loss": regression(o["reg"], t["ind"], t["reg"], t["reg_mask"]),
        "hm_hp_loss": focal(o["hm_hp"], t["hm_hp"]),
        "hp_offset_loss": regression(o["hp_offset"], t["hp_ind"], t["hp_offset"], t["hp_mask"]),
    }
    return sum(FACTORS[name] * value for name, value in terms.items()), terms


@pytest.mark.slow
def test_official_terms_total_and_gradients():
    o, t = example()
    total, terms, gradients = run(o, t)
    wanted_total, wanted = official(o, t)
    assert terms == pytest.approx(wanted, rel=1e-5)
    assert total == pytest.approx(wanted_total, rel=1e-5)
    o = {name: value.astype(np.float64) for name, value in o.items()}
    h = 1e-5
    for name, value in o.items():  # central differences of the formula
        for index in (np.unravel_index(np.abs(gradients[name]).argmax(), value.shape), (0, 0, 1, 2), (1, -1, 3, 0)):
            step = np.zeros_like(value)
            step[index] = h
            sides = [official({**o, name: value + sign * step}, t)[0] for sign in (1, -1)]
            assert gradients[name][index] == pytest.approx((sides[0] - sides[1]) / (2 * h), rel=1e-3, abs=1e-6), (name, index)


@pytest.mark.slow
def test_focal_by_hand():
    """One positive at p = 0.5 and one negative at p = 0.5 whose target is 0.5: log 2 (0.25 + 0.25 / 16)."""
    o, t = example(persons=0)
    o["hm"][:], t["hm"][:] = -40, 0  # p is clamped to 1e-4 there
    o["hm"][0, 0, 0, :2], t["hm"][0, 0, 0, :2] = 0, (1, 0.5)
    _, terms, gradients = run(o, t)
    assert terms["hm_loss"] == pytest.approx(np.log(2) * (0.25 + 0.25 / 16), rel=1e-5)
    # d/dx of log p (1-p)^2 at p = 0.5 is (1-p)^3 - 2 p (1-p)^2 log p = 0.125 + 0.25 log 2
    assert gradients["hm"][0, 0, 0, 0] == pytest.approx(-(0.125 + 0.25 * np.log(2)), rel=1e-5)
    assert gradients["hm"][1].max() == 0  # clamped: no gradient


@pytest.mark.slow
def test_other_weights():
    o, t = example()
    weights = dict(hm_weight=2.0, wh_weight=3.0, off_weight=5.0, hp_weight=7.0, hm_hp_weight=11.0)
    total, terms, _ = run(o, t, **weights)
    factor = dict(hm_loss=2, wh_loss=3, off_loss=5, hp_offset_loss=5, hp_loss=7, hm_hp_loss=11)
    assert total == pytest.approx(sum(factor[name] * value for name, value in terms.items()), rel=1e-5)


@pytest.mark.slow
def test_mse_smooth_dense():
    o, t = example()
    _, terms, _ = run(o, t, joint_loss="mse", regression="smooth_l1", dense=True)
    w = t["dense_hps_mask"]
    assert terms["hm_hp_loss"] == pytest.approx(float(((o["hm_hp"] - t["hm_hp"]) ** 2).mean()), rel=1e-5)
    assert terms["wh_loss"] == pytest.approx(regression(o["wh"], t["ind"], t["wh"], t["reg_mask"], smooth, 1), rel=1e-5)
    offset = regression(o["hp_offset"], t["hp_ind"], t["hp_offset"], t["hp_mask"], smooth, 1)
    assert terms["hp_offset_loss"] == pytest.approx(offset, rel=1e-5)
    assert terms["hp_loss"] == pytest.approx(float((np.abs(o["hps"] - t["dense_hps"]) * w).sum() / (w.sum() + 1e-4)), rel=1e-5)


@pytest.mark.slow
def test_model_zoo_doubles_sizes_and_offsets_only():
    o, t = example()
    _, official, _ = run(o, t)
    _, zoo, _ = run(o, t, normalization="model_zoo")
    ratio = {name: zoo[name] / official[name] for name in official}
    assert ratio == pytest.approx(dict(hm_loss=1, hm_hp_loss=1, hp_loss=1, wh_loss=2, off_loss=2, hp_offset_loss=2), rel=1e-3)


@pytest.mark.slow
def test_ignored_regions_count_neither_as_person_nor_as_background():
    o, t = example()
    t["hm_weight"][0, 0].flat[t["ind"][0, :2]] = (0, 1)
    for kind in ("focal", "mse"):
        _, terms, gradients = run(o, t, targets=tuple(t), joint_loss=kind)
        assert terms["hm_loss"] == pytest.approx(focal(o["hm"], t["hm"], t["hm_weight"]), rel=1e-5)
        assert np.all(gradients["hm"][t["hm_weight"] == 0] == 0)
        joints = focal(o["hm_hp"], t["hm_hp"], t["hm_hp_weight"])
        squares = float((t["hm_hp_weight"] * (o["hm_hp"] - t["hm_hp"]) ** 2).mean())
        assert terms["hm_hp_loss"] == pytest.approx(joints if kind == "focal" else squares, rel=1e-5)
        assert np.all(gradients["hm_hp"][np.broadcast_to(t["hm_hp_weight"], o["hm_hp"].shape) == 0] == 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [{}, {"dense": True, "joint_loss": "mse", "regression": "smooth_l1"}, {"targets": ("hm_weight", "hm_hp_weight")}]
)
def test_nobody_in_the_batch_is_finite(arguments):
    o, t = example(persons=0)
    if "targets" in arguments:
        t["hm_weight"][:] = t["hm_hp_weight"][:] = 0
    total, terms, gradients = run(o, t, **arguments)
    assert np.isfinite([total, *terms.values()]).all() and all(np.isfinite(g).all() for g in gradients.values())
    assert terms["wh_loss"] == terms["off_loss"] == terms["hp_offset_loss"] == terms["hp_loss"] == 0
    assert not any(gradients[name].any() for name in ("wh", "reg", "hps", "hp_offset"))


@pytest.mark.slow
def test_extreme_logits_are_finite():
    o, t = example()
    o["hm"] *= 1e4
    o["hm_hp"] *= -1e4
    total, _, gradients = run(o, t)
    assert np.isfinite(total) and all(np.isfinite(g).all() for g in gradients.values())


@pytest.mark.slow
def test_two_objects_at_one_pixel_add_their_gradients():
    o, t = example()
    t["ind"][0, :2] = 5
    t["wh"][0, :2] = 100
    _, _, gradients = run(o, t)
    assert gradients["wh"].reshape(2, 2, -1)[0, :, 5] == pytest.approx([-0.1 * 2 / (4 + 1e-4)] * 2, rel=1e-4)


@pytest.mark.slow
def test_terms_follow_the_heads():
    o, t = example()
    full = run(o, t)[1]
    loss = MultiPoseLoss(maps=("hm", "wh", "hps"))
    assert loss.terms == ("hm_loss", "wh_loss", "hp_loss")
    assert not {"reg", "hm_hp", "hp_offset", "hp_ind", "hp_mask"} & set(loss.needs_targets)
    some = {name: o[name] for name in ("hm", "wh", "hps", "hm_hp")}
    assert run(some, t)[1] == pytest.approx({name: full[name] for name in ("hm_loss", "wh_loss", "hp_loss", "hm_hp_loss")})


def test_wrong_choice_is_named():
    with pytest.raises(ConfigError, match="regression 'l2'"):
        MultiPoseLoss(regression="l2")
