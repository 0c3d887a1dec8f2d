"""ResNet and the deconvolution neck."""

import mindspore as ms
import numpy as np
import pytest
from mindpoint.contracts.features import FeatureSpec
from mindpoint.errors import ConfigError
from mindpoint.runtime import device
from mindpoint_centernet.backbones.resnet import ResNet
from mindpoint_centernet.necks.deconv import Deconv
from mindspore import nn

# torchvision's parameter counts less the classifier's 1000 * (channels + 1)
PARAMETERS = {18: 11_689_512 - 513_000, 34: 21_797_672 - 513_000, 50: 25_557_032 - 2_049_000, 101: 44_549_160 - 2_049_000}


@pytest.fixture(scope="module", autouse=True)
def eager_mode():
    """Other tests compile these parts: those of their contracts and of training."""
    device.setup("CPU", seed=0)
    with device.operator_by_operator():
        yield


@pytest.mark.slow
@pytest.mark.parametrize("depth", PARAMETERS)
def test_parameters_are_torchvision_s(depth):
    backbone = ResNet(depth)
    assert sum(parameter.size for parameter in backbone.trainable_params()) == PARAMETERS[depth]
    widest = 512 if depth < 50 else 2048
    assert [tuple(f) for f in backbone.out_features] == [(widest // 8, 4), (widest // 4, 8), (widest // 2, 16), (widest, 32)]


def test_unknown_depth():
    with pytest.raises(ConfigError, match="18, 34, 50, 101, 152, got 20"):
        ResNet(20)


@pytest.mark.slow
def test_stem_pools_with_a_border():
    """The stem against numpy, and its pooling as 3x3 windows that start one pixel outside."""

    class Stem(nn.Cell):
        def __init__(self, network):
            super().__init__()
            self.network = network
            network.layer1 = nn.SequentialCell([nn.Identity()])

        def construct(self, image):
            return self.network(image)[0]

    network = ResNet(18).set_train(False)
    weight = network.conv1.weight.asnumpy().copy()
    image = np.random.default_rng(0).normal(size=(1, 3, 32, 32)).astype(np.float32)
    pooled = Stem(network)(ms.Tensor(image)).asnumpy()
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(image, ((0, 0), (0, 0), (3, 3), (3, 3))), (7, 7), (2, 3))[:, :, ::2, ::2]
    x = np.maximum(np.einsum("bihwkl,oikl->bohw", windows, weight) / np.sqrt(1 + 1e-5), 0)
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    wanted = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))[:, :, ::2, ::2].max((4, 5))
    np.testing.assert_allclose(pooled, wanted, atol=1e-4)


@pytest.mark.parametrize("conv", ["deformable", "plain"])
def test_deconv_doubles_once_for_each_width(conv):
    neck = Deconv((FeatureSpec(6, 16), FeatureSpec(12, 32)), (8, 4), conv).set_train(False)
    assert neck.out_features == (FeatureSpec(4, 8),)
    maps = tuple(ms.Tensor(np.random.default_rng(0).normal(size=shape).astype(np.float32)) for shape in ((1, 6, 8, 8), (1, 12, 4, 4)))
    (y,) = neck(maps)
    assert tuple(y.shape) == (1, 4, 16, 16)


def test_plain_deconv_is_transposed_convolutions_alone():
    neck = Deconv((FeatureSpec(12, 32),), (8, 4), "plain")
    assert [type(cell) for cell in neck.deconv_layers] == [nn.Conv2dTranspose, nn.BatchNorm2d, nn.ReLU] * 2
    assert neck.deconv_layers[0].weight.asnumpy().std() == pytest.approx(0.001, rel=0.1)


def test_deformable_deconv_starts_as_the_official_one():
    weight = Deconv((FeatureSpec(12, 32),), (8,)).deconv_layers[3].weight.asnumpy()
    row = np.array([0.25, 0.75, 0.75, 0.25])
    np.testing.assert_allclose(weight[:, 0], np.broadcast_to(np.outer(row, row), (8, 4, 4)))
    bound = 1 / np.sqrt(8 * 16)
    assert np.abs(weight[:, 1:]).max() <= bound and weight[:, 1:].std() == pytest.approx(bound / np.sqrt(3), rel=0.1)


@pytest.mark.parametrize("arguments", [dict(channels=()), dict(channels=(8,) * 6), dict(conv="dilated")])
def test_deconv_refuses(arguments):
    with pytest.raises(ConfigError, match="Deconv"):
        Deconv((FeatureSpec(12, 32),), **arguments)
