"""The update of a training step, held against the same arithmetic in numpy."""

import numpy as np
import pytest
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Backbone, Head, Loss
from mindpoint.errors import ConfigError
from mindpoint.model.freeze import trained_parameters
from mindpoint.model.network import Network
from mindpoint.optim.groups import parameter_groups
from mindpoint.optim.optimizers import SGD, Adam, AdamW
from mindpoint.optim.rules import match_parameters
from mindpoint.runtime import device
from mindpoint.training.step import TrainStep
from mindspore import Parameter, Tensor, nn, ops


class Body(Backbone):
    """``x * gain + bias``, normalised if asked for."""

    def __init__(self, norm=False):
        super().__init__()
        self.gain = Parameter(Tensor(np.float32([1.0, -2.0, 0.5]).reshape(1, 3, 1, 1)), name="gain")
        self.bias = Parameter(Tensor(np.float32([0.1, 0.2, -0.3]).reshape(1, 3, 1, 1)), name="bias")
        self.norm = nn.BatchNorm2d(3) if norm else ops.Identity()
        self.out_features = (FeatureSpec(3, 1),)

    def construct(self, image):
        return (self.norm(image * self.gain + self.bias),)


class Same(Head):
    def __init__(self):
        super().__init__()
        self.out_maps = {"map": FeatureSpec(3, 1)}

    def construct(self, features):
        return {"map": features[0]}


class Squares(Loss):
    """Mean over the images; NaN where ``goal`` is."""

    terms, needs_maps, needs_targets = ("squares",), ("map",), ("goal",)

    def construct(self, outputs, targets):
        value = ((outputs["map"] - targets["goal"]) ** 2).mean()
        return value, {"squares": value}


RNG = np.random.default_rng(0)
BATCHES = [{name: RNG.normal(size=(4, 3, 2, 2)).astype(np.float32) for name in ("image", "goal")} for _ in range(4)]
LR = 0.05


def step_of(optimizer, norm=False, freeze=(), factors=None, no_decay=(), **settings):
    device.setup("CPU", 1)
    network = Network(Body(norm), None, {"same": Same()})
    groups = parameter_groups(trained_parameters(network, freeze), LR, factors or {}, no_decay)
    step = TrainStep(network, {"squares": Squares()}, optimizer(groups, lr=LR), ("goal",), **settings)
    return step.set_train()


def arrays(step):
    return {name: p.asnumpy().copy() for name, p in step.network.parameters_dict().items()}


def run(step, batches=BATCHES, rates=None):
    return [step.run(batch, LR if rates is None else rates[number]) for number, batch in enumerate(batches)]


def gradients(weights, batch):
    """Of the mean square by hand."""
    error = batch["image"] * weights["backbone.gain"] + weights["backbone.bias"] - batch["goal"]
    error = 2 * error.astype(np.float64) / error.size
    return {"backbone.gain": (error * batch["image"]).sum((0, 2, 3), keepdims=True), "backbone.bias": error.sum((0, 2, 3), keepdims=True)}


def by_hand(update, batches=BATCHES):
    """Weights after updates; ``update(weights, gradients, state, number)`` changes weights in place."""
    weights = {
        "backbone.gain": np.float64([1.0, -2.0, 0.5]).reshape(1, 3, 1, 1),
        "backbone.bias": np.float64([0.1, 0.2, -0.3]).reshape(1, 3, 1, 1),
    }
    state = {name: [0.0, 0.0] for name in weights}
    for number, batch in enumerate(batches, start=1):
        found = gradients(weights, batch)
        for name in weights:
            update(name, weights, found, state[name], number)
    return weights


def assert_close(step, expected):
    actual = arrays(step)
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, rtol=2e-5, atol=1e-6, err_msg=name)


def adam(decay=0.0, decays=("backbone.gain",), factors=None, norm=None):
    def update(name, weights, found, state, number):
        lr = LR * (factors or {}).get(name, 1.0)
        gradient = found[name]
        if norm is not None:
            gradient = gradient * min(1.0, norm / np.sqrt(sum((g**2).sum() for g in found.values())))
        if name in decays:
            weights[name] = weights[name] * (1 - lr * decay)
        state[0] = 0.9 * state[0] + 0.1 * gradient
        state[1] = 0.999 * state[1] + 0.001 * gradient**2
        corrected = lr * np.sqrt(1 - 0.999**number) / (1 - 0.9**number)
        weights[name] = weights[name] - corrected * state[0] / (np.sqrt(state[1]) + 1e-8)

    return update


@pytest.mark.slow
def test_adamw_with_exclusions_rates_by_layer_and_clipping():
    step = step_of(
        lambda params, lr: AdamW(params, lr, weight_decay=0.3),
        factors={"backbone": 0.5, r"backbone\.gain": 0.1},
        no_decay=["biases"],
        clip_norm=0.4,
    )
    run(step, rates=[0.5 * LR] * len(BATCHES))  # the greatest of all
    assert_close(step, by_hand(adam(0.3, factors={"backbone.gain": 0.1, "backbone.bias": 0.5}, norm=0.4)))
    assert step.optimizer.global_step.asnumpy() == len(BATCHES)


@pytest.mark.slow
def test_adamw_decays_everything_unless_told_otherwise():
    step = step_of(lambda params, lr: AdamW(params, lr, weight_decay=0.3))
    run(step)
    assert_close(step, by_hand(adam(0.3, decays=("backbone.gain", "backbone.bias"))))


@pytest.mark.slow
def test_sgd_with_momentum_and_decay_in_the_gradient():
    def update(name, weights, found, state, number):
        state[0] = 0.9 * state[0] + found[name] + 0.1 * weights[name]
        weights[name] = weights[name] - LR * state[0]

    step = step_of(lambda params, lr: SGD(params, lr, momentum=0.9, weight_decay=0.1))
    run(step)
    assert_close(step, by_hand(update))


@pytest.mark.slow
@pytest.mark.parametrize("scale", [None, 1024.0, "dynamic"])
def test_parts_of_a_batch_are_the_batch(scale):
    """With every other thing that a step can do; normalisation uses its moving statistics."""
    settings = dict(norm=True, freeze=["statistics"], clip_norm=0.2, ema=0.9, loss_scale=scale)
    whole, parts = step_of(Adam, **settings), step_of(Adam, accumulate=4, **settings)
    expected, actual = run(whole), run(parts)
    for (ours, _), (theirs, _) in zip(actual, expected):
        assert ours == pytest.approx(theirs, rel=1e-5)
    assert_close(parts, arrays(whole))
    for ours, theirs in zip(parts.averages, whole.averages):
        np.testing.assert_allclose(ours.asnumpy(), theirs.asnumpy(), rtol=2e-5, atol=1e-6)
    assert all(not p.asnumpy().any() for p in parts.accumulators)


def test_averages_follow_the_weights_and_are_evaluated():
    step = step_of(Adam, ema=0.5)
    expected = arrays(step)
    for number, batch in enumerate(BATCHES):
        step.run(batch, LR)
        decay = min(0.5, (1 + number) / (10 + number))
        expected = {name: decay * expected[name] + (1 - decay) * value for name, value in arrays(step).items()}
    own = arrays(step)
    with step.averaged_weights():
        assert_close(step, expected)
    for name, value in arrays(step).items():
        assert np.array_equal(value, own[name])


@pytest.mark.slow
def test_a_bad_part_skips_the_whole_update():
    step = step_of(Adam, norm=True, accumulate=2, ema=0.5, loss_scale="dynamic")
    run(step, BATCHES[:1])
    before = {name: p.asnumpy().copy() for name, p in step.parameters_dict().items()}
    broken = {name: array.copy() for name, array in BATCHES[1].items()}
    broken["goal"][0] = np.nan  # in the first of two parts
    ((_, updated),) = run(step, [broken])
    after = {name: p.asnumpy() for name, p in step.parameters_dict().items()}
    assert not updated
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {"loss_scale", "loss_scale_counter"}
    assert after["loss_scale"] == before["loss_scale"] / 2
    assert run(step, BATCHES[2:3])[0][1]


@pytest.mark.slow
def test_frozen_parts_stay():
    step = step_of(Adam, norm=True, freeze=[r"backbone\.gain", "norms"])
    before = arrays(step)
    run(step)
    after = arrays(step)
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {"backbone.bias"}
    with pytest.raises(ConfigError, match="matches all parameters; leave some to train"):
        step_of(Adam, freeze=["backbone"])


@pytest.mark.slow
def test_statistics_alone_can_be_frozen():
    step = step_of(lambda params, lr: SGD(params, lr, momentum=0.0), norm=True, freeze=["statistics"])
    before = arrays(step)
    first, _ = step.run(BATCHES[0], LR)
    image, goal = (BATCHES[0][name].astype(np.float64) for name in ("image", "goal"))
    shrink = 1 / np.sqrt(1 + 1e-5)  # statistics of a new layer: mean 0, variance 1
    normal = (image * before["backbone.gain"] + before["backbone.bias"]) * shrink
    assert first["loss"] == pytest.approx(((normal - goal) ** 2).mean(), rel=1e-5)
    error = 2 * (normal - goal) / goal.size
    gradients = {
        "backbone.gain": (error * image).sum((0, 2, 3), keepdims=True) * shrink,
        "backbone.bias": error.sum((0, 2, 3), keepdims=True) * shrink,
        "backbone.norm.gamma": (error * normal).sum((0, 2, 3)),
        "backbone.norm.beta": error.sum((0, 2, 3)),
        "backbone.norm.moving_mean": 0.0,
        "backbone.norm.moving_variance": 0.0,
    }
    assert_close(step, {name: before[name] - LR * gradient for name, gradient in gradients.items()})


def test_rules():
    names = [
        "backbone.conv.weight",
        "backbone.norm.gamma",
        "backbone.norm.beta",
        "backbone.norm.moving_mean",
        "heads.a.bias",
        "heads.a.biased",
    ]
    assert match_parameters(names, ["biases"], "") == {"heads.a.bias"}
    assert match_parameters(names, ["norms"], "") == set(names[1:4])
    assert match_parameters(names, ["statistics", r"heads\.a\.biased"], "") == {names[3], names[5]}
    with pytest.raises(ConfigError, match="train.freeze: no parameter's name begins with 'neck'; names begin with backbone.conv"):
        match_parameters(names, ["neck"], "train.freeze")
    with pytest.raises(ConfigError, match="is not a valid regular expression"):
        match_parameters(
            names,
            [
                "(",
            ],
            "train.freeze",
        )
