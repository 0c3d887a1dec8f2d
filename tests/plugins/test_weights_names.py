"""Official names and ours."""

import json

import numpy as np
import pytest
from mindpoint.contracts.weights import RecognizedWeights, WeightRules, torch_name
from mindpoint.errors import WeightsError
from mindpoint.model.network import Network
from mindpoint.model.translate import load_official, our_arrays, recognize, recognize_ours
from mindpoint.registry import registry
from mindpoint_centernet.backbones.resnet import ResNet
from mindpoint_centernet.heads.multi_pose import MultiPoseHeads
from mindpoint_centernet.necks.deconv import Deconv
from mindpoint_centernet.weights.dla import DLARules
from mindpoint_centernet.weights.hourglass import HourglassRules
from mindpoint_centernet.weights.resnet import ResNetRules
from mindpoint_coco.keypoints import Keypoints
from mindpoint_parity.network import official_network
from mindpoint_parity.seeded import golden_state


@pytest.fixture(scope="module")
def state(golden):
    return golden_state(golden)


@pytest.fixture(scope="module")
def network(state):
    return official_network(state)


def test_seeded_state_is_the_described_one(golden, state):
    for name, first in json.loads((golden / "seeded_weights_check.json").read_text()).items():
        np.testing.assert_allclose(state[name].ravel()[: len(first)], first, rtol=1e-6, err_msg=name)


DLA, RESNET, HOURGLASS = DLARules(), ResNetRules(), HourglassRules()


@pytest.mark.parametrize(
    "rules, ours, official",
    [
        (DLA, "backbone.base_layer.1.gamma", "base.base_layer.1.weight"),
        (DLA, "backbone.level3.tree1.root.bn.moving_variance", "base.level3.tree1.root.bn.running_var"),
        (DLA, "neck.dla_up.ida_2.node_3.conv.conv_offset_mask.bias", "dla_up.ida_2.node_3.conv.conv_offset_mask.bias"),
        (DLA, "neck.ida_up.proj_1.actf.0.beta", "ida_up.proj_1.actf.0.bias"),
        (DLA, "heads.pose.hm_hp.2.weight", "hm_hp.2.weight"),
        (RESNET, "heads.anything.hm.bias", "hm.bias"),
        (RESNET, "backbone.layer3.0.downsample.1.moving_mean", "layer3.0.downsample.1.running_mean"),
        (RESNET, "backbone.bn1.beta", "bn1.bias"),
        (HOURGLASS, "backbone.kps.1.low2.low3.1.skip.1.gamma", "kps.1.low2.low3.1.skip.1.weight"),
        (HOURGLASS, "backbone.inters_.0.1.moving_mean", "inters_.0.1.running_mean"),
        (HOURGLASS, "stacks.0.heads.detection.hm.0.bias", "hm.0.0.conv.bias"),
        (HOURGLASS, "heads.pose.hm_hp.2.weight", "hm_hp.1.1.weight"),
        (RESNET, "neck.deconv_layers.0.conv_offset_mask.weight", "deconv_layers.0.conv_offset_mask.weight"),
    ],
)
def test_rules(rules, ours, official):
    assert rules.official_name(ours) == official


def test_every_official_tensor_has_its_place(state, network):
    """All but the counters and the two projections that feed nothing, each once."""
    names = {DLA.official_name(name) for name in network.parameters_dict()}
    left = {name for name in set(state) - names if not name.endswith("num_batches_tracked")}
    assert names <= set(state)
    assert {name.split(".project.")[0] for name in left} == {"base.level3", "base.level4"}
    assert left == {name for name in state if DLA.feeds_nothing(name, state) and not name.endswith("num_batches_tracked")}


def test_round_trip(state, network):
    """From a file of several devices to our names, each array once; and all that the official network has from ours."""
    rules, found, official = recognize({f"module.{name}": value for name, value in state.items()}, "x")
    assert (type(rules), found.whole) == (DLARules, True) and official.keys() == state.keys()
    ours = our_arrays(network, official, rules)
    assert ours.keys() == network.parameters_dict().keys()
    back = recognize_ours(ours, "y")
    assert type(back.rules) is DLARules and str(back.weights) == str(found)
    assert {name: value.shape for name, value in back.state.items()} == {name: value.shape for name, value in state.items()}


def test_report_tells_what_did_not_fit(state, network):
    changed = {name: value for name, value in state.items() if name != "wh.2.bias"}
    changed["hm.2.bias"] = np.zeros(80, np.float32)
    changed["base.fc.weight"] = changed["nonsense"] = np.zeros(1, np.float32)
    report = load_official(network, changed, DLA)
    assert report.missing == ["heads.pose.wh.2.bias"]
    assert report.unexpected == ["nonsense"]
    assert report.differs == [("heads.pose.hm.2.bias", (1,), (80,))]
    assert len(report.matched) == len(network.parameters_dict()) - 2
    gamma = network.parameters_dict()["backbone.level5.tree2.bn1.gamma"]
    np.testing.assert_array_equal(gamma.asnumpy(), state["base.level5.tree2.bn1.weight"])


class LittleNetRules(WeightRules):
    """What another distribution would declare for its backbone."""

    def recognize(self, shapes):
        if "features.0.weight" not in shapes:
            return None
        width = shapes["features.0.weight"][0]
        config = {"model": {"backbone": {"type": "LittleNet", "width": width}}}
        return RecognizedWeights("LittleNet", f"LittleNet, {width} wide", config, False)

    def official_name(self, ours):
        return torch_name(ours).replace("backbone.", "features.")


def test_rules_of_another_distribution(state):
    mine = {"module.features.0.weight": np.zeros((8, 3, 3, 3)), "features.1.num_batches_tracked": np.zeros(())}
    known = registry("weight_rules")
    with pytest.raises(
        WeightsError,
        match="x: weights of an unknown architecture .*features.0.weight.*supported: DLA, Hourglass, MobileNet, ModelZoo, ResNet",
    ):
        recognize(mine, "x")
    with known.registered("LittleNet", LittleNetRules):
        rules, found, arrays = recognize(mine, "x")
        assert (type(rules), str(found)) == (LittleNetRules, "LittleNet, 8 wide")
        assert list(arrays) == ["features.0.weight", "features.1.num_batches_tracked"]
        assert type(recognize(state, "x").rules) is DLARules
        assert rules.feeds_nothing("features.1.num_batches_tracked", arrays) and not rules.feeds_nothing("features.0.weight", arrays)
        ours = recognize_ours({"backbone.0.weight": np.zeros((8, 3, 3, 3)), "backbone.1.moving_mean": np.zeros(8)}, "y")
        assert list(ours.state) == ["features.0.weight", "features.1.running_mean", "features.1.num_batches_tracked"]
        with pytest.raises(WeightsError, match="LittleNetRules: comparison with an official network is not available"):
            rules.reference_outputs(arrays, np.zeros((1, 3, 32, 32)))
        with known.registered("Twin", LittleNetRules), pytest.raises(WeightsError, match="several rules recognise these weights"):
            recognize(mine, "x")


def test_weights_of_another_network_are_refused(state):
    with pytest.raises(WeightsError, match="backbone.base_layer.0.weight"):
        official_network({name: value for name, value in state.items() if "base_layer" not in name})


def resnet_shapes(width):
    backbone = ResNet(18, width)
    neck = Deconv(backbone.out_features, (256, 128, 64))
    network = Network(backbone, neck, {"pose": MultiPoseHeads(neck.out_features, Keypoints(["nose"]), ["person"], head_conv=64)})
    return {RESNET.official_name(name): tuple(parameter.shape) for name, parameter in network.parameters_dict().items()}


def test_a_narrow_resnet_is_not_the_official_one():
    official, narrow = (RESNET.body(resnet_shapes(width)) for width in (64, 32))
    assert official.official and "width" not in official.blocks["backbone"]
    assert not narrow.official and narrow.blocks["backbone"] == {"type": "ResNet", "depth": 18, "width": 32}


def test_a_dla_with_bottlenecks_is_named():
    shapes = {"base.level5.root.conv.weight": (512, 1024, 1, 1), "base.level2.tree1.conv3.weight": (64, 64, 1, 1)}
    with pytest.raises(WeightsError, match="a DLA with bottlenecks"):
        DLA.body(shapes)


def test_resdcn_names():
    shapes = resnet_shapes(64)
    # from the official resnet_dcn: conv1, layer2's first shortcut, the first deformable convolution, the last upsampling
    assert shapes["conv1.weight"] == (64, 3, 7, 7)
    assert shapes["layer2.0.downsample.0.weight"] == (128, 64, 1, 1)
    assert shapes["deconv_layers.0.weight"] == (256, 512, 3, 3)
    assert shapes["deconv_layers.0.conv_offset_mask.weight"] == (27, 512, 3, 3)
    assert shapes["deconv_layers.1.running_var"] == (256,)
    assert shapes["deconv_layers.15.weight"] == (64, 64, 4, 4)
    assert shapes["hm.2.bias"] == (1,)
