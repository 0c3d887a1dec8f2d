"""Multi-pose heads: outputs, initial state, switching parts off; the whole network with other keypoints and other parts."""

import mindspore as ms
import numpy as np
import pytest
from mindpoint.contracts.features import FeatureSpec
from mindpoint.errors import ConfigError
from mindpoint.model.network import Network
from mindpoint.optim.optimizers import Adam
from mindpoint.runtime import device
from mindpoint.training.step import TrainStep
from mindpoint_centernet.backbones.dla import DLA34
from mindpoint_centernet.backbones.resnet import ResNet
from mindpoint_centernet.heads.multi_pose import MultiPoseHeads
from mindpoint_centernet.losses.multi_pose import MultiPoseLoss
from mindpoint_centernet.necks.deconv import Deconv
from mindpoint_centernet.necks.dla_up import DLAUp
from mindpoint_centernet.necks.model_zoo import ModelZooDLAUp
from mindpoint_coco.keypoints import Keypoints

FEATURES = (FeatureSpec(64, 4),)
SLIM = (4, 4, 8, 8, 16, 16)


@pytest.fixture(autouse=True)
def seeded_graph_mode():
    device.setup("CPU", seed=0)


def joints(count):
    return Keypoints([f"joint {i}" for i in range(count)])


def test_maps_of_classes_and_joints():
    heads = MultiPoseHeads(FEATURES, joints(5), ["person", "dog", "cat"])
    channels = dict(hm=3, wh=2, hps=10, reg=2, hm_hp=5, hp_offset=2)
    assert heads.out_maps == {name: (count, 4) for name, count in channels.items()}


def test_initial_state_is_the_official_one():
    heads = MultiPoseHeads(FEATURES, joints(17), ["person"], head_conv=32)
    values = {name: parameter.asnumpy() for name, parameter in heads.parameters_dict().items()}
    for name in heads.out_maps:
        heatmap = name in ("hm", "hm_hp")
        np.testing.assert_array_equal(values[f"{name}.2.bias"], np.float32(-2.19 if heatmap else 0))
        assert values[f"{name}.0.bias"].any() == heatmap  # PyTorch's default is left in front of heatmaps alone
        for layer, fan_in in ((0, 64 * 9), (2, 32)):
            weight, bound = values[f"{name}.{layer}.weight"], 1 / np.sqrt(fan_in)
            assert np.abs(weight).max() <= bound
            if weight.size > 500:
                assert weight.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)


@pytest.mark.slow
def test_outputs_are_the_convolutions():
    """With head_conv 0 a map is one matrix product a pixel."""
    heads = MultiPoseHeads((FeatureSpec(3, 8),), joints(2), ["person"], head_conv=0)
    x = np.random.default_rng(0).normal(size=(1, 3, 4, 5)).astype(np.float32)
    outputs = heads((ms.Tensor(x),))
    parameters = heads.parameters_dict()
    assert sorted(outputs) == sorted(heads.out_maps)
    for name, value in outputs.items():
        weight, bias = parameters[f"{name}.weight"].asnumpy(), parameters[f"{name}.bias"].asnumpy()
        np.testing.assert_allclose(value.asnumpy(), np.einsum("oi,bihw->bohw", weight[..., 0, 0], x) + bias[:, None, None], atol=1e-5)


def test_optional_maps_can_be_left_out():
    heads = MultiPoseHeads(FEATURES, joints(2), ["person"], reg=False, hm_hp=False, hp_offset=False)
    assert list(heads.out_maps) == ["hm", "wh", "hps"]
    assert {name.split(".")[0] for name in heads.parameters_dict()} == {"hm", "wh", "hps"}
    with pytest.raises(ConfigError, match="hp_offset: false"):
        MultiPoseHeads(FEATURES, joints(2), ["person"], hm_hp=False)


def targets(count, size, slots=2):
    """One person with all joints at random places."""
    rng = np.random.default_rng(0)
    arrays = {
        "hm": rng.uniform(0, 1, (1, 1, size, size)),
        "hm_hp": rng.uniform(0, 1, (1, count, size, size)),
        "wh": rng.uniform(1, 4, (1, slots, 2)),
        "reg": rng.uniform(0, 1, (1, slots, 2)),
        "hps": rng.normal(size=(1, slots, 2 * count)),
        "hp_offset": rng.uniform(0, 1, (1, slots * count, 2)),
    }
    arrays = {name: value.astype(np.float32) for name, value in arrays.items()}
    arrays.update(
        ind=np.array([[3, 0]]),
        reg_mask=np.array([[1, 0]], np.uint8),
        hp_ind=rng.integers(0, size * size, (1, slots * count)),
        hps_mask=np.repeat(np.array([[[1], [0]]], np.uint8), 2 * count, 2),
        hp_mask=np.repeat([[1, 0]], count, 1),
    )
    arrays["hm"][0, 0].flat[3] = 1
    return arrays


def train(network, count, size=64):
    """Five updates on one image: the losses before each, and the trained parameters that never moved."""
    network.set_train()
    loss = MultiPoseLoss(maps=network.maps)
    step = TrainStep(network, {"pose": loss}, Adam(network.trainable_params(), 1e-3), loss.needs_targets)
    image = np.random.default_rng(1).normal(size=(1, 3, size, size)).astype(np.float32)
    before = {p.name: p.asnumpy().copy() for p in network.trainable_params()}
    arrays = targets(count, size // network.maps["hm"].stride)
    values = []
    for _ in range(5):
        found, updated = step.run({"image": image, **arrays}, 1e-3)
        assert updated
        values.append(found["loss"])
    still = [p.name for p in network.trainable_params() if np.array_equal(p.asnumpy(), before[p.name])]
    return values, still


def assemble(backbone, neck, count):
    return Network(backbone, neck, {"pose": MultiPoseHeads(neck.out_features, joints(count), ["person"], head_conv=8)})


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 5, 133])
def test_any_number_of_joints_trains(count):
    device.setup("CPU", 0, mode="graph" if count == 5 else "eager")
    backbone = ResNet(18, width=8)
    network = assemble(backbone, Deconv(backbone.out_features, (8, 8, 8), "plain"), count)
    losses, still = train(network, count)
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert still == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda: (ResNet(18, width=8), lambda f: Deconv(f, (16, 16, 16))),
        lambda: (ResNet(18, width=8), lambda f: Deconv(f, (16, 16), "plain")),
        lambda: (DLA34(SLIM), lambda f: Deconv(f, (8, 8))),
        lambda: (DLA34(SLIM), lambda f: DLAUp(f, "plain")),
        lambda: (ResNet(50, width=8), ModelZooDLAUp),
    ],
    ids=["resdcn18", "resnet18 stride 8", "dla deconv", "dla plain", "resnet50 model zoo"],
)
def test_parts_can_be_swapped(make):
    device.setup("CPU", 0, mode="eager")
    backbone, neck = make()
    network = assemble(backbone, neck(backbone.out_features), 2)
    losses, still = train(network, 2)
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert still == []
