"""Both implementations of the deformable convolution against its formula."""

import sys
from pathlib import Path

import mindpoint  # noqa: F401
import mindspore as ms
import numpy as np
import pytest
from mindpoint.errors import MindpointError
from mindpoint.native.accelerate import accelerate
from mindpoint.native.build import find_compilers
from mindpoint.native.conv2d import has_bfloat16
from mindpoint.native.fused import conv_norm
from mindpoint.native.kernel import choose
from mindpoint_centernet.ops.deform_conv import DeformConv2d, deform_conv2d
from mindpoint_centernet.ops.deform_conv_native import SOURCE
from mindspore import Tensor, nn, ops

sys.path.insert(0, str(Path(__file__).parent))
import deform_conv_oracle as oracle

pytestmark = pytest.mark.usefixtures("graph_mode")

# batch, in, out, height, width, kernel, stride, padding, dilation, groups
CASES = {
    "plain": (2, 4, 3, 6, 5, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    "stride": (2, 3, 3, 7, 8, (3, 3), (2, 2), (1, 1), (1, 1), 1),
    "dilation": (1, 4, 2, 7, 6, (3, 3), (1, 1), (2, 2), (2, 2), 1),
    "groups": (2, 4, 3, 5, 6, (3, 3), (1, 1), (1, 1), (1, 1), 2),
    "kernel1": (1, 4, 3, 4, 5, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    "kernel5": (1, 2, 3, 6, 7, (5, 5), (1, 1), (2, 2), (1, 1), 1),
    "uneven": (1, 4, 3, 7, 9, (5, 3), (2, 1), (3, 0), (1, 2), 2),
    "vectors": (2, 34, 33, 4, 7, (3, 3), (1, 1), (1, 1), (1, 1), 2),  # more channels than a vector has lanes, none a multiple
}
COMPILED = ("stride", "vectors")  # the others run without a compilation
NAMES = ("x", "offset", "mask", "weight", "bias")


@pytest.fixture(params=["portable", "native"])
def implementation(request):
    if request.param == "native" and not find_compilers():
        pytest.skip("no C++ compiler here")
    return request.param


class Function(nn.Cell):
    def __init__(self, *numbers):
        super().__init__()
        self.numbers = numbers

    def construct(self, x, offset, mask, weight, bias):
        return deform_conv2d(x, offset, mask, weight, bias, *self.numbers)


class Gradients(nn.Cell):
    """Gradients of the five arguments, for the output's gradient ``sens``."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.gradient = ops.GradOperation(get_all=True)

    def loss(self, x, offset, mask, weight, bias, sens):
        return (self.network(x, offset, mask, weight, bias) * sens).sum()

    def construct(self, x, offset, mask, weight, bias, sens):
        return self.gradient(self.loss)(x, offset, mask, weight, bias, sens)[:5]


def example(case, seed=0):
    """float32 arguments; sampled positions reach 3 pixels past the border and keep 0.2 pixels away from pixel centres, where the
    derivative jumps."""
    batch, channels, outputs, height, width, kernel, stride, padding, dilation, groups = CASES[case]
    rng = np.random.RandomState(seed)
    size = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip((height, width), kernel, stride, padding, dilation)]
    taps = groups * kernel[0] * kernel[1]
    offset = rng.randint(-4, 4, (batch, 2 * taps, *size)) + rng.uniform(0.2, 0.8, (batch, 2 * taps, *size))
    arguments = (
        rng.randn(batch, channels, height, width),
        offset,
        rng.rand(batch, taps, *size),
        rng.randn(outputs, channels, *kernel),
        rng.randn(outputs),
    )
    return [value.astype(np.float32) for value in arguments], (stride, padding, dilation, groups)


def tensors(arrays):
    return [Tensor(array) for array in arrays]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_matches_formula_and_its_slopes(case, implementation, eager_mode):
    if case in COMPILED:
        ms.set_context(mode=ms.GRAPH_MODE)
    arguments, numbers = example(case)
    expected = oracle.deform_conv(*arguments, *numbers)
    network = Function(*numbers, implementation)
    np.testing.assert_allclose(network(*tensors(arguments)).asnumpy(), expected, rtol=0, atol=2e-6 * np.abs(expected).max())

    rng = np.random.RandomState(1)
    sens = rng.randn(*expected.shape).astype(np.float32)
    gradients = Gradients(network)(*tensors(arguments), Tensor(sens))
    for which, gradient in enumerate(gradients):
        entries = [tuple(rng.randint(arguments[which].shape)) for _ in range(12)]
        slopes = oracle.slopes(lambda *moved: (oracle.deform_conv(*moved, *numbers) * sens).sum(), arguments, which, entries)
        found = np.array([gradient.asnumpy()[entry] for entry in entries])
        np.testing.assert_allclose(found, slopes, rtol=1e-5, atol=1e-5 * np.abs(gradient.asnumpy()).max(), err_msg=NAMES[which])


@pytest.mark.slow
@pytest.mark.parametrize("case", ["plain", "stride", "groups", "uneven", "vectors"])
def test_native_and_portable_agree(case, eager_mode):
    """Everywhere, also where offsets are whole numbers and the derivative is a matter of convention (as in a network's first step)."""
    if not find_compilers():
        pytest.skip("no C++ compiler here")
    arguments, numbers = example(case, seed=2)
    arguments[1][..., ::2] = np.floor(arguments[1][..., ::2])  # in half of the columns
    results = []
    for implementation in ("portable", "native"):
        network = Function(*numbers, implementation)
        y = network(*tensors(arguments))
        sens = Tensor(np.random.RandomState(3).randn(*y.shape).astype(np.float32))
        results.append([y, *Gradients(network)(*tensors(arguments), sens)])
    for name, portable, native in zip(("y",) + NAMES, *results):
        scale = np.abs(portable.asnumpy()).max()
        np.testing.assert_allclose(native.asnumpy(), portable.asnumpy(), rtol=0, atol=3e-6 * scale, err_msg=name)


def test_two_by_two_by_hand(implementation, eager_mode):
    x = np.array([[[[1, 2], [3, 4]]]], np.float32)
    dy, dx = [[0.5, 0], [-2, -0.5]], [[0.25, 0.5], [0, -0.25]]
    mask = np.array([[[[0.5, 1], [1, 1]]]], np.float32)
    offset = np.array([[dy, dx]], np.float32)
    weight, bias = np.full((1, 1, 1, 1), 2, np.float32), np.ones(1, np.float32)
    network = Function(1, 0, 1, 1, implementation)
    y = network(*tensors([x, offset, mask, weight, bias])).asnumpy()
    # (0.5, 0.25) between all four pixels: 2.25, halved by the mask; (0, 1.5) half outside: 1; (-1, 0) outside: 0; (0.5, 0.75): 2.75
    np.testing.assert_array_equal(y, [[[[2 * 0.5 * 2.25 + 1, 2 * 1 + 1], [1, 2 * 2.75 + 1]]]])

    dimage, doffset, dmask, dweight, dbias = Gradients(network)(*tensors([x, offset, mask, weight, bias, np.ones_like(mask)]))
    # first output: pixel weights 3/8, 1/8, 3/8, 1/8 times 2 * 0.5; second: pixel 2 by half times 2; fourth: 1/8, 3/8, 1/8, 3/8 times 2
    np.testing.assert_allclose(dimage.asnumpy(), [[[[0.375 + 0.25, 0.125 + 1 + 0.75], [0.375 + 0.25, 0.125 + 0.75]]]])
    # downwards the map grows by 2 a pixel, to the right by 1; the second sample leaves the map to the right, losing 2 a pixel
    np.testing.assert_allclose(doffset.asnumpy()[0, :, 0, 0], [2 * 0.5 * 2, 2 * 0.5 * 1])
    np.testing.assert_allclose(doffset.asnumpy()[0, 1, 0, 1], 2 * -2)
    np.testing.assert_allclose(doffset.asnumpy()[0, :, 1, 0], [0, 0])
    np.testing.assert_allclose(dmask.asnumpy(), [[[[4.5, 2], [0, 5.5]]]])
    np.testing.assert_allclose(dweight.asnumpy().ravel(), [0.5 * 2.25 + 1 + 2.75])
    np.testing.assert_allclose(dbias.asnumpy(), [4])


@pytest.mark.slow
@pytest.mark.parametrize("far", [50.0, -1e4, 3e9])
def test_far_outside_is_zero_and_finite(far, implementation, eager_mode):
    arguments, numbers = example("plain")
    arguments[1] = np.full_like(arguments[1], far)
    network = Function(*numbers, implementation)
    y = network(*tensors(arguments)).asnumpy()
    np.testing.assert_array_equal(y, np.broadcast_to(arguments[4][None, :, None, None], y.shape))
    *others, dbias = Gradients(network)(*tensors(arguments), Tensor(np.ones_like(y)))
    for gradient in others:
        np.testing.assert_array_equal(gradient.asnumpy(), 0)
    np.testing.assert_allclose(dbias.asnumpy(), np.full(3, y[:, 0].size))


def test_without_offsets_it_is_a_convolution(implementation, eager_mode):
    arguments, numbers = example("stride")
    arguments[1], arguments[2] = np.zeros_like(arguments[1]), np.ones_like(arguments[2])
    y = deform_conv2d(*tensors(arguments[:4]), None, *numbers, implementation)
    plain = ops.conv2d(Tensor(arguments[0]), Tensor(arguments[3]), None, 2, "pad", 1)
    np.testing.assert_allclose(y.asnumpy(), plain.asnumpy(), rtol=0, atol=1e-5)


@pytest.mark.skipif(not has_bfloat16(), reason="needs a CPU with products of bfloat16 numbers")
@pytest.mark.parametrize("case", ["plain", "uneven", "vectors"])
def test_products_of_bfloat16_numbers_are_summed_in_float32(case, rounded, eager_mode):
    """Interpolated values that bfloat16 holds exactly, so that only the weights are rounded."""
    arguments, numbers = example(case, seed=4)
    rng = np.random.RandomState(5)
    arguments[0] = rng.randint(-4, 5, arguments[0].shape).astype(np.float32)
    arguments[1] = np.round(2 * arguments[1]) / 2
    arguments[2] = rng.randint(1, 3, arguments[2].shape).astype(np.float32) / 2
    results = []
    for weight, bfloat16 in ((rounded(arguments[3]), False), (arguments[3], True), (arguments[3], False)):
        network = Function(*numbers, "native", bfloat16)
        given = tensors([*arguments[:3], weight, arguments[4]])
        y = network(*given)
        sens = Tensor(np.random.RandomState(6).randint(-8, 9, y.shape).astype(np.float32))
        results.append([array.asnumpy() for array in (y, *Gradients(network)(*given, sens))])
    for name, wanted, found, single in zip(("y",) + NAMES, *results):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6 * np.abs(wanted).max(), err_msg=name)
        if name in ("y", "x", "offset", "mask"):
            assert np.abs(found - single).max() > 1e-4 * np.abs(single).max(), f"{name}: the weights were rounded"


def test_native_is_deterministic(eager_mode):
    if not find_compilers():
        pytest.skip("no C++ compiler here")
    rng = np.random.RandomState(0)
    arguments = [
        value.astype(np.float32)
        for value in (rng.randn(2, 16, 40, 40), rng.randn(2, 18, 40, 40) * 3, rng.rand(2, 9, 40, 40), rng.randn(8, 16, 3, 3), rng.randn(8))
    ]
    network = Function(1, 1, 1, 1, "native")
    gradients = Gradients(network)
    sens = Tensor(rng.randn(2, 8, 40, 40).astype(np.float32))
    runs = [[network(*tensors(arguments)), *gradients(*tensors(arguments), sens)] for _ in range(5)]
    for run in runs[1:]:
        for first, again in zip(runs[0], run):
            np.testing.assert_array_equal(again.asnumpy(), first.asnumpy())


@pytest.mark.slow
def test_native_with_dynamic_shapes():
    if not find_compilers():
        pytest.skip("no C++ compiler here")
    weight, bias = np.random.RandomState(0).randn(3, 4, 3, 3).astype(np.float32), np.zeros(3, np.float32)
    network = Function(1, 1, 1, 1, "native")
    gradients = Gradients(network)
    open_shapes = [Tensor(shape=[None, channels, None, None], dtype=ms.float32) for channels in (4, 18, 9)]
    network.set_inputs(*open_shapes, Tensor(weight), Tensor(bias))
    gradients.set_inputs(*open_shapes, Tensor(weight), Tensor(bias), Tensor(shape=[None, 3, None, None], dtype=ms.float32))
    for seed, (batch, height, width) in enumerate([(1, 5, 6), (2, 7, 4)]):
        rng = np.random.RandomState(seed)
        arguments = [rng.randn(batch, 4, height, width), rng.randn(batch, 18, height, width), rng.rand(batch, 9, height, width)]
        arguments = [value.astype(np.float32) for value in arguments] + [weight, bias]
        sens = rng.randn(batch, 3, height, width).astype(np.float32)
        expected = oracle.deform_conv(*arguments, (1, 1), (1, 1), (1, 1), 1)
        np.testing.assert_allclose(network(*tensors(arguments)).asnumpy(), expected, rtol=0, atol=1e-5)
        fixed = Gradients(Function(1, 1, 1, 1, "native"))(*tensors(arguments), Tensor(sens))
        for moving, still in zip(gradients(*tensors(arguments), Tensor(sens)), fixed):
            np.testing.assert_array_equal(moving.asnumpy(), still.asnumpy())


def test_cell_starts_as_half_a_convolution(implementation, eager_mode):
    cell = DeformConv2d(5, 6, implementation=implementation)
    assert sorted(cell.parameters_dict()) == ["bias", "conv_offset_mask.bias", "conv_offset_mask.weight", "weight"]
    assert cell.conv_offset_mask.weight.shape == (27, 5, 3, 3)
    bound = 1 / np.sqrt(45)
    weight = cell.weight.asnumpy()
    assert np.abs(weight).max() <= bound < 1.1 * np.abs(weight).max() and abs(weight.std() * np.sqrt(3) / bound - 1) < 0.1
    x = Tensor(np.random.RandomState(0).randn(2, 5, 6, 7).astype(np.float32))
    plain = 0.5 * ops.conv2d(x, cell.weight, None, 1, "pad", 1).asnumpy()
    np.testing.assert_allclose(cell(x).asnumpy(), plain, rtol=0, atol=1e-5)


def test_cell_learns_the_same_with_both_implementations():
    """Value and gradients of every parameter inside one graph, with offsets that depend on the input."""
    if not find_compilers():
        pytest.skip("no C++ compiler here")
    rng = np.random.RandomState(0)
    values = {
        "weight": rng.randn(6, 4, 3, 3),
        "bias": rng.randn(6),
        "conv_offset_mask.weight": rng.randn(54, 4, 3, 3) * 0.3,
        "conv_offset_mask.bias": rng.randn(54),
    }
    x, sens = (Tensor(rng.randn(*shape).astype(np.float32)) for shape in ((2, 4, 9, 8), (2, 6, 5, 4)))
    results = []
    for implementation in ("portable", "native"):
        cell = DeformConv2d(4, 6, stride=2, deformable_groups=2, implementation=implementation)
        ms.load_param_into_net(cell, {name: ms.Parameter(value.astype(np.float32), name=name) for name, value in values.items()})
        step = Step(cell)
        value, gradients = step(x, sens)
        results.append([value, *gradients])
    for portable, native in zip(*results):
        assert np.abs(portable.asnumpy()).max() > 0.1
        np.testing.assert_allclose(native.asnumpy(), portable.asnumpy(), rtol=0, atol=1e-5 * np.abs(portable.asnumpy()).max())


class Ended(nn.Cell):
    """A deformable convolution, normalisation by moving statistics, a residual and ReLU, with the gradients of all parameters."""

    def __init__(self, implementation):
        super().__init__()
        rng = np.random.RandomState(0)
        self.conv = DeformConv2d(20, 35, stride=2, deformable_groups=2, implementation=implementation)
        self.norm = nn.BatchNorm2d(35)
        self.residual = ms.Parameter(Tensor(rng.randn(2, 35, 5, 4).astype(np.float32)), name="residual")
        for p in self.get_parameters():
            scale = 0.3 if "conv_offset_mask" in p.name else 1
            p.set_data(Tensor((rng.uniform(0.5, 2, p.shape) if "variance" in p.name else scale * rng.randn(*p.shape)).astype(np.float32)))

    def construct(self, x):
        return conv_norm(self.conv, self.norm, x, self.residual)


def test_cell_and_what_follows_it_are_the_same_with_both_implementations():
    if not find_compilers():
        pytest.skip("no C++ compiler here")
    rng = np.random.RandomState(1)
    x, sens = (Tensor(rng.randn(*shape).astype(np.float32)) for shape in ((2, 20, 9, 8), (2, 35, 5, 4)))
    results = []
    for implementation in ("portable", "native"):
        cell = Ended(implementation).set_train(False)
        assert implementation == "portable" or accelerate(cell) == 2
        value, gradients = Step(cell)(x, sens)
        results.append([cell(x), value, *gradients])
    for portable, native in zip(*results, strict=True):
        assert np.abs(portable.asnumpy()).max() > 0.1
        np.testing.assert_allclose(native.asnumpy(), portable.asnumpy(), rtol=0, atol=2e-5 * np.abs(portable.asnumpy()).max())


@pytest.mark.parametrize("lowered", [NAMES, ("offset", "mask")])
def test_float16_is_sampled_in_float32(lowered, implementation, eager_mode):
    """Far to the right, where the positions themselves would be rounded to 1/8 pixel."""
    rng = np.random.RandomState(0)
    shapes = ((1, 3, 2, 200), (1, 18, 2, 200), (1, 9, 2, 200), (4, 3, 3, 3), (4,))
    values = [rng.randn(*shape).astype(np.float16) for shape in shapes]
    given = [Tensor(value if name in lowered else value.astype(np.float32)) for name, value in zip(NAMES, values)]
    y = Function(1, 1, 1, 1, implementation)(*given)
    wanted = Function(1, 1, 1, 1, implementation)(*[Tensor(value.astype(np.float32)) for value in values]).asnumpy()
    assert y.dtype == given[0].dtype
    np.testing.assert_array_equal(y.asnumpy(), wanted.astype(y.asnumpy().dtype))


class Step(nn.Cell):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell
        self.gradient = ops.value_and_grad(self.loss, None, cell.trainable_params())

    def loss(self, x, sens):
        return (self.cell(x) * sens).sum()

    def construct(self, x, sens):
        return self.gradient(x, sens)


@pytest.mark.parametrize("mode", [ms.GRAPH_MODE, ms.PYNATIVE_MODE])
@pytest.mark.parametrize(
    "which, shape, words",
    [
        (0, (2, 7, 6, 5), "weight (3, 4, 3, 3) does not fit an input of shape (2, 7, 6, 5)"),
        (1, (2, 17, 6, 5), "offset must have shape (2, 18, 6, 5), got (2, 17, 6, 5)"),
        (2, (2, 9, 5, 5), "mask must have shape (2, 9, 6, 5), got (2, 9, 5, 5)"),
    ],
)
def test_shapes_that_do_not_fit(mode, which, shape, words, implementation):
    ms.set_context(mode=mode)
    arguments, numbers = example("plain")
    arguments[which] = np.zeros(shape, np.float32)
    with pytest.raises(MindpointError) as caught:
        Function(*numbers, implementation)(*tensors(arguments))
    assert words in str(caught.value)


def test_portable_needs_fixed_sizes():
    cell = DeformConv2d(4, 4, implementation="portable")
    cell.set_inputs(Tensor(shape=[1, 4, None, None], dtype=ms.float32))
    with pytest.raises(MindpointError, match="fixed height and width"):
        cell(Tensor(np.zeros((1, 4, 6, 6), np.float32)))


def test_empty_batch_is_refused(implementation):
    arguments, numbers = example("plain")
    arguments[:3] = [value[:0] for value in arguments[:3]]
    with pytest.raises(MindpointError, match="input is empty"):
        deform_conv2d(*tensors(arguments), *numbers, implementation)


def test_wrong_numbers_are_refused():
    with pytest.raises(MindpointError, match="5 input channels cannot be divided into 2"):
        DeformConv2d(5, 6, deformable_groups=2)
    with pytest.raises(MindpointError, match="stride must be one or two whole numbers of at least 1, got 0"):
        DeformConv2d(4, 6, stride=0)
    with pytest.raises(MindpointError, match="'fast'; choose among auto, native, portable"):
        DeformConv2d(4, 6, implementation="fast")


def test_environment_decides_for_auto(monkeypatch):
    monkeypatch.setenv("MINDPOINT_KERNELS", "portable")
    assert choose(SOURCE) == "portable"
    assert DeformConv2d(4, 4).implementation == "portable"
    monkeypatch.setenv("MINDPOINT_KERNELS", "quick")
    with pytest.raises(MindpointError, match="'quick'; choose among"):
        choose(SOURCE)
