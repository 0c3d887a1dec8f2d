"""Networks of every shape: several strides, several stacks, further inputs; kernels put in on demand."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.contracts.data import InputEncoder
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.image import Sample
from mindpoint.contracts.parts import Backbone, Head, Loss, Neck
from mindpoint.errors import ConfigError
from mindpoint.model.network import Network, build_network
from mindpoint.native.accelerate import accelerate
from mindpoint.native.conv2d import NativeConv2d
from mindpoint.optim.optimizers import SGD
from mindpoint.runtime import device
from mindpoint.training.build import build_trainer
from mindpoint.training.step import TrainStep
from mindspore import Tensor, nn, ops
from toy import Cells, Spots

TOY = str(Path(__file__).parent / "toy.yaml")


class Twice(Backbone):
    """Two stacks, each of the image and its half, times the number of the stack."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool2d(2, 2)
        self.out_features, self.stacks, self.divisor = (FeatureSpec(3, 1), FeatureSpec(3, 2)), 2, 8

    def construct(self, image):
        return (image, self.pool(image), 2 * image, 2 * self.pool(image))


class Third(Neck):
    def __init__(self, in_features):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, weight_init=Tensor(np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1) / 3))
        self.out_features = in_features

    def construct(self, maps):
        return (self.conv(maps[0]), self.conv(maps[1]))


class Two(Head):
    """One map a stride, times a number to learn."""

    def __init__(self, in_features, gain=1.0):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1, weight_init=Tensor(np.full((1, 3, 1, 1), gain, np.float32)))
        self.out_maps = {"fine": FeatureSpec(1, in_features[0].stride), "coarse": FeatureSpec(1, in_features[1].stride)}

    def construct(self, maps):
        return {"coarse": self.conv(maps[1]), "fine": self.conv(maps[0])}


class Mean(Loss):
    """Mean of ``fine`` times a target and of ``coarse`` over the number of a mask's ones."""

    terms, needs_maps, needs_targets, normalizers = ("fine_loss", "coarse_loss"), ("fine", "coarse"), ("goal",), ("ones",)

    def count_normalizers(self, targets):
        return {"ones": targets["goal"].sum()}

    def construct(self, outputs, targets, counts):
        fine = (outputs["fine"] * targets["goal"]).sum() / counts["ones"]
        coarse = outputs["coarse"].mean()
        return fine + 10 * coarse, {"fine_loss": fine, "coarse_loss": coarse}


@pytest.fixture
def stacked():
    device.setup("CPU", 1)
    backbone = Twice()
    stacks = [(Third(backbone.out_features), {"two": Two(backbone.out_features, gain)}) for gain in (1.0, 5.0)]
    return Network(backbone, *stacks[1], stacks[:1])


IMAGE = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)


def test_names_strides_and_divisor(stacked):
    assert stacked.maps == {"fine": (1, 1), "coarse": (1, 2)} and stacked.divisor == 8
    names = ["neck.conv.weight", "heads.two.conv.weight", "stacks.0.neck.conv.weight", "stacks.0.heads.two.conv.weight"]
    assert list(stacked.parameters_dict()) == names


@pytest.mark.slow
def test_all_stacks_in_training_and_the_last_alone_otherwise(stacked):
    fine, coarse = IMAGE.sum(1, keepdims=True) / 3, IMAGE.reshape(2, 3, 4, 2, 4, 2).mean((3, 5)).sum(1, keepdims=True) / 3
    expected = [fine, coarse, 10 * fine, 10 * coarse]
    for training, wanted in ((True, expected), (False, expected[2:]), (True, expected)):
        found = stacked.set_train(training)(Tensor(IMAGE))
        assert len(found) == len(wanted)
        for ours, theirs in zip(found, wanted):
            np.testing.assert_allclose(ours.asnumpy(), theirs, rtol=1e-5)


@pytest.mark.slow
def test_losses_are_averaged_over_stacks_and_each_stack_learns(stacked):
    step = TrainStep(stacked, {"mean": Mean()}, SGD(stacked.trainable_params(), 0.1, momentum=0.0), ("goal",)).set_train()
    goal = (np.random.default_rng(1).random((2, 1, 8, 8)) > 0.5).astype(np.float32)
    losses, updated = step.run({"image": IMAGE, "goal": goal}, 0.1)
    plain = IMAGE.sum(1, keepdims=True) / 3
    fine, coarse = (plain * goal).sum() / goal.sum(), plain.mean()
    assert updated and losses == pytest.approx(
        {"loss": 5.5 * (fine + 10 * coarse), "fine_loss": 5.5 * fine, "coarse_loss": 5.5 * coarse}, rel=1e-5
    )
    by_channel = (IMAGE * goal).sum((0, 2, 3)) / goal.sum() + 10 * IMAGE.mean((0, 2, 3))
    weights = {name: value.asnumpy().ravel() for name, value in stacked.parameters_dict().items()}
    np.testing.assert_allclose(weights["stacks.0.heads.two.conv.weight"], 1 - 0.1 * by_channel / 3 / 2, rtol=1e-5)
    np.testing.assert_allclose(weights["heads.two.conv.weight"], 5 - 0.1 * 2 * by_channel / 3 / 2, rtol=1e-5)


def test_kernels_are_put_in_on_demand_alone():
    device.setup("CPU", 1)
    network = build_network(load_config(TOY))
    assert type(network.backbone.conv) is nn.Conv2d
    assert accelerate(network) > 0 and type(network.backbone.conv) is NativeConv2d


class Depth(Cells):
    """Takes a further input beside the image."""

    inputs = {"depth": 2}

    def construct(self, image, depth):
        return (self.norm(self.conv(ops.concat((image[:, :1], depth), 1))),)


class WithDepth(Spots):
    """The spot in two further channels; the image does not show it."""

    def __init__(self, count: int, channels: int = 2, height: int = 16):
        super().__init__(count)
        self.channels, self.height = channels, height

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        plane = sample.image[: self.height, :, 0].astype(np.float32) / 255
        depth = plane * np.arange(1, self.channels + 1, dtype=np.float32)[:, None, None]
        inputs = {"depth": depth} if self.channels else {}
        return Sample(sample.image_id, sample.name, sample.image * 0, sample.objects, meta={"doubled": 2 * depth}, inputs=inputs)


class Doubled(InputEncoder):
    """Makes ``depth`` from what is known of the image, in the place of what the sample carries."""

    channels = {"depth": 2}

    def __call__(self, sample):
        return {"depth": sample.meta["doubled"]}


def trainer_with_depth(tmp_path, dataset, *overrides):
    changes = ["model.backbone={type: 'test_network:Depth'}", f"data.train.dataset={{type: 'test_network:WithDepth', {dataset}}}"]
    config = load_config(TOY, [*changes, "hooks.evaluation=null", "hooks.checkpoint=null", "data.val=null", *overrides])
    device.setup("CPU", config.seed)
    return build_trainer(config, tmp_path)


@pytest.mark.slow
def test_a_network_learns_from_further_inputs(tmp_path):
    trainer = trainer_with_depth(
        tmp_path, "count: 40", "+model.inputs={type: 'test_network:Doubled'}", "+train.accumulate=2", "data.train.batch_size=8"
    )
    losses = []
    for batch in itertools.chain.from_iterable(trainer.loader.epochs(1)):
        assert batch["depth"].shape == (8, 2, 16, 16) and batch["depth"].max() == 4
        losses.append(trainer.network_step.set_train().run(batch, 0.02)[0]["loss"])
    assert losses[-1] < losses[0]


def test_inputs_are_held_against_what_the_backbone_declares(tmp_path):
    with pytest.raises(
        ConfigError, match="takes a further input 'depth' with 2 channels; provide it by Sample.inputs or model.inputs; it has 3"
    ):
        trainer_with_depth(tmp_path, "count: 40, channels: 3")
    with pytest.raises(ConfigError, match="or model.inputs; inputs of the samples: none"):
        trainer_with_depth(tmp_path, "count: 40, channels: 0")
    with pytest.raises(ConfigError, match=r"input 'depth' of spot-0 is \(2, 8, 16\) float32; it must be \(C, 16, 16\) float32"):
        trainer_with_depth(tmp_path, "count: 40, height: 8")
