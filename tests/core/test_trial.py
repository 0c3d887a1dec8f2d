"""Networks and losses that do something else than they declare, found before anything is compiled."""

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Head, Loss
from mindpoint.data.build import build_samples
from mindpoint.errors import PartError
from mindpoint.model.network import build_network
from mindpoint.runtime import device
from mindpoint.training.build import build_losses, build_trainer
from mindpoint.training.surroundings import random_state
from mindpoint.training.trial import try_parts
from mindspore import Parameter, Tensor, nn, ops
from toy import Cells, SpotHead, SpotLoss

TOY = str(Path(__file__).parent / "toy.yaml")


class Wrong(Cells):
    """Declares another number of channels, stride or maps than it gives, or fails."""

    def __init__(self, how: str):
        super().__init__(4)
        self.how = how
        self.out_features = {
            "channels": (FeatureSpec(16, 4),),
            "stride": (FeatureSpec(4, 8),),
            "number": (FeatureSpec(4, 4), FeatureSpec(4, 8)),
            "number type": ((4, 4),),
        }.get(how, self.out_features)
        if how == "absent":
            del self.out_features

    def construct(self, image):
        if self.how == "raises":
            raise ValueError("these maps do not fit")
        return super().construct(image)


class Bare(Head):
    def __init__(self, in_features):
        super().__init__()

    def construct(self, features):
        return {}


class OldHead(SpotHead):
    def __init__(self, in_features):
        super().__init__(in_features)
        self.out_maps = {"spot": 1}


class OtherHead(SpotHead):
    def construct(self, features):
        return {"sport": self.conv(features[0])}


class OddLoss(Loss):
    """Lacks a term, a normalizer, or finite values."""

    terms, needs_maps, needs_targets, normalizers = ("spot_loss", "offset_loss"), ("spot",), ("spot",), ("spots",)

    def __init__(self, how: str):
        super().__init__()
        self.how = how

    def count_normalizers(self, targets):
        return {} if self.how == "normalizer" else {"spots": targets["spot"].sum()}

    def construct(self, outputs, targets, counts):
        value = (outputs["spot"] - targets["spot"]).sum() / (counts["spots"] - (self.how == "finite"))
        return value, {"spot_loss": value} if self.how == "term" else {"spot_loss": value, "offset_loss": value}


class Restless(Cells):
    """Changes a parameter and every random generator whenever it runs, has dropout and moving statistics."""

    def __init__(self):
        super().__init__()
        self.calls = Parameter(Tensor(0, ms.float32), name="calls", requires_grad=False)
        self.dropout = nn.Dropout(p=0.5)

    def construct(self, image):
        ops.assign_add(self.calls, Tensor(1, ms.float32))
        noise = ops.standard_normal((1, 4, 1, 1))
        return (self.dropout(self.norm(self.conv(image))) + 0.1 * noise,)


def trainer_of(tmp_path, *changes):
    config = load_config(TOY, changes)
    device.setup("CPU", config.seed)
    return build_trainer(config, tmp_path)


def line(start):
    return next(number for number, text in enumerate(Path(__file__).read_text().splitlines(), 1) if text.startswith(start))


BACKBONE = "model.backbone={{_replace_: true, type: 'test_trial:Wrong', how: {}}}"
HEAD = "model.heads.spot={{type: 'test_trial:{}'}}"
TARGETS = "data.train.targets={type: 'toy:SpotTargets', stride: 8}"
LOSS = "model.losses.spot={{type: 'test_trial:OddLoss', how: {}}}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "change, message",
    [
        (
            BACKBONE.format("channels"),
            "model.backbone: Wrong (test_trial.py:{Wrong}) declares 16 channels at stride 4 in out_features[0]: (1, 16, 16, 16) for an "
            "input (1, 3, 64, 64); construct returns (1, 4, 16, 16)",
        ),
        (BACKBONE.format("stride") + ";" + TARGETS, "declares 4 channels at stride 8 in out_features[0]: (1, 4, 8, 8)"),
        (BACKBONE.format("number"), "declares 2 maps in out_features, but construct returns 1"),
        (BACKBONE.format("number type"), "sets out_features to ((4, 4),); it must be a tuple of FeatureSpecs"),
        (BACKBONE.format("absent"), "model.backbone: Wrong (test_trial.py:{Wrong}) does not set 'out_features'"),
        (BACKBONE.format("raises"), "model.backbone: Wrong (test_trial.py:{raised}) failed: ValueError: these maps do not fit"),
        (HEAD.format("Bare"), "model.heads.spot: Bare (test_trial.py:{Bare}) does not set 'out_maps'"),
        (HEAD.format("OldHead"), "sets out_maps to {{'spot': 1}}; it must map the name of each map to a FeatureSpec"),
        (HEAD.format("OtherHead"), "declares the maps spot in out_maps, but returns sport; add spot"),
        (
            LOSS.format("term"),
            "OddLoss (test_trial.py:{OddLoss}) declares the terms spot_loss, offset_loss in terms, but returns spot_loss",
        ),
        (LOSS.format("normalizer"), "declares the normalizers spots in normalizers, but returns nothing; add spots"),
        (LOSS.format("finite"), "model.losses.spot: OddLoss (test_trial.py:{OddLoss}) is not finite for the first sample: the total"),
    ],
)
def test_what_a_part_gives_is_held_against_what_it_declares(tmp_path, change, message):
    places = {name: line(f"class {name}(") for name in ("Wrong", "Bare", "OddLoss")}
    with pytest.raises(PartError) as caught:
        trainer_of(tmp_path, *change.split(";"))
    assert message.format(**places, raised=line("            raise ValueError(")) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_it_changes_nothing():
    config = load_config(TOY, ["model.backbone={type: 'test_trial:Restless'}"])
    device.setup("CPU", config.seed)
    network, samples = build_network(config), build_samples(config)
    losses = build_losses(config, network, samples)
    network.set_train()
    network.backbone.norm.set_train(False)
    before = {name: value.asnumpy().copy() for name, value in network.parameters_dict().items()}
    state, modes = random_state(), [cell.training for _, cell in network.cells_and_names()]
    try_parts(network, losses, samples)
    assert random_state() == state and [cell.training for _, cell in network.cells_and_names()] == modes
    assert ms.get_context("mode") == ms.GRAPH_MODE
    for name, value in network.parameters_dict().items():
        assert np.array_equal(value.asnumpy(), before[name]), name


@pytest.mark.slow
def test_a_training_is_the_same_to_the_last_bit_with_it(tmp_path, monkeypatch):
    found = []
    for name in ("with", "without"):
        if name == "without":
            monkeypatch.setattr("mindpoint.training.build.try_parts", lambda *parts: None)
        (tmp_path / name).mkdir()
        trainer = trainer_of(tmp_path / name, "model.backbone={type: 'test_trial:Restless'}", "train.epochs=1", "hooks.evaluation=null")
        trainer.train()
        found.append({name: value.asnumpy().copy() for name, value in trainer.network_step.parameters_dict().items()})
    for name, value in found[0].items():
        assert np.array_equal(value, found[1][name]), name


def test_a_loss_sees_maps_and_targets_of_full_size():
    config = load_config(TOY)
    device.setup("CPU", config.seed)
    network, samples = build_network(config), build_samples(config)
    seen = []

    class Watching(SpotLoss):
        def construct(self, outputs, targets):
            seen.append((outputs["spot"].shape, targets["spot"].shape))
            return super().construct(outputs, targets)

    try_parts(network, {"spot": Watching()}, samples)
    assert seen == [((1, 1, 4, 4), (1, 1, 4, 4))]
