"""MobileNetV2 and V3, HRNet and the feature pyramid: against figures of torchvision and timm, and by the contract's tests."""

import mindspore as ms
import numpy as np
import pytest
from mindpoint.contracts.features import FeatureSpec
from mindpoint.errors import ConfigError
from mindpoint.native.accelerate import accelerate
from mindpoint.testing import BackboneTests, NeckTests
from mindpoint_backbones import hrnet
from mindpoint_backbones.fpn import FPN
from mindpoint_backbones.hrnet import HRNet
from mindpoint_backbones.mobilenet_v2 import MobileNetV2
from mindpoint_backbones.mobilenet_v3 import MobileNetV3
from mindspore import Tensor, nn

NETWORKS = {
    "MobileNetV2": MobileNetV2,
    "MobileNetV2, thin": lambda: MobileNetV2(0.35),
    "MobileNetV3, large": MobileNetV3,
    "MobileNetV3, small": lambda: MobileNetV3("small"),
    "HRNet": lambda: HRNet(8),
}

# Of each map: mean, standard deviation, first and last element. torchvision 0.29.1 gives them for MobileNets and timm 1.0.31 for HRNet with
# the parameters of `fill` and the image of `image`.
EXPECTED = {
    "MobileNetV2": [
        [0.238056, 4.067968, 2.376069, -3.714319],
        [0.493694, 5.203859, 1.417336, 2.761388],
        [0.159248, 5.361724, 1.798603, -0.010136],
        [0.007481, 3.104593, -0.586931, -1.420831],
    ],
    "MobileNetV2, thin": [
        [-2.124111, 2.774932, 0.957087, 1.154487],
        [-0.303137, 4.243415, -0.555664, 1.182789],
        [0.147995, 4.53272, 5.00304, 0.531374],
        [0.222602, 2.751442, -2.704201, -2.929767],
    ],
    "MobileNetV3, large": [
        [0.845512, 5.362392, -2.226416, -3.77411],
        [1.748343, 13.249421, -3.124443, 3.926661],
        [2.786378, 391.820221, -130.828278, 178.6147],
        [2.826553, 534.777832, 229.116394, 323.185608],
    ],
    "MobileNetV3, small": [
        [-0.032984, 0.815762, -0.252528, -0.315026],
        [0.496548, 3.260358, 1.358961, 1.686278],
        [0.194906, 5.351567, 5.657024, -0.3545],
        [-0.873591, 7.545937, -15.034977, 8.667864],
    ],
    "HRNet": [
        [194264704.0, 297562624.0, 33372878.0, 0.0],
        [252250624.0, 497571904.0, 296031680.0, 25945644.0],
        [315419680.0, 400277760.0, 1185927552.0, 657799424.0],
        [267726672.0, 373333568.0, 1443796.0, 0.0],
    ],
}

# Trainable parameters of torchvision's networks less those of the last convolution and the classifier; of HRNet-W32 for pose less its
# last layer's 561: 28.54 M are published.
PARAMETERS = {
    "MobileNetV2": 3_504_872 - (320 * 1280 + 2 * 1280) - 1281 * 1000,
    "MobileNetV3, large": 5_483_032 - (160 * 960 + 2 * 960) - 961 * 1280 - 1281 * 1000,
    "MobileNetV3, small": 2_542_856 - (96 * 576 + 2 * 576) - 577 * 1024 - 1025 * 1000,
}


def value_of(name, shape):
    """Return the values that a parameter gets: they follow from its name."""
    rng = np.random.default_rng(list(name.encode()))
    if name.endswith(("gamma", "moving_variance")):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if len(shape) == 1:
        return rng.normal(0, 0.1, shape).astype(np.float32)
    return rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)


def fill(network):
    for name, parameter in network.parameters_dict().items():
        parameter.set_data(Tensor(value_of(name, parameter.shape)))
    network.set_train(False)
    return network


def image():
    return np.random.default_rng(5).normal(size=(2, 3, 64, 96)).astype(np.float32)


def figures(array):
    return [float(number) for number in (array.mean(), array.std(), array.flat[0], array.flat[-1])]


@pytest.fixture(autouse=True)
def graph_mode():
    ms.set_context(mode=ms.GRAPH_MODE)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_maps_are_those_of_other_implementations(name):
    ms.set_context(mode=ms.PYNATIVE_MODE)  # other tests compile them
    network = fill(NETWORKS[name]())
    accelerate(network)
    maps = network(Tensor(image()))
    assert len(maps) == 4
    for found, expected in zip(maps, EXPECTED[name]):
        # relative to the map's deviation: a mean or a pixel near zero has no digits of its own
        np.testing.assert_allclose(figures(found.asnumpy()), expected, rtol=0, atol=5e-5 * expected[1])


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_torchvision_s(name):
    assert sum(parameter.size for parameter in NETWORKS[name]().trainable_params()) == PARAMETERS[name]


@pytest.mark.slow
def test_hrnet_w32_for_pose_has_the_published_size():
    network = HRNet(32, maps=1)
    assert sum(parameter.size for parameter in network.trainable_params()) == 28_536_113 - (32 * 17 + 17)
    assert network.out_features == (FeatureSpec(32, 4),)


@pytest.mark.slow
def test_names_are_those_of_the_files():
    names = {
        MobileNetV2(): ["features.0.0.weight", "features.1.conv.0.0.weight", "features.17.conv.3.moving_mean"],
        MobileNetV3(): ["features.15.block.2.fc1.bias", "features.15.block.3.1.gamma"],
        MobileNetV3("small"): ["features.1.block.1.fc2.weight"],
        HRNet(8): [
            "layer1.0.downsample.1.beta",
            "transition1.1.0.0.weight",
            "stage4.2.fuse_layers.3.0.2.0.weight",
            "stage3.3.branches.2.3.bn2.gamma",
        ],
        FPN((FeatureSpec(4, 4), FeatureSpec(8, 8))): ["inner_blocks.1.0.bias"],
    }
    assert [name for network, few in names.items() for name in few if name not in network.parameters_dict()] == []


@pytest.mark.slow
def test_the_pyramid_adds_what_is_coarser():
    """By hand: one channel, projections and convolutions that copy; strides 4, 8 and 32."""
    neck = FPN((FeatureSpec(1, 4), FeatureSpec(1, 8), FeatureSpec(1, 32)), channels=1)
    for name, parameter in neck.parameters_dict().items():
        value = np.zeros(parameter.shape, np.float32)
        if name.endswith("weight"):
            value[0, 0, parameter.shape[2] // 2, parameter.shape[3] // 2] = 1
        parameter.set_data(Tensor(value))
    maps = [np.random.default_rng(side).normal(size=(1, 1, side, side)).astype(np.float32) for side in (16, 8, 2)]
    found = [y.asnumpy() for y in neck(tuple(map(Tensor, maps)))]
    middle = maps[1] + maps[2].repeat(4, 2).repeat(4, 3)
    for ours, expected in zip(found, (maps[0] + middle.repeat(2, 2).repeat(2, 3), middle, maps[2])):
        np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_the_pyramid_gives_the_levels_that_are_wanted():
    features = (FeatureSpec(4, 4), FeatureSpec(6, 8), FeatureSpec(8, 16))
    neck = FPN(features, channels=5, levels=1)
    assert neck.out_features == (FeatureSpec(5, 4),) and len(neck.layer_blocks) == 1
    with pytest.raises(ConfigError, match="levels in 1..3, got 5 and 4"):
        FPN(features, channels=5, levels=4)
    with pytest.raises(ConfigError, match=r"gives \[4\]"):
        FPN(features[:1])


@pytest.mark.parametrize("make", [lambda: MobileNetV2(0), lambda: MobileNetV3("medium"), lambda: HRNet(32, 5), lambda: HRNet(0)])
def test_wrong_arguments(make):
    with pytest.raises(ConfigError, match="must be"):
        make()


@pytest.mark.slow
class TestMobileNetV2(BackboneTests):
    def make(self):
        return MobileNetV2(0.1)


@pytest.mark.slow
class TestMobileNetV3(BackboneTests):
    def make(self):
        return MobileNetV3("large", 0.1)


@pytest.mark.slow
class TestHRNet(BackboneTests):
    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch):
        """One block and one module of each kind, since compilation takes most of the time."""
        monkeypatch.setattr(hrnet, "BLOCKS", 1)
        monkeypatch.setattr(hrnet, "MODULES", dict.fromkeys(hrnet.MODULES, 1))

    def make(self):
        return HRNet(4)


@pytest.mark.slow
class TestFPN(NeckTests):
    def make(self):
        return FPN(self.in_features, channels=8)


def test_depthwise_convolutions_get_the_kernel():
    network = MobileNetV2()
    convolutions = [cell for _, cell in network.cells_and_names() if isinstance(cell, nn.Conv2d)]
    assert sum(cell.group > 1 for cell in convolutions) == 17
    assert accelerate(network) >= len(convolutions)
