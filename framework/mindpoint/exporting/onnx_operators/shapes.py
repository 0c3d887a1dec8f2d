"""Reshaping, joining, splitting, slicing, gathering and padding."""

from __future__ import annotations

from typing import Callable, Optional, Sequence

import numpy as np
from onnx import helper

from mindpoint.exporting.onnx_call import Call, Tensors
from mindpoint.exporting.onnx_operators.table import axes_of, converts

WHOLE = np.iinfo(np.int64).max  # as the end of a slice: up to the end


@converts("Flatten", "FlattenExt", "Reshape", "View")
def _reshape(call: Call) -> Tensors:
    first, second = call.shapes()
    free = [axis for axis, pair in enumerate(zip(first, second)) if pair[0] != pair[1]]
    if len(free) <= 1:
        return call.add("Reshape", call.x, [-1 if axis in free else size for axis, size in enumerate(first)])
    return call.add("Reshape", call.x, call.vector(first, second))


@converts("BroadcastTo", "BroadcastToView")
def _broadcast(call: Call) -> Tensors:
    return call.add("Expand", call.x, call.vector(*call.shapes()))


@converts("Transpose", "TransposeView")
def _transpose(call: Call) -> Tensors:
    return call.add("Transpose", call.x, perm=[axis % call.rank() for axis in call.constant(1)])


@converts("ExpandDims", "ExpandDimsView")
def _expand_dims(call: Call) -> Tensors:
    return call.add("Unsqueeze", call.x, [call.constant(1)])


@converts("Squeeze")
def _squeeze(call: Call) -> Tensors:
    axes = axes_of(call, 1) if call.given(1) else list(call.attribute("axis", ()))
    return call.add("Squeeze", call.x, *([axes] if axes else []))


@converts("Concat")
def _concat(call: Call) -> Tensors:
    return call.add("Concat", *call.tensors(0), axis=call.constant(1))


@converts("Stack", "StackExt")
def _stack(call: Call) -> Tensors:
    axis = call.attribute("axis") if "axis" in call.operation.attributes else call.constant(1)
    return call.add("Concat", *(call.add("Unsqueeze", x, [axis]) for x in call.tensors(0)), axis=axis)


@converts("Chunk", "ChunkView", args=(2, 1))
@converts("Split", args=(1, 2))
def _split_evenly(axis: int, count: int, call: Call) -> Tensors:
    """Split into equal parts; ``axis`` and ``count`` are the indices of the arguments that hold axis and number of parts. The last part is
    smaller if the size is not a multiple of that number."""
    return _cut(call, call.constant(axis), lambda size: -(-size // call.constant(count)))


@converts("SplitTensor", "SplitTensorView")
def _split_by_size(call: Call) -> Tensors:
    return _cut(call, call.constant(2), lambda size: call.constant(1))


def _cut(call: Call, axis: int, step: Callable[[int], int]) -> Tensors:
    first, second = call.shapes(0)
    if first[axis] != second[axis]:
        raise call.bound()
    size = first[axis]
    return _parts(call, axis, [min(step(size), size - start) for start in range(0, size, step(size))])


@converts("SplitWithSize", "SplitWithSizeView")
def _split_into(call: Call) -> Tensors:
    return _parts(call, call.constant(2), call.constant(1))


def _parts(call: Call, axis: int, sizes: Sequence[int]) -> Tensors:
    return call.add_many("Split", len(sizes), call.x, list(sizes), axis=axis)


@converts("Tile")
def _tile(call: Call) -> Tensors:
    repeats = call.constant(1)
    missing = len(repeats) - call.rank()
    x = call.add("Unsqueeze", call.x, list(range(missing))) if missing > 0 else call.x
    return call.add("Tile", x, [*[1] * -missing, *repeats])


@converts("StridedSlice")
def _strided_slice(call: Call) -> Tensors:
    """Convert the arguments ``x, begin, end, strides``, and five masks: open begin, open end, ellipsis, new axis, removed axis."""
    begins, ends, strides = call.argument(1), call.argument(2), call.constant(3)
    begin_mask, end_mask, ellipsis, new_axis, taken = (call.constant(number) for number in range(4, 9))
    if ellipsis or new_axis or min(strides) < 1:
        raise call.refused("has an ellipsis, a new axis or a negative step, which cannot be exported to ONNX")
    axes, taken = range(len(strides)), [axis for axis in range(len(strides)) if taken >> axis & 1]
    starts, stops = [], []
    for shape, begin, end in zip(call.shapes(0), begins, ends):
        begin = [0 if begin_mask >> axis & 1 else begin[axis] for axis in axes]
        end = [WHOLE if end_mask >> axis & 1 or end[axis] >= shape[axis] else end[axis] for axis in axes]
        for axis in taken:
            end[axis] = begin[axis] + 1 or WHOLE
        starts.append(begin)
        stops.append(end)
    chosen = call.add("Slice", call.x, call.vector(*starts), call.vector(*stops), list(axes), list(strides))
    return call.add("Squeeze", chosen, taken) if taken else chosen


@converts("SliceExt", "SliceExtView")
def _slice(call: Call) -> Tensors:
    """Slice one axis; convert the arguments ``x, axis, begin, end, step``."""
    axis, size = call.constant(1), call.shapes(0)
    ends = call.argument(3)
    end = [WHOLE] if all(end >= shape[axis] for end, shape in zip(ends, size)) else call.size(*ends)
    return call.add("Slice", call.x, call.size(*call.argument(2)), end, [axis], [call.constant(4)])


@converts("Narrow", "NarrowView")
def _narrow(call: Call) -> Tensors:
    """Convert the arguments ``x, axis, begin, length``."""
    begin, length = call.argument(2), call.argument(3)
    begins, lengths = call.size(*begin), call.size(*length)
    return call.add("Slice", call.x, begins, call.add("Add", begins, lengths), [call.constant(1)])


@converts("Slice")
def _begin_and_size(call: Call) -> Tensors:
    """Slice all axes; convert the arguments ``x, begin, size``."""
    begin, sizes = call.vector(*call.argument(1)), call.vector(*call.shapes())
    return call.add("Slice", call.x, begin, call.add("Add", begin, sizes))


@converts("ReverseV2")
def _reverse(call: Call) -> Tensors:
    axes = axes_of(call, 1) if len(call) > 1 else list(call.attribute("axis"))
    return call.add("Slice", call.x, [-1] * len(axes), [np.iinfo(np.int64).min] * len(axes), axes, [-1] * len(axes))


@converts("Gather")
def _gather(call: Call) -> Tensors:
    return call.add("Gather", call.x, call.tensor(1), axis=call.constant(2))


@converts("GatherD")
def _gather_elements(call: Call) -> Tensors:
    return call.add("GatherElements", call.x, call.tensor(2), axis=call.constant(1))


@converts("TopK")
def _top_k(call: Call) -> Tensors:
    values, places = call.add_many("TopK", 2, call.x, [call.constant(1)], axis=-1)
    return [values, call.add("Cast", places, to=helper.np_dtype_to_tensor_dtype(np.dtype("int32")))]


@converts("Pad")
def _pad(call: Call) -> Tensors:
    """Pad with zeros; an attribute holds a pair of widths for each axis."""
    return _padded(call, "constant", call.attribute("paddings"))


@converts("MirrorPad")
def _pad_pairs(call: Call) -> Tensors:
    """Pad by mirroring; an argument holds a pair of widths for each axis."""
    if call.text("mode") != "reflect":
        raise call.refused("mirrors the border pixel too, which cannot be exported to ONNX")
    return _padded(call, "reflect", call.constant(1))


@converts("PadV3")
def _pad_flat(call: Call) -> Tensors:
    """Convert the arguments ``x, padding, value``; the padding holds pairs in one row, last axis first."""
    mode = {"constant": "constant", "reflect": "reflect", "edge": "edge", "circular": "wrap"}[call.text("mode", "constant")]
    return _padded_last(call, mode, 2)


@converts("ConstantPadND", args=("constant", 2))
@converts("ReflectionPad2D", args=("reflect", None))
@converts("ReplicationPad2D", args=("edge", None))
def _pad_last(mode: str, value: Optional[int], call: Call) -> Tensors:
    return _padded_last(call, mode, value)


def _padded_last(call: Call, mode: str, value: Optional[int]) -> str:
    flat = [int(pad) for pad in np.asarray(call.constant(1)).reshape(-1)]
    pairs = [(0, 0)] * (call.rank() - len(flat) // 2) + list(zip(flat[0::2], flat[1::2]))[::-1]
    if not call.attribute("paddings_contiguous", True):
        half = len(flat) // 2
        pairs = [(0, 0)] * (call.rank() - half) + list(zip(flat[:half], flat[half:]))[::-1]
    return _padded(call, mode, pairs, value)


def _padded(call: Call, mode: str, pairs: Sequence[Sequence[int]], value: Optional[int] = None) -> str:
    pads = [int(side) for place in (0, 1) for side in np.asarray(pairs)[:, place]]
    fill = [call.tensor(value)] if mode == "constant" and value is not None and call.given(value) else []
    if mode == "wrap":
        raise call.refused("uses circular padding, which cannot be exported to ONNX")
    return call.add("Pad", call.x, pads, *fill, mode=mode)
