"""Compiled upsampling, max pooling and zero padding, several times faster than MindSpore's on a CPU."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Optional, Tuple

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindpoint.native.kernel import FLOAT, INTEGER, native, operator

SOURCE = Path(__file__).with_name("resample.cc")


@functools.lru_cache(maxsize=None)
def upsample(geometry: Tuple[int, ...]) -> ops.Custom:
    """Return the operator ``(x, weight, geometry tensor) -> y`` of a depthwise transposed convolution, with its gradient.

    x is (B, C, H, W), weight (C, 1, kh, kw), y (B, C, Ho, Wo), all float32; the geometry tensor is int64 (4,).

    Args:
        geometry: stride and padding, each (vertical, horizontal).
    """
    stride, padding, variant = geometry[:2], geometry[2:], str(geometry)

    def shape(x, weight, _):
        return [*x[:2], *((x[2 + i] - 1) * stride[i] + weight[2 + i] - 2 * padding[i] for i in (0, 1))]

    gradient = operator(SOURCE, "UpsampleGrad", [FLOAT] * 3 + [INTEGER], 2, lambda x, weight, dy, _: (x, weight), variant=variant)

    def bprop(x, weight, geometry, out, dout):
        dx, dweight = gradient(x, weight, dout, geometry)
        return dx, dweight, ops.zeros_like(geometry)

    return operator(SOURCE, "Upsample", [FLOAT, FLOAT, INTEGER], 1, shape, bprop, variant)


@functools.lru_cache(maxsize=None)
def max_pool(geometry: Tuple[int, ...]) -> ops.Custom:
    """Return the operator ``(x, geometry tensor) -> y`` of max pooling without padding, with its gradient.

    x is (B, C, H, W), y (B, C, Ho, Wo), both float32; the geometry tensor is int64 (4,). If a window has several equal maxima, its gradient
    goes to the first.

    Args:
        geometry: window and stride, each (vertical, horizontal).
    """
    window, stride, variant = geometry[:2], geometry[2:], str(geometry)
    gradient = operator(SOURCE, "MaxPoolGrad", [FLOAT, FLOAT, INTEGER], 1, lambda x, dy, _: x, variant=variant)

    def bprop(x, geometry, out, dout):
        return gradient(x, dout, geometry), ops.zeros_like(geometry)

    def shape(x, _):
        return [*x[:2], *((x[2 + i] - window[i]) // stride[i] + 1 for i in (0, 1))]

    return operator(SOURCE, "MaxPool", [FLOAT, INTEGER], 1, shape, bprop, variant)


@functools.lru_cache(maxsize=None)
def border(geometry: Tuple[int, ...]) -> ops.Custom:
    """Return the operator ``(x, geometry tensor) -> y`` that adds a border of zeros, with its gradient.

    x and y are (B, C, H, W) float32; the geometry tensor is int64 (4,).

    Args:
        geometry: width of the border at the top, bottom, left and right.
    """
    top, bottom, left, right = geometry
    variant = str(geometry)

    def inner(y, _):
        return [*y[:2], y[2] - top - bottom, y[3] - left - right]

    def outer(x, _):
        return [*x[:2], x[2] + top + bottom, x[3] + left + right]

    gradient = operator(SOURCE, "RemoveBorder", [FLOAT, INTEGER], 1, inner, variant=variant)

    def bprop(x, geometry, out, dout):
        return gradient(dout, geometry), ops.zeros_like(geometry)

    return operator(SOURCE, "AddBorder", [FLOAT, INTEGER], 1, outer, bprop, variant)


class NativeUpsample(nn.Conv2dTranspose):
    """A depthwise transposed convolution that uses the kernel for float32, and MindSpore's operator for other types and in exports."""

    SOURCE = SOURCE

    @staticmethod
    def geometry_of(cell: nn.Cell) -> Optional[Tuple[int, ...]]:
        """Return the kernel's parameters for a transposed convolution, or None if the cell is unsupported."""
        if type(cell) is not nn.Conv2dTranspose or not cell.group == cell.in_channels == cell.out_channels or cell.has_bias:
            return None
        if cell.pad_mode not in ("pad", "valid") or tuple(cell.dilation) != (1, 1) or cell.output_padding != 0:
            return None
        top, bottom, left, right = cell.padding if isinstance(cell.padding, tuple) else (cell.padding,) * 4
        if top != bottom or left != right or (cell.pad_mode == "valid" and any(k < s for k, s in zip(cell.kernel_size, cell.stride))):
            return None
        return (*cell.stride, *((top, left) if cell.pad_mode == "pad" else (0, 0)))

    def prepare(self, geometry: Tuple[int, ...]) -> None:
        self.operator, self.geometry = upsample(geometry), Tensor(geometry, ms.int64)

    def construct(self, x):
        if native(SOURCE) and x.dtype == ms.float32 and self.weight.dtype == ms.float32:
            return self.operator(x, self.weight, self.geometry)
        return super().construct(x)


class NativeMaxPool2d(nn.MaxPool2d):
    """Max pooling without padding that uses the kernel for float32, and MindSpore's operator for other types and in exports."""

    SOURCE = SOURCE

    @staticmethod
    def geometry_of(cell: nn.Cell) -> Optional[Tuple[int, ...]]:
        """Return window and stride, each (vertical, horizontal), or None if the cell is unsupported."""
        if type(cell) is not nn.MaxPool2d or cell.pad_mode.upper() != "VALID" or cell.format != "NCHW":
            return None
        window, stride = ((value, value) if isinstance(value, int) else tuple(value) for value in (cell.kernel_size, cell.stride))
        return (*window, *stride)

    def prepare(self, geometry: Tuple[int, ...]) -> None:
        self.operator, self.geometry = max_pool(geometry), Tensor(geometry, ms.int64)

    def construct(self, x):
        if native(SOURCE) and x.dtype == ms.float32 and x.ndim == 4:
            return self.operator(x, self.geometry)
        return super().construct(x)


class NativeZeroPad2d(nn.ZeroPad2d):
    """Zero padding that uses the kernel for float32, and MindSpore's operator for other types and in exports."""

    SOURCE = SOURCE

    @staticmethod
    def geometry_of(cell: nn.Cell) -> Optional[Tuple[int, ...]]:
        """Return the widths at the top, bottom, left and right, or None if the cell is unsupported."""
        if type(cell) is not nn.ZeroPad2d or len(cell.padding) != 4 or min(cell.padding) < 0:
            return None
        left, right, top, bottom = cell.padding
        return top, bottom, left, right

    def prepare(self, geometry: Tuple[int, ...]) -> None:
        self.operator, self.geometry = border(geometry), Tensor(geometry, ms.int64)
        self.pad = ops.Pad(((0, 0), (0, 0), geometry[:2], geometry[2:]))

    def construct(self, x):
        if x.ndim != 4:
            return super().construct(x)
        if native(SOURCE) and x.dtype == ms.float32:
            return self.operator(x, self.geometry)
        return self.pad(x)  # unlike MindSpore's cell, keeps a known height and width if the batch is unknown
