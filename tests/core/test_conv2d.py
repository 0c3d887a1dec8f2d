"""The compiled convolution against the formula in float64, and what it may not depend on."""

import os
import subprocess
import sys

import mindspore as ms
import numpy as np
import pytest
from mindpoint.errors import MindpointError
from mindpoint.native.accelerate import accelerate
from mindpoint.native.build import find_compilers
from mindpoint.native.conv2d import SOURCE, NativeConv2d, has_bfloat16, kernel
from mindpoint.native.kernel import choose
from mindspore import nn, ops

pytestmark = [pytest.mark.skipif(not find_compilers(), reason="no C++ compiler here"), pytest.mark.usefixtures("graph_mode")]


class WithGradients(nn.Cell):
    """(x, weight, bias, dy) -> y, dx, dweight, dbias"""

    def __init__(self, geometry, bfloat16=False):
        super().__init__()
        geometry = (*geometry, int(bfloat16))
        self.operator, self.geometry = kernel(geometry), ms.Tensor(geometry, ms.int64)
        self.gradient = ops.GradOperation(get_all=True, sens_param=True)

    def forward(self, x, weight, bias):
        return self.operator(x, weight, bias, self.geometry)

    def construct(self, x, weight, bias, dy):
        dx, dweight, dbias = self.gradient(self.forward)(x, weight, bias, dy)
        return self.forward(x, weight, bias), dx, dweight, dbias


def formula(x, weight, bias, geometry, dy=None):
    """The output, or for ``dy`` the gradients of x, weight and bias, group by group and tap by tap in float64."""
    if geometry[8] > 1:
        parts = [np.split(array, geometry[8], axis) for array, axis in ((x, 1), (weight, 0), (bias, 0))]
        gradients = [None] * geometry[8] if dy is None else np.split(dy, geometry[8], 1)
        found = [formula(*part, (*geometry[:8], 1), of) for *part, of in zip(*parts, gradients)]
        return np.concatenate(found, 1) if dy is None else [np.concatenate(parts, axis) for parts, axis in zip(zip(*found), (1, 0, 0))]
    (sy, sx), (top, bottom, left, right), (down, across) = geometry[:2], geometry[2:6], geometry[6:8]
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    kh, kw = weight.shape[2:]
    height = (padded.shape[2] - down * (kh - 1) - 1) // sy + 1
    width = (padded.shape[3] - across * (kw - 1) - 1) // sx + 1
    y, dpadded, dweight = np.zeros((len(x), len(weight), height, width)), np.zeros_like(padded), np.zeros_like(weight)
    for i in range(kh):
        for j in range(kw):
            part = (..., slice(i * down, i * down + sy * height, sy), slice(j * across, j * across + sx * width, sx))
            if dy is None:
                y += np.einsum("oc,bchw->bohw", weight[:, :, i, j], padded[part])
            else:
                dpadded[part] += np.einsum("oc,bohw->bchw", weight[:, :, i, j], dy)
                dweight[:, :, i, j] = np.einsum("bohw,bchw->oc", dy, padded[part])
    if dy is None:
        return y + bias[:, None, None]
    dx = dpadded[:, :, top : padded.shape[2] - bottom, left : padded.shape[3] - right]
    return dx, dweight, dy.sum((0, 2, 3), dtype=np.float64)


CASES = {
    "3x3": ((2, 5, 37, 23), (7, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, 1)),
    "7x7": ((1, 3, 40, 33), (16, 7, 7), (1, 1, 3, 3, 3, 3, 1, 1, 1)),
    "stride 2": ((2, 6, 32, 32), (20, 3, 3), (2, 2, 1, 1, 1, 1, 1, 1, 1)),
    "1x1": ((3, 33, 16, 20), (34, 1, 1), (1, 1, 0, 0, 0, 0, 1, 1, 1)),
    "1x1 stride 2": ((1, 4, 9, 9), (4, 1, 1), (2, 2, 0, 0, 0, 0, 1, 1, 1)),
    "all different": ((2, 4, 19, 17), (3, 2, 3), (2, 1, 1, 0, 2, 1, 1, 2, 1)),
    "one pixel": ((1, 1, 1, 1), (1, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, 1)),
    "stride above kernel": ((1, 2, 12, 11), (2, 2, 2), (3, 4, 0, 0, 0, 0, 1, 1, 1)),
    "padding above kernel": ((1, 2, 5, 4), (2, 1, 1), (1, 1, 3, 2, 4, 3, 1, 1, 1)),
    "deep": ((1, 300, 5, 7), (40, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, 1)),
    "tile's end": ((1, 2, 16, 33), (9, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, 1)),
    "several images in a tile": ((7, 9, 5, 6), (11, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, 1)),
    "several images in a tile, groups, stride 2": ((9, 8, 7, 7), (6, 3, 3), (2, 2, 1, 1, 1, 1, 1, 1, 2)),
    "several images in a tile, 1x1": ((5, 40, 6, 7), (3, 1, 1), (1, 1, 0, 0, 0, 0, 1, 1, 1)),
    "Winograd": ((2, 20, 37, 23), (33, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, 1)),
    "Winograd, wide": ((1, 16, 9, 150), (16, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, 1)),
    "Winograd, without padding": ((3, 18, 30, 31), (17, 3, 3), (1, 1, 0, 0, 0, 0, 1, 1, 1)),
    "Winograd, all different": ((1, 34, 18, 21), (70, 3, 3), (1, 1, 3, 0, 1, 4, 1, 1, 1)),
    "Winograd, weights of small maps": ((17, 24, 4, 3), (40, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, 1)),
    "two groups": ((2, 6, 17, 21), (8, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, 2)),
    "groups, stride 2": ((3, 12, 15, 18), (4, 3, 3), (2, 2, 1, 1, 1, 1, 1, 1, 4)),
    "deep groups": ((1, 150, 5, 7), (10, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, 2)),
    "depthwise 3x3": ((2, 5, 37, 23), (5, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, 5)),
    "depthwise 3x3, stride 2": ((2, 5, 37, 23), (5, 3, 3), (2, 2, 1, 1, 1, 1, 1, 1, 5)),
    "depthwise 5x5": ((2, 3, 19, 70), (3, 5, 5), (1, 1, 2, 2, 2, 2, 1, 1, 3)),
    "depthwise 5x5, stride 2": ((1, 3, 20, 131), (3, 5, 5), (2, 2, 2, 2, 2, 2, 1, 1, 3)),
    "depthwise 7x7": ((1, 4, 9, 65), (4, 7, 7), (1, 1, 3, 3, 3, 3, 1, 1, 4)),
    "depthwise 7x7, stride 2": ((2, 2, 33, 21), (2, 7, 7), (2, 2, 3, 3, 3, 3, 1, 1, 2)),
    "depthwise, all different": ((2, 4, 19, 17), (12, 2, 3), (2, 1, 1, 0, 2, 1, 1, 2, 4)),
    "depthwise, dilated, stride 3": ((1, 2, 23, 40), (4, 3, 3), (3, 3, 2, 4, 5, 0, 2, 2, 2)),
    "depthwise, one pixel": ((1, 2, 1, 1), (2, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, 2)),
    "depthwise, stride above kernel": ((1, 2, 12, 11), (2, 2, 2), (3, 4, 0, 0, 0, 0, 1, 1, 2)),
    "depthwise, padding above kernel": ((1, 2, 5, 4), (2, 1, 1), (1, 1, 3, 2, 4, 3, 1, 1, 2)),
}


COMPILED = ("3x3", "stride 2", "Winograd", "groups, stride 2", "depthwise 5x5, stride 2")
"""Cases that a compiled graph runs; the others take the kernel directly."""


def arrays(shape, outputs, kernel_size, geometry, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).astype(np.float32)
    weight = rng.standard_normal((outputs, shape[1] // geometry[8], *kernel_size)).astype(np.float32)
    bias = rng.standard_normal(outputs).astype(np.float32)
    dy = rng.standard_normal(formula(x, weight, bias, geometry).shape).astype(np.float32)
    return x, weight, bias, dy


def run(geometry, *values, bfloat16=False):
    return [tensor.asnumpy() for tensor in WithGradients(geometry, bfloat16)(*map(ms.Tensor, values))]


@pytest.mark.parametrize("name", CASES)
def test_output_and_gradients_are_those_of_the_formula(name, eager_mode):
    if name in COMPILED:
        ms.set_context(mode=ms.GRAPH_MODE)
    shape, (outputs, *kernel_size), geometry = CASES[name]
    x, weight, bias, dy = arrays(shape, outputs, kernel_size, geometry)
    wanted_all = (formula(x, weight, bias, geometry), *formula(x, weight, bias, geometry, dy))
    for got, wanted in zip(run(geometry, x, weight, bias, dy), wanted_all):
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-6 * max(1, np.abs(wanted).max()))


@pytest.mark.skipif(not has_bfloat16(), reason="needs a CPU with products of bfloat16 numbers")
@pytest.mark.parametrize("name", CASES)
def test_products_of_bfloat16_numbers_are_summed_in_float32(name, rounded, eager_mode):
    shape, (outputs, *kernel_size), geometry = CASES[name]
    x, weight, bias, dy = arrays(shape, outputs, kernel_size, geometry)
    found, single = run(geometry, x, weight, bias, dy, bfloat16=True), run(geometry, x, weight, bias, dy)
    assert all(np.array_equal(*pair) for pair in zip(found[:3], single)) == name.startswith("depthwise"), "those are computed in float32"
    if name.startswith("depthwise"):
        return
    low = [rounded(array) for array in (x, weight, dy)]
    dx, dweight, _ = formula(*low[:2], bias, geometry, low[2])
    for got, wanted in zip(found, (formula(*low[:2], bias, geometry), dx, dweight, dy.sum((0, 2, 3), dtype=np.float64))):
        if name.startswith("Winograd"):  # the transformed tiles and weights are rounded instead
            assert np.linalg.norm(got - wanted) < 0.03 * np.linalg.norm(wanted)
        else:
            np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("channels, size, groups", [(8, 40, 1), (16, 40, 1), (16, 5, 1), (8, 40, 2), (8, 40, 8)])
def test_an_image_gives_the_same_in_any_batch(channels, size, groups, eager_mode):
    geometry = (1, 1, 1, 1, 1, 1, 1, 1, groups)
    x, weight, bias, dy = arrays((3, channels, size, size + 1), 24, (3, 3), geometry)
    y, dx, _, _ = run(geometry, x, weight, bias, dy)
    for row in range(3):
        alone = run(geometry, x[row : row + 1], weight, bias, dy[row : row + 1])
        assert np.array_equal(alone[0][0], y[row]) and np.array_equal(alone[1][0], dx[row])


FORMS = [(12, 40, 1), (16, 40, 1), (12, 5, 1), (12, 40, 2), (12, 40, 12)]  # channels, size, groups
THREADS = """
import sys, numpy as np, test_conv2d as t
t.ms.set_context(mode=t.ms.PYNATIVE_MODE)
for channels, size, groups in t.FORMS:
    shape, (outputs, *kernel), geometry = (2, channels, size, size + 1), (24, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, groups)
    np.savez(f"{sys.argv[1]}/{channels}-{size}-{groups}.npz", *t.run(geometry, *t.arrays(shape, outputs, kernel, geometry)))
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The results of all forms with one thread and with three."""
    folders = []
    for threads in ("1", "3"):
        folders.append(tmp_path_factory.mktemp("threads"))
        env = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": os.path.dirname(__file__)}
        subprocess.run([sys.executable, "-c", THREADS, str(folders[-1])], env=env, check=True, timeout=120)
    return folders


@pytest.mark.slow
@pytest.mark.parametrize("channels, size, groups", FORMS)
def test_results_do_not_depend_on_the_number_of_threads(channels, size, groups, folders):
    found = [np.load(folder / f"{channels}-{size}-{groups}.npz") for folder in folders]
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0].files) and len(found[0].files) == 4


class TestAccelerate:
    def test_a_network_keeps_its_parameters_and_results(self):
        cells = [
            nn.Conv2d(3, 8, 3, 2, "pad", 1, has_bias=True),
            nn.Conv2d(8, 6, (4, 3), dilation=2),
            nn.Conv2d(6, 4, 3, pad_mode="valid", group=2),
            nn.Conv2d(4, 4, 5, group=4),
        ]
        network = nn.SequentialCell(cells)
        x = ms.Tensor(np.random.default_rng(0).standard_normal((2, 3, 33, 40)).astype(np.float32))
        names, before = [p.name for p in network.get_parameters()], ops.stop_gradient(network(x)).asnumpy()
        again = nn.SequentialCell(cells)  # a cell compiles once
        assert accelerate(again) == 4 and [type(cell) for cell in cells] == [NativeConv2d] * 4
        assert [p.name for p in again.get_parameters()] == names
        np.testing.assert_allclose(again(x).asnumpy(), before, rtol=0, atol=1e-5)

    def test_what_the_kernel_does_not_do_is_left_alone(self):
        cells = [
            nn.Conv2d(4, 4, 3, stride=2, pad_mode="same"),
            nn.Conv2dTranspose(4, 4, 3),
            nn.Conv2dTranspose(4, 4, 3, group=4, has_bias=True),
            nn.MaxPool2d(3, 2, "pad", 1),
            nn.MaxPool2d(2, 2, "same"),
            nn.Dense(2, 2),
        ]
        assert [accelerate(cell) for cell in cells] == [0] * 6

    def test_portable_when_asked_for(self, monkeypatch):
        monkeypatch.setenv("MINDPOINT_KERNELS", "portable")
        assert choose(SOURCE) == "portable" and accelerate(nn.Conv2d(4, 4, 3)) == 0
        monkeypatch.setenv("MINDPOINT_KERNELS", "quick")
        with pytest.raises(MindpointError, match="'quick'; choose among auto, native, portable"):
            accelerate(nn.Conv2d(4, 4, 3))

    def test_other_types_take_the_portable_operator(self):
        cell = nn.Conv2d(2, 3, 3)
        accelerate(cell)
        cell.to_float(ms.float16)
        x = np.random.default_rng(0).standard_normal((1, 2, 6, 6)).astype(np.float32)
        y = cell(ms.Tensor(x))
        assert y.dtype == ms.float16
        wanted = formula(x, cell.weight.asnumpy(), np.zeros(3), (1, 1, 1, 1, 1, 1, 1, 1, 1))
        np.testing.assert_allclose(y.asnumpy(), wanted, rtol=0, atol=5e-3)
