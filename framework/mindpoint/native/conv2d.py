"""The compiled convolution in place of MindSpore's, in any network.

MindSpore's convolution on a CPU unfolds the whole input and multiplies with AVX2 (see :mod:`mindpoint.runtime.guard`); the kernel unfolds
small tiles in the cache and uses whatever vectors the CPU has. It adds up every element in one order, whatever the batch and the number
of threads.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Optional, Tuple

import mindspore as ms
from mindspore import Tensor, nn
from mindspore.ops import Primitive

from mindpoint.native.kernel import FLOAT, INTEGER, choose, operator

SOURCE = Path(__file__).with_name("conv2d.cc")


@functools.lru_cache(maxsize=None)
def kernel(geometry: Tuple[int, ...]):
    """Operator (x, weight, geometry tensor) -> y with its gradient, for x (B, C, H, W), weight (O, C, kh, kw), float32.

    geometry: stride (vertical, horizontal), padding (top, bottom, left, right), dilation (vertical, horizontal).
    """
    stride, padding, dilation = geometry[:2], geometry[2:6], geometry[6:]

    def shape(x, weight, _):
        sides = ((x[2 + i] + padding[2 * i] + padding[2 * i + 1] - dilation[i] * (weight[2 + i] - 1) - 1) // stride[i] + 1 for i in (0, 1))
        return [x[0], weight[0], *sides]

    gradient_inputs, variant = [FLOAT, FLOAT, FLOAT, INTEGER], str(geometry)
    data = operator(SOURCE, "Conv2dData", gradient_inputs, 1, lambda x, weight, dy, _: x, variant=variant)
    weights = operator(SOURCE, "Conv2dWeight", gradient_inputs, 1, lambda x, weight, dy, _: weight, variant=variant)

    def bprop(x, weight, geometry, out, dout):
        return data(x, weight, dout, geometry), weights(x, weight, dout, geometry), ms.ops.zeros_like(geometry)

    return operator(SOURCE, "Conv2d", [FLOAT, FLOAT, INTEGER], 1, shape, bprop, variant)


@ms.ops.constexpr
def _native():
    """Whether the graph being compiled, which may be one for export, takes the kernel."""
    return choose(SOURCE) == "native"


class NativeConv2d(nn.Cell):
    """``construct(x, weight) -> y``, in place of the primitive inside a :class:`mindspore.nn.Conv2d`, which is kept for other types."""

    def __init__(self, geometry: Tuple[int, ...], portable: Primitive):
        super().__init__()
        self.operator, self.geometry, self.portable = kernel(geometry), Tensor(geometry, ms.int64), portable

    def construct(self, x, weight):
        if _native() and x.dtype == ms.float32 and weight.dtype == ms.float32:
            return self.operator(x, weight, self.geometry)
        return self.portable(x, weight)


def accelerate(network: nn.Cell) -> int:
    """Let the convolutions of a network, of any cell in it, use the kernel where it can be used; how many do."""
    fitting = [(cell, geometry) for _, cell in network.cells_and_names() for geometry in [_geometry(cell)] if geometry is not None]
    if not fitting or choose(SOURCE) == "portable":
        return 0
    for cell, geometry in fitting:
        portable = cell.conv2d
        del cell.conv2d
        cell.conv2d = NativeConv2d(geometry, portable)
    return len(fitting)


def _geometry(cell: nn.Cell) -> Optional[Tuple[int, ...]]:
    """What the kernel needs to know of a convolution; None if it is none, or one that the kernel does not do."""
    if type(cell) is not nn.Conv2d or cell.group != 1 or cell.data_format != "NCHW":
        return None
    if cell.pad_mode == "same":
        if cell.stride != (1, 1):  # the padding depends on the input's size
            return None
        spread = [dilation * (kernel - 1) for kernel, dilation in zip(cell.kernel_size, cell.dilation)]
        padding = tuple(side for total in spread for side in (total // 2, total - total // 2))
    elif cell.pad_mode == "pad":
        padding = cell.padding if isinstance(cell.padding, tuple) else (cell.padding,) * 4
    else:
        padding = (0, 0, 0, 0)
    return (*cell.stride, *padding, *cell.dilation)
