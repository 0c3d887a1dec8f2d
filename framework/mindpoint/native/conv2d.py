"""A compiled convolution in place of MindSpore's.

On a CPU, MindSpore's convolution unfolds the whole input and multiplies with AVX2 (see :mod:`mindpoint.runtime.guard`). The kernel unfolds
small tiles, which stay in the cache, and uses the CPU's widest vectors. It computes 3x3 convolutions of stride 1 with enough channels and
pixels by Winograd's method, and depthwise convolutions directly. Each element is summed in a fixed order, regardless of batch size and
number of threads.

On CPUs with such instructions, the factors of matrix products, including Winograd's, can be rounded to bfloat16. Products are summed in
float32, and all maps stay float32.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindpoint.native import batch_norm, finish
from mindpoint.native.build import build
from mindpoint.native.kernel import FLOAT, INTEGER, choose, native, operator

SOURCE = Path(__file__).with_name("conv2d.cc")


def has_bfloat16() -> bool:
    """Return whether kernels are used, and this CPU has instructions for products of bfloat16 numbers."""
    return choose(SOURCE) == "native" and bool(ctypes.CDLL(str(build(SOURCE))).HasBfloat16())


@functools.lru_cache(maxsize=None)
def kernel(geometry: Tuple[int, ...]) -> ops.Custom:
    """Return the operator ``(x, weight, bias, geometry tensor) -> y``, with its gradient.

    x is (B, C, H, W), weight (O, C / G, kh, kw), bias (O,), y (B, O, Ho, Wo), all float32. The geometry tensor is int64 (10,).

    Args:
        geometry: stride (vertical, horizontal), padding (top, bottom, left, right), dilation (vertical, horizontal), groups G, and 1 for
            products in bfloat16, else 0.
    """
    inputs, variant = [FLOAT, FLOAT, FLOAT, INTEGER], str(geometry)
    data = operator(SOURCE, "Conv2dData", inputs, 1, lambda x, weight, dy, _: x, variant=variant)
    rest = operator(SOURCE, "Conv2dWeight", inputs, 2, lambda x, weight, dy, _: (weight, weight[:1]), variant=variant)

    def bprop(x, weight, bias, geometry, out, dout):
        dweight, dbias = rest(x, weight, dout, geometry)
        return data(x, weight, dout, geometry), dweight, dbias, ops.zeros_like(geometry)

    return operator(SOURCE, "Conv2d", inputs, 1, lambda x, weight, *_: _shape(geometry, x, weight), bprop, variant)


@functools.lru_cache(maxsize=None)
def finished_kernel(geometry: Tuple[int, ...], steps: Tuple[bool, bool, bool]) -> ops.Custom:
    """Return the operator ``(x, weight, *inputs of mindpoint.native.finish, geometry tensor) -> y``, with its gradient.

    Args:
        geometry: see :func:`kernel`.
        steps: whether the operator normalises, adds a residual, applies a ReLU.
    """
    plain, backward = kernel(geometry), kernel(geometry).bprop

    def bprop(x, weight, bias, gamma, beta, mean, variance, settings, residual, which, geometry, out, dout):
        inputs = (bias, gamma, beta, mean, variance, settings, residual, which)
        dplain, rest = finish.gradient(steps, inputs, plain(x, weight, bias, geometry), out, dout)
        dx, dweight, dbias, dgeometry = backward(x, weight, bias, geometry, out, dplain)
        return (dx, dweight, dbias, *rest, dgeometry)

    inputs, variant = [FLOAT, FLOAT, *finish.INPUTS, INTEGER], f"{geometry} {steps}"
    return operator(SOURCE, "Conv2dFinished", inputs, 1, lambda x, weight, *_: _shape(geometry, x, weight), bprop, variant)


def _shape(geometry: Tuple[int, ...], x: Sequence[int], weight: Sequence[int]) -> List[int]:
    """Return the shape of the output."""
    stride, padding, dilation = geometry[:2], geometry[2:6], geometry[6:8]
    sides = ((x[2 + i] + padding[2 * i] + padding[2 * i + 1] - dilation[i] * (weight[2 + i] - 1) - 1) // stride[i] + 1 for i in (0, 1))
    return [x[0], weight[0], *sides]


@ops.constexpr
def _finished_kernel(geometry, steps):
    return finished_kernel(geometry, steps)


def finished(conv, x, norm, residual, relu):
    """Return ``relu(norm(conv(x)) + residual)`` of a NativeConv2d; see :func:`mindpoint.native.fused.conv_norm`."""
    if not (native(SOURCE) and x.dtype == ms.float32 and conv.weight.dtype == ms.float32):
        return batch_norm.finish(conv(x) if norm is None else norm(conv(x)), residual, relu)
    kernel = _finished_kernel(conv.numbers, (norm is not None, residual is not None, relu))
    return kernel(x, conv.weight, *finish.inputs_of(conv.bias if conv.has_bias else conv.no_bias, norm, residual, relu), conv.geometry)


class NativeConv2d(nn.Conv2d):
    """A convolution that uses the kernel for float32, and MindSpore's operator for other types and in exports."""

    SOURCE = SOURCE
    finished = staticmethod(finished)

    @staticmethod
    def geometry_of(cell: nn.Cell) -> Optional[Tuple[int, ...]]:
        """Return the kernel's parameters for a convolution, or None if the cell is unsupported."""
        if type(cell) is not nn.Conv2d or cell.data_format != "NCHW":
            return None
        if cell.pad_mode == "same":
            if tuple(cell.stride) != (1, 1):  # the padding would depend on the input's size
                return None
            spread = [dilation * (kernel - 1) for kernel, dilation in zip(cell.kernel_size, cell.dilation)]
            padding = tuple(side for total in spread for side in (total // 2, total - total // 2))
        elif cell.pad_mode == "pad":
            padding = cell.padding if isinstance(cell.padding, tuple) else (cell.padding,) * 4
        else:
            padding = (0, 0, 0, 0)
        return (*cell.stride, *padding, *cell.dilation, cell.group, 0)

    def prepare(self, geometry: Tuple[int, ...]) -> None:
        self.operator, self.geometry, self.numbers = kernel(geometry), Tensor(geometry, ms.int64), geometry
        self.no_bias = ops.zeros((self.out_channels,), ms.float32)

    def use_bfloat16(self) -> None:
        """Round the factors of matrix products to bfloat16. Depthwise convolutions stay float32."""
        self.prepare((*self.numbers[:-1], 1))

    def construct(self, x):
        if native(SOURCE) and x.dtype == ms.float32 and self.weight.dtype == ms.float32:
            return self.operator(x, self.weight, self.bias if self.has_bias else self.no_bias, self.geometry)
        return super().construct(x)
