"""Official names and ours."""

import json

import numpy as np
import pytest

from mindpoint_coco.keypoints import Keypoints
from mindpoint.model.network import Network
from mindpoint.errors import WeightsError
from mindpoint_centernet.backbones.resnet import ResNet
from mindpoint_centernet.heads.multi_pose import MultiPoseHeads
from mindpoint_centernet.necks.deconv import Deconv
from mindpoint_parity.network import official_network
from mindpoint_parity.seeded import golden_state
from mindpoint_centernet.weights.official import from_official, load_official, to_official


@pytest.fixture(scope="module")
def state(golden):
    return golden_state(golden)


@pytest.fixture(scope="module")
def network(state):
    return official_network(state)


def test_seeded_state_is_the_described_one(golden, state):
    for name, first in json.loads((golden / "seeded_weights_check.json").read_text()).items():
        np.testing.assert_allclose(state[name].ravel()[: len(first)], first, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    "ours, official",
    [
        ("backbone.base_layer.1.gamma", "base.base_layer.1.weight"),
        ("backbone.level3.tree1.root.bn.moving_variance", "base.level3.tree1.root.bn.running_var"),
        ("neck.dla_up.ida_2.node_3.conv.conv_offset_mask.bias", "dla_up.ida_2.node_3.conv.conv_offset_mask.bias"),
        ("neck.ida_up.proj_1.actf.0.beta", "ida_up.proj_1.actf.0.bias"),
        ("heads.pose.hm_hp.2.weight", "hm_hp.2.weight"),
        ("heads.anything.hm.bias", "hm.bias"),
        ("backbone.layer3.0.downsample.1.moving_mean", "layer3.0.downsample.1.running_mean"),
        ("backbone.bn1.beta", "bn1.bias"),
        ("neck.deconv_layers.0.conv_offset_mask.weight", "deconv_layers.0.conv_offset_mask.weight"),
    ],
)
def test_rules(ours, official):
    assert to_official(ours) == official


def test_every_official_tensor_has_its_place(state, network):
    """All but the counters and the two projections that feed nothing, each once."""
    names = {to_official(name) for name in network.parameters_dict()}
    left = {name for name in set(state) - names if not name.endswith("num_batches_tracked")}
    assert names <= set(state)
    assert {name.split(".project.")[0] for name in left} == {"base.level3", "base.level4"}


def test_round_trip(network):
    names = list(network.parameters_dict())
    there = [f"module.{to_official(name)}" for name in names]
    assert list(from_official(there, network).values()) == names


def test_report_tells_what_did_not_fit(state, network):
    changed = {f"module.{name}": value for name, value in state.items() if name != "wh.2.bias"}
    changed["module.hm.2.bias"] = np.zeros(80, np.float32)
    changed["module.base.fc.weight"] = changed["module.nonsense"] = np.zeros(1, np.float32)
    report = load_official(network, changed)
    assert report.missing == ["heads.pose.wh.2.bias"]
    assert report.unexpected == ["nonsense"]
    assert report.differs == [("heads.pose.hm.2.bias", (1,), (80,))]
    assert len(report.matched) == len(network.parameters_dict()) - 2
    gamma = network.parameters_dict()["backbone.level5.tree2.bn1.gamma"]
    np.testing.assert_array_equal(gamma.asnumpy(), state["base.level5.tree2.bn1.weight"])


def test_weights_of_another_network_are_refused(state):
    with pytest.raises(WeightsError, match="backbone.base_layer.0.weight"):
        official_network({name: value for name, value in state.items() if "base_layer" not in name})


def test_resdcn_names():
    backbone = ResNet(18)
    neck = Deconv(backbone.out_features, (256, 128, 64))
    network = Network(backbone, neck, {"pose": MultiPoseHeads(neck.out_features, Keypoints(["nose"]), ["person"], head_conv=64)})
    shapes = {to_official(name): tuple(parameter.shape) for name, parameter in network.parameters_dict().items()}
    # from the official resnet_dcn: conv1, layer2's first shortcut, the first deformable convolution, the last upsampling
    assert shapes["conv1.weight"] == (64, 3, 7, 7)
    assert shapes["layer2.0.downsample.0.weight"] == (128, 64, 1, 1)
    assert shapes["deconv_layers.0.weight"] == (256, 512, 3, 3)
    assert shapes["deconv_layers.0.conv_offset_mask.weight"] == (27, 512, 3, 3)
    assert shapes["deconv_layers.1.running_var"] == (256,)
    assert shapes["deconv_layers.15.weight"] == (64, 64, 4, 4)
    assert shapes["hm.2.bias"] == (1,)
