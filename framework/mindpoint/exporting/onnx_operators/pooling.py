"""Maximum, average and adaptive pooling."""

from __future__ import annotations

from typing import Sequence

import numpy as np
from onnx import helper

from mindpoint.exporting.onnx_call import Call, Tensors
from mindpoint.exporting.onnx_operators.table import converts, pads_of, scalar


def _pool(name: str, call: Call, kernel: Sequence[int], strides: Sequence[int], pads: Sequence[int], **attributes: object) -> str:
    spatial = call.rank() - 2
    pads = {"pads": [int(pad) for pad in pads]} if pads is not None else {"auto_pad": "SAME_UPPER"}
    return call.add(name, call.x, kernel_shape=kernel[-spatial:], strides=strides[-spatial:], **pads, **attributes)


@converts("MaxPool")
def _max_pool(call: Call) -> Tensors:
    spatial = call.rank() - 2
    pads = None if call.text("pad_mode") == "same" else [0] * 2 * spatial
    return _pool("MaxPool", call, call.attribute("kernel_size"), call.attribute("strides"), pads)


@converts("MaxPool3DWithArgmax", "MaxPoolWithArgmaxV2")
def _max_pool_with_places(call: Call) -> Tensors:
    """Convert max pooling that also returns the indices of the maxima, with settings in attributes."""
    kernel, spatial = call.attribute("kernel_size") or call.attribute("ksize"), call.rank() - 2
    pads = list(call.attribute("pads"))[-spatial:] * 2
    dilations = call.attribute("dilation")[-spatial:]
    strides, ceil = call.attribute("strides"), int(call.attribute("ceil_mode"))
    return [_pool("MaxPool", call, kernel, strides, pads, dilations=dilations, ceil_mode=ceil)]


@converts("MaxPoolWithIndices", "MaxPoolWithMask")
def _max_pool_with_mask(call: Call) -> Tensors:
    """Convert max pooling that also returns the indices of the maxima, with settings in arguments: kernel, strides, padding, dilation, ceil
    mode."""
    kernel, strides, pads, dilations, ceil = (call.constant(number) for number in range(1, 6))
    return [_pool("MaxPool", call, kernel, strides or kernel, [*pads, *pads], dilations=dilations, ceil_mode=int(ceil))]


@converts("AvgPool")
def _average_pool(call: Call) -> Tensors:
    kernel, strides, mode = call.constant(1), call.constant(2), call.constant(3)
    if mode not in (1, 2):  # 1: same, 2: valid
        raise call.refused("has a padding that ONNX lacks")
    return _pool("AveragePool", call, kernel, strides, None if mode == 1 else [0] * 4)


@converts("AvgPool2D")
def _average_pool_2d(call: Call) -> Tensors:
    """Convert the arguments ``x, kernel, strides, padding, ceil mode, count padding, divisor``."""
    kernel, strides, pads, ceil, count = (call.constant(number) for number in range(1, 6))
    if call.given(6) and call.constant(6):
        raise call.refused("sets a divisor, which cannot be exported to ONNX")
    return _pool("AveragePool", call, kernel, strides or kernel, [*pads, *pads], ceil_mode=int(ceil), count_include_pad=int(count))


@converts("AvgPool3D")
def _average_pool_3d(call: Call) -> Tensors:
    if call.attribute("divisor_override"):
        raise call.refused("sets a divisor, which cannot be exported to ONNX")
    pads = None if call.text("pad_mode") == "same" else pads_of(call)
    ceil, count = int(call.attribute("ceil_mode")), int(call.attribute("count_include_pad"))
    return _pool(
        "AveragePool", call, call.attribute("kernel_size"), call.attribute("strides"), pads, ceil_mode=ceil, count_include_pad=count
    )


@converts("AdaptiveAvgPool2D", "AdaptiveAvgPool2DExt", args=(False,))
@converts("AdaptiveMaxPool2D", args=(True,))
def _adaptive(maximum: bool, call: Call) -> Tensors:
    """Pool over bins of height and width, which may overlap, one axis after the other."""
    first, second = call.shapes()
    x = call.x
    if tuple(first[2:]) == tuple(second[2:]) == (1, 1):
        y = call.add("ReduceMax" if maximum else "ReduceMean", x, [2, 3], keepdims=1)
        return [y] if maximum else y
    inputs = call.shapes(0)
    for axis in (2, 3):
        count = (first[axis], second[axis])
        if count != (inputs[0][axis], inputs[1][axis]):
            x = _binned(call, x, axis, call.size(*count), maximum)
    return [x] if maximum else x


def _binned(call: Call, x: str, axis: int, count: str, maximum: bool) -> str:
    """Return the mean or the maximum of each of ``count`` bins along an axis of n pixels. Bin i begins at pixel ``floor(i n / count)`` and
    ends before ``ceil((i + 1) n / count)``."""
    add = call.add
    size = add("Slice", add("Shape", x), [axis], [axis + 1])
    bins = add("Unsqueeze", add("Range", 0, add("Squeeze", count), 1), [1])  # (bins, 1)
    begin = add("Div", add("Mul", bins, size), count)
    end = add("Div", add("Add", add("Mul", add("Add", bins, 1), size), add("Sub", count, 1)), count)
    pixel = add("Range", 0, add("Squeeze", size), 1)
    inside = add("And", add("GreaterOrEqual", pixel, begin), add("Less", pixel, end))  # (bins, n)
    if maximum:
        rows = add("Unsqueeze", x if axis == 3 else add("Transpose", x, perm=[0, 1, 3, 2]), [3])  # (B, C, other side, 1, n)
        y = add("ReduceMax", add("Where", inside, rows, scalar(call, np.finfo(call.type).min)), [4], keepdims=0)
        return y if axis == 3 else add("Transpose", y, perm=[0, 1, 3, 2])
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(call.type))
    share = add("Div", add("Cast", inside, to=kind), add("Cast", add("Sub", end, begin), to=kind))
    return add("MatMul", share, x) if axis == 2 else add("MatMul", x, add("Transpose", share, perm=[1, 0]))
