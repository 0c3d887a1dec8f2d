"""DLA-34, its necks and the shared layers."""

import math

import mindspore as ms
import numpy as np
import pytest
from mindpoint.contracts.features import FeatureSpec
from mindpoint.errors import ConfigError
from mindpoint.runtime import device
from mindpoint_centernet import layers
from mindpoint_centernet.backbones.dla import DLA, DLA34
from mindpoint_centernet.necks.dla_up import DLAUp
from mindpoint_centernet.necks.model_zoo import Merge, ModelZooDLAUp
from mindspore import nn

SLIM = (4, 4, 8, 8, 16, 16)
PYRAMID = (FeatureSpec(64, 4), FeatureSpec(128, 8), FeatureSpec(256, 16), FeatureSpec(512, 32))


@pytest.fixture(scope="module", autouse=True)
def eager_mode():
    """Other tests compile these parts: those of their contracts and of training."""
    device.setup("CPU", seed=0)
    with device.operator_by_operator():
        yield


def count(cell):
    return sum(parameter.size for parameter in cell.trainable_params())


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def pyramid(features, size=32):
    """A random map for each feature; the finest one is ``size`` wide and high."""
    sizes = [size * features[0].stride // feature.stride for feature in features]
    return tuple(ms.Tensor(random(1, feature.channels, n, n)) for feature, n in zip(features, sizes))


def test_full_size_has_the_official_parameters():
    backbone = DLA34()
    assert backbone.out_features == PYRAMID
    assert count(backbone) == 15_742_104 - 513_000  # the published DLA-34 less its classifier
    assert count(DLAUp(PYRAMID)) == 3_515_012 + 425_324  # official dla_up and ida_up


def test_initial_weights():
    values = {name: parameter.asnumpy() for name, parameter in DLA34().parameters_dict().items()}
    for name, kernel, out in (("base_layer.0", 7, 16), ("level3.tree2.root.conv", 1, 128), ("level5.tree1.conv2", 3, 512)):
        assert values[f"{name}.weight"].std() == pytest.approx(math.sqrt(2 / (kernel * kernel * out)), rel=0.1)
    gammas = [value for name, value in values.items() if name.endswith("gamma")]
    assert all((value == 1).all() for value in gammas)


def test_wrong_number_of_levels():
    with pytest.raises(ConfigError, match="six"):
        DLA34((16, 32, 64))


def test_batch_norm_trains_as_in_pytorch():
    """Biased variance for the output, unbiased for the running statistics, of which a tenth is new."""
    x = 3 + 2 * random(2, 4, 8, 8)
    cell = layers.batch_norm(4).set_train()
    y = cell(ms.Tensor(x)).asnumpy()
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    shape = (1, 4, 1, 1)
    np.testing.assert_allclose(y, (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + 1e-5), atol=1e-5)
    np.testing.assert_allclose(cell.moving_mean.asnumpy(), 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(cell.moving_variance.asnumpy(), 0.9 + 0.1 * x.var((0, 2, 3), ddof=1), rtol=1e-5)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_upsampling_starts_linear(factor):
    """A plane stays a plane away from the border: pixel centres move by the factor, half pixels aside."""
    x = np.add.outer(2.0 * np.arange(8), np.arange(8)).astype(np.float32)
    y = layers.upsample(2, factor)(ms.Tensor(np.stack([x, -x])[None])).asnumpy()
    position = (np.arange(8 * factor) + 0.5) / factor - 0.5
    inside = slice(factor, -factor)
    np.testing.assert_allclose(y[0, 0, inside, inside], np.add.outer(2 * position, position)[inside, inside], atol=1e-5)
    np.testing.assert_array_equal(y[0, 1], -y[0, 0])


@pytest.mark.slow
@pytest.mark.parametrize("levels", [2, 3, 4])
@pytest.mark.parametrize("make", [DLAUp, lambda f: DLAUp(f, conv="plain"), ModelZooDLAUp], ids=["deformable", "plain", "model zoo"])
def test_necks_take_any_pyramid(make, levels):
    features = tuple(FeatureSpec(channels, 2 ** (i + 1)) for i, channels in enumerate((6, 4, 10, 8)[:levels]))
    neck = make(features).set_train(False)
    (y,) = neck(pyramid(features))
    assert neck.out_features == (FeatureSpec(6, 2),)
    assert tuple(y.shape) == (1, 6, 32, 32)
    assert y.asnumpy().std() > 0


@pytest.mark.parametrize("make", [DLAUp, ModelZooDLAUp])
@pytest.mark.parametrize("strides", [(4,), (4, 16), (8, 4)])
def test_necks_refuse_other_strides(make, strides):
    with pytest.raises(ConfigError, match="double"):
        make(tuple(FeatureSpec(8, stride) for stride in strides))


class Add(nn.Cell):
    """Stands for a merge in the model-zoo neck: nearest upsampling of the coarse map, one channel, times a factor that tells the merge."""

    def __init__(self, merge, weight):
        super().__init__()
        self.factor = merge.up.stride[0]
        self.weight = weight

    def construct(self, coarse, fine):
        for axis in (2, 3):
            coarse = coarse.repeat_interleave(self.factor, axis)
        return self.weight * coarse + fine


def test_model_zoo_neck_shares_its_merges():
    """With linear merges: which map reaches the result over which merges, worked by hand for three levels."""
    features = tuple(FeatureSpec(1, 4 * 2**i) for i in range(3))
    neck = ModelZooDLAUp(features)
    a, b, u, v = 2.0, 3.0, 5.0, 7.0
    for cells, weights in ((neck.merges, (a, b)), (neck.final_merges, (u, v))):
        for i, weight in enumerate(weights):
            assert isinstance(cells[i], Merge)
            cells[i] = Add(cells[i], weight)
    fine, middle, coarse = (ms.Tensor(np.full((1, 1, size, size), value, np.float32)) for size, value in ((8, 1), (4, 10), (2, 100)))
    # level 1: a*10 + 1 = 21. Level 2: b*100 + 10 = 310, then a*310 + 21 = 641. Final: + u*310 + v*100
    np.testing.assert_allclose(neck((fine, middle, coarse))[0].asnumpy(), 641 + u * 310 + v * 100)


def test_model_zoo_neck_size():
    """4.75 million parameters, as the model zoo's."""
    assert count(ModelZooDLAUp(PYRAMID)) == pytest.approx(4.75e6, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("depth, published", [(46, 1_301_400), (60, 22_036_632), (102, 33_268_888)])
def test_other_depths_have_the_published_parameters(depth, published):
    backbone = DLA(depth)
    classifier = 1000 * (backbone.out_features[-1].channels + 1)
    assert count(backbone) == published - classifier


@pytest.mark.slow
def test_tree_heights_make_a_depth():
    by_heights = DLA(60, levels=(1, 1, 1, 3, 4, 1))
    assert set(by_heights.parameters_dict()) == set(DLA(102).parameters_dict())
    assert "level0.3.weight" in DLA34(SLIM, levels=(2, 1, 1, 1, 1, 1)).parameters_dict()


@pytest.mark.slow
def test_a_finer_map_on_request():
    coarse, fine = DLA34(SLIM), DLA34(SLIM, down_ratio=2)
    for target, source in zip(fine.get_parameters(), coarse.get_parameters()):
        target.set_data(source)
    image = ms.Tensor(random(1, 3, 64, 64))
    usual, more = coarse.set_train(False)(image), fine.set_train(False)(image)
    assert [feature.stride for feature in fine.out_features] == [2, 4, 8, 16, 32] and more[0].shape == (1, SLIM[1], 32, 32)
    for ours, theirs in zip(more[1:], usual):
        assert np.array_equal(ours.asnumpy(), theirs.asnumpy())


@pytest.mark.parametrize("neck, usual", [(lambda f, last=None: DLAUp(f, "plain", last), 5), (ModelZooDLAUp, 6)])
def test_last_level(neck, usual):
    def names(*arguments):
        return set(neck(PYRAMID, *arguments).parameters_dict())

    assert names() == names(usual) and len(names(4)) < len(names(5)) < len(names(6))
    with pytest.raises(ConfigError, match="last_level must be in 4..6, got 7"):
        neck(PYRAMID, 7)


def test_wrong_arguments():
    for arguments, text in (({"depth": 35}, "35"), ({"down_ratio": 32}, "32"), ({"levels": (1, 1)}, "levels must be six")):
        with pytest.raises(ConfigError, match=text):
            DLA(**arguments)
