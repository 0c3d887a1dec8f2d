"""The compiled upsampling and pooling against the formula in float64 and MindSpore's own operators."""

import mindspore as ms
import numpy as np
import pytest
from cell_gradients import run
from mindpoint.native.accelerate import accelerate
from mindpoint.native.build import find_compilers
from mindpoint.native.resample import NativeMaxPool2d, NativeUpsample, NativeZeroPad2d
from mindspore import nn, ops

pytestmark = [pytest.mark.skipif(not find_compilers(), reason="no C++ compiler here"), pytest.mark.usefixtures("eager_mode")]


def upsampled(x, weight, stride, padding, dy=None):
    """The output, or for ``dy`` the gradients of x and weight, tap by tap in float64."""
    (_, _, height, width), (kh, kw) = x.shape, weight.shape[2:]
    size = [(side - 1) * step + kernel for side, step, kernel in zip((height, width), stride, (kh, kw))]
    large, dx, dweight = np.zeros((*x.shape[:2], *size)), np.zeros(x.shape), np.zeros(weight.shape)
    inner = (..., slice(padding[0], size[0] - padding[0]), slice(padding[1], size[1] - padding[1]))
    if dy is not None:
        large[inner] = dy
    for i in range(kh):
        for j in range(kw):
            part = (..., slice(i, i + stride[0] * height, stride[0]), slice(j, j + stride[1] * width, stride[1]))
            if dy is None:
                large[part] += x * weight[:, 0, i, j, None, None].astype(np.float64)
            else:
                dx += large[part] * weight[:, 0, i, j, None, None]
                dweight[:, 0, i, j] = (large[part] * x).sum((0, 2, 3))
    return large[inner] if dy is None else (dx, dweight)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape, kernel, stride, padding",
    [
        ((2, 5, 9, 37), 4, 2, 1),  # the official up_1
        ((1, 3, 6, 7), 8, 4, 2),
        ((2, 2, 5, 4), 16, 8, 4),
        ((1, 2, 6, 5), (3, 4), (2, 3), (0, 0, 1, 1)),
        ((1, 1, 1, 1), 4, 2, 1),
        ((1, 2, 4, 20), 3, 1, 1),
    ],
)
def test_upsampling_and_gradients_are_those_of_the_formula(shape, kernel, stride, padding):
    channels = shape[1]
    cell = nn.Conv2dTranspose(channels, channels, kernel, stride, "pad", padding, group=channels, weight_init="normal")
    assert accelerate(cell) == 1 and type(cell) is NativeUpsample
    cell.weight.set_data(ms.Tensor(np.random.default_rng(1).standard_normal(cell.weight.shape).astype(np.float32)))
    steps = stride if isinstance(stride, tuple) else (stride, stride)
    sides = (padding[0], padding[2]) if isinstance(padding, tuple) else (padding, padding)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    wanted = upsampled(x, cell.weight.asnumpy(), steps, sides)
    dy = np.random.default_rng(2).standard_normal(wanted.shape).astype(np.float32)
    for value, right in zip(run(cell, x, dy), (wanted, *upsampled(x, cell.weight.asnumpy(), steps, sides, dy))):
        assert value.shape == right.shape
        np.testing.assert_allclose(value, right, rtol=0, atol=1e-5 * max(1, np.abs(right).max()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape, window, stride",
    [
        ((2, 3, 8, 34), 2, 2),
        ((1, 2, 7, 9), 2, 2),
        ((1, 2, 6, 12), (3, 4), (3, 4)),
        ((1, 1, 4, 4), 4, 4),
        ((2, 3, 9, 35), 3, 2),  # windows overlap
        ((1, 2, 8, 11), (3, 2), (1, 3)),
    ],
)
def test_pooling_is_mindspores(shape, window, stride):
    x = np.random.default_rng(0).integers(0, 4, shape).astype(np.float32)  # many equal values
    rows = [run(cell, x, dy) for cell, dy in _pools(x, window, stride)]
    assert np.array_equal(rows[0][0], rows[1][0]) and np.array_equal(rows[0][1], rows[1][1])
    assert rows[0][1].sum() == pytest.approx(rows[0][0].size * (rows[0][0].size - 1) / 2)


def _pools(x, window, stride):
    """MindSpore's pooling and the kernel's, and an output gradient of different values."""
    own = nn.MaxPool2d(window, stride)
    size = own(ms.Tensor(x)).shape
    dy = np.arange(np.prod(size), dtype=np.float32).reshape(size)
    assert accelerate(own) == 1 and type(own) is NativeMaxPool2d
    return (own, dy), (nn.MaxPool2d(window, stride), dy)


@pytest.mark.parametrize("sides", [((1, 1), (1, 1)), ((0, 2), (3, 1)), ((0, 0), (0, 0))])
def test_a_border_is_numpys(sides):
    rng = np.random.default_rng(2)
    x = rng.random((2, 3, 5, 17), np.float32)
    cell = nn.ZeroPad2d((*sides[1], *sides[0]))
    assert accelerate(cell) == 1 and type(cell) is NativeZeroPad2d
    wanted = np.pad(x, ((0, 0), (0, 0), *sides))
    dy = rng.random(wanted.shape, np.float32)
    y, dx = run(cell, x, dy)
    (top, bottom), (left, right) = sides
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(dx, dy[:, :, top : dy.shape[2] - bottom, left : dy.shape[3] - right])


KNOWN = []


@ops.constexpr
def note(shape):
    KNOWN.append(shape)


class Bordered(nn.Cell):
    """Notes the shape that the compiler knows."""

    def __init__(self):
        super().__init__()
        self.border = nn.ZeroPad2d((1, 2, 3, 4))
        accelerate(self)

    def construct(self, x):
        y = self.border(x)
        note(y.shape)
        return y


def test_exported_without_a_number_of_images_it_keeps_height_and_width(monkeypatch):
    """Deformable convolutions need them in MINDIR files."""
    cell = Bordered()
    monkeypatch.setenv("MINDPOINT_KERNELS", "portable")  # as in exports
    ms.set_context(mode=ms.GRAPH_MODE)
    cell.set_inputs(ms.Tensor(shape=[None, 3, 8, 9], dtype=ms.float32))
    x = np.arange(2 * 3 * 8 * 9, dtype=np.float32).reshape(2, 3, 8, 9)
    np.testing.assert_array_equal(cell(ms.Tensor(x)).asnumpy(), np.pad(x, ((0, 0), (0, 0), (3, 4), (1, 2))))
    assert set(KNOWN) == {(None, 3, 15, 12)}


def test_other_borders_are_left_alone():
    others = [nn.ConstantPad2d(1, 2.0), nn.ReflectionPad2d(1), nn.ZeroPad2d((1, 1)), nn.ZeroPad2d((1, 1, -1, 0))]
    assert [accelerate(cell) for cell in others] == [0, 0, 0, 0]


def test_a_value_that_is_no_number_is_seen():
    cell = nn.MaxPool2d(2, 2)
    accelerate(cell)
    for place in range(4):
        x = np.zeros((1, 1, 2, 2), np.float32)
        x.flat[place] = np.nan
        assert np.isnan(cell(ms.Tensor(x)).asnumpy()).all()
