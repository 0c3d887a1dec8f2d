"""MindSpore's operators as nodes of ONNX, opset 19."""

from __future__ import annotations

import functools
from typing import Callable, Dict, List, Optional, Sequence

import numpy as np
from onnx import helper

from mindpoint.export.onnx_call import Call, Tensors

Convert = Callable[[Call], Tensors]
WHOLE = np.iinfo(np.int64).max  # as the end of a slice: up to the end

# ---- the same under another name

_UNARY = {
    **{name: name for name in "Abs Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Erf Exp Floor Log Mish Neg Reciprocal Round".split()},
    **{name: name for name in "Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Tan Tanh Identity".split()},
    "ACos": "Acos",
    "HSwish": "HardSwish",
    "IsInf": "IsInf",
    "IsNan": "IsNaN",
    "LogicalNot": "Not",
    "MishExt": "Mish",
    "ReLU": "Relu",
    "SoftplusExt": "Softplus",
}
_BINARY = {
    "Add": "Add",
    "Div": "Div",
    "Divs": "Div",
    "Eq": "Equal",
    "Equal": "Equal",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "Less": "Less",
    "LessEqual": "LessOrEqual",
    "LogicalAnd": "And",
    "LogicalOr": "Or",
    "LogicalXor": "Xor",
    "Maximum": "Max",
    "Minimum": "Min",
    "Mul": "Mul",
    "Muls": "Mul",
    "Pow": "Pow",
    "PowTensorScalar": "Pow",
    "RealDiv": "Div",
    "Sub": "Sub",
}
_REDUCTIONS = {

    "MeanExt": "ReduceMean",
    "ReduceMax": "ReduceMax",
    "ReduceMean": "ReduceMean",
    "ReduceMin": "ReduceMin",
    "ReduceProd": "ReduceProd",
    "ReduceSum": "ReduceSum",
    "SumExt": "ReduceSum",
}


def _unary(name: str, call: Call) -> Tensors:
    return call.add(name, call.x)


def _binary(name: str, call: Call) -> Tensors:
    return call.add(name, call.tensor(0), call.tensor(1))


def _scaled_binary(name: str, call: Call) -> Tensors:
    """``x + alpha y``."""
    y = call.tensor(1)
    return call.add(name, call.x, y if call.constant(2) == 1 else call.add("Mul", y, call.tensor(2)))


def _reduced(name: str, call: Call) -> Tensors:
    axes = _axes(call, 1)
    return call.add(name, call.x, *([axes] if axes else []), keepdims=int(bool(call.constant(2))))


def _axes(call: Call, number: int) -> List[int]:
    """Return the axes that an argument names; empty for all."""
    axes = call.constant(number) if call.given(number) else ()
    return [int(axis) for axis in np.atleast_1d(np.asarray(axes, np.int64))]


# ---- arithmetic


def _number(call: Call, value: float) -> np.ndarray:
    """Return a constant of the type of the first tensor."""
    return np.asarray(value, call.type)


def _hard_sigmoid(call: Call) -> Tensors:
    return call.add("HardSigmoid", call.x, alpha=1 / 6, beta=0.5)


def _relu6(call: Call) -> Tensors:
    return call.add("Clip", call.x, _number(call, 0), _number(call, 6))


def _clamp(call: Call) -> Tensors:
    x = call.x
    for number, name in ((1, "Max"), (2, "Min")):
        if call.given(number):
            x = call.add(name, x, call.tensor(number))
    return x


def _elu(call: Call) -> Tensors:
    return call.add("Elu", call.x, alpha=float(call.constant(1)))


def _leaky_relu(call: Call) -> Tensors:
    return call.add("LeakyRelu", call.x, alpha=float(call.constant(1)))


def _silu(call: Call) -> Tensors:
    return call.add("Mul", call.x, call.add("Sigmoid", call.x))


def _gelu(call: Call) -> Tensors:
    """``x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))``."""
    add, x = call.add, call.x
    cube = add("Mul", add("Mul", add("Mul", x, x), x), _number(call, 0.044715))
    tanh = add("Tanh", add("Mul", add("Add", x, cube), _number(call, np.sqrt(2 / np.pi))))
    return add("Mul", add("Mul", x, _number(call, 0.5)), add("Add", tanh, _number(call, 1)))


def _exact_gelu(call: Call) -> Tensors:
    if call.given(1) and call.constant(1) == 1:  # approximate="tanh"
        return _gelu(call)
    add, x = call.add, call.x
    erf = add("Erf", add("Mul", x, _number(call, np.sqrt(0.5))))
    return add("Mul", add("Mul", x, _number(call, 0.5)), add("Add", erf, _number(call, 1)))


def _prelu(call: Call) -> Tensors:
    return call.add("PRelu", call.x, _by_channel(call, 1))


def _rsqrt(call: Call) -> Tensors:
    return call.add("Reciprocal", call.add("Sqrt", call.x))


def _square(call: Call) -> Tensors:
    return call.add("Mul", call.x, call.x)


def _squared_difference(call: Call) -> Tensors:
    difference = call.add("Sub", call.x, call.tensor(1))
    return call.add("Mul", difference, difference)


def _not_equal(call: Call) -> Tensors:
    return call.add("Not", call.add("Equal", call.x, call.tensor(1)))


def _floor_div(call: Call) -> Tensors:
    return call.add("Floor", call.add("Div", call.x, call.tensor(1)))


def _cast(call: Call) -> Tensors:
    return call.add("Cast", call.x, to=helper.np_dtype_to_tensor_dtype(np.dtype(call.out_type)))


def _select(call: Call) -> Tensors:
    return call.add("Where", call.x, call.tensor(1), call.tensor(2))


def _filled(value: float, call: Call) -> Tensors:
    return call.add("Expand", _number(call, value), call.add("Shape", call.x))


def _bias_add(call: Call) -> Tensors:
    return call.add("Add", call.x, _by_channel(call, 1))


def _by_channel(call: Call, number: int) -> str:
    """Return an argument ``(C,)`` with further axes, so that it broadcasts with ``(B, C, ...)``."""
    axes = list(range(1, call.rank() - 1))
    return call.add("Unsqueeze", call.tensor(number), axes) if axes else call.tensor(number)


def _softmax(name: str, call: Call) -> Tensors:
    (axis,) = _axes(call, 1)
    return call.add(name, call.x, axis=axis)


def _arg_with_value(value: str, place: str, call: Call) -> Tensors:
    """Return the position and the value of the largest or smallest element along an axis."""
    axis, keep = call.attribute("axis", 0), int(bool(call.attribute("keep_dims", False)))
    if len(call) > 2:
        axis, keep = call.constant(1), int(bool(call.constant(2)))
    places = call.add(place, call.x, axis=axis, keepdims=keep)
    return [call.add("Cast", places, to=helper.np_dtype_to_tensor_dtype(np.dtype("int32"))), call.add(value, call.x, [axis], keepdims=keep)]


def _cumulated(call: Call) -> Tensors:
    exclusive, reverse = (int(bool(call.constant(number))) for number in (2, 3))
    return call.add("CumSum", call.x, call.constant(1), exclusive=exclusive, reverse=reverse)


def _standard_deviation(call: Call) -> Tensors:
    """Return the standard deviation and the mean."""
    add, axes, keep = call.add, _axes(call, 1), bool(call.constant(3))
    over = [axes] if axes else []
    mean = add("ReduceMean", call.x, *over, keepdims=1)
    distance = add("Sub", call.x, mean)
    squares = add("Mul", distance, distance)
    total = add("ReduceSum", squares, *over, keepdims=int(keep))
    count = add("Div", add("Size", squares), add("Size", mean))
    if call.constant(2):
        count = add("Sub", count, 1)
    deviation = add("Sqrt", add("Div", total, add("Cast", count, to=helper.np_dtype_to_tensor_dtype(np.dtype(call.type)))))
    return [deviation, mean if keep else add("Squeeze", mean, *over)]


# ---- products


def _matmul(call: Call) -> Tensors:
    factors = [call.tensor(0), call.tensor(1)]
    for number, argument in ((0, 2), (1, 3)):
        if call.given(argument) and call.constant(argument):
            rank = call.rank(number)
            factors[number] = call.add("Transpose", factors[number], perm=[*range(rank - 2), rank - 1, rank - 2])
    return call.add("MatMul", *factors)


def _dense(call: Call) -> Tensors:
    y = call.add("MatMul", call.x, call.add("Transpose", call.tensor(1), perm=[1, 0]))
    return call.add("Add", y, call.tensor(2)) if call.given(2) else y


def _convolution(call: Call) -> Tensors:
    spatial = call.rank() - 2
    padding = {"auto_pad": "SAME_UPPER"} if call.text("pad_mode") == "same" else {"pads": _pads(call)}
    return call.add(
        "Conv",
        *(call.tensor(number) for number in range(len(call))),
        kernel_shape=call.shapes(1)[0][2:],
        strides=call.attribute("stride")[-spatial:],
        dilations=call.attribute("dilation")[-spatial:],
        group=call.attribute("group"),
        **padding,
    )


def _pads(call: Call) -> List[int]:
    """Convert MindSpore's padding, both sides of one axis after another, to the order of ONNX: all beginnings, then all ends."""
    if call.text("pad_mode") == "valid":
        return [0] * 2 * (call.rank() - 2)
    pads = call.attribute("pad_list") or call.attribute("pad")
    return [*pads[0::2], *pads[1::2]]


def _extended_convolution(call: Call) -> Tensors:
    pads = call.constant(4)
    if isinstance(pads, int):
        raise call.refused("has a padding by name")
    return call.add(
        "Conv",
        *(call.tensor(number) for number in (0, 1, 2) if call.given(number)),
        kernel_shape=call.shapes(1)[0][2:],
        strides=call.constant(3),
        pads=[*pads, *pads],
        dilations=call.constant(5),
        group=call.constant(6),
    )


def _transposed_convolution(call: Call) -> Tensors:
    strides, dilations = call.attribute("stride")[-2:], call.attribute("dilation")[-2:]
    kernel, size, out = call.shapes(1)[0][2:], call.shapes(0)[0][2:], call.shapes()[0][2:]
    whole = [(size[i] - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 for i in (0, 1)]
    if call.text("pad_mode") == "same":
        surplus = [max(whole[i] - out[i], 0) for i in (0, 1)]
        pads = [*(total // 2 for total in surplus), *(total - total // 2 for total in surplus)]
    else:
        pads = _pads(call)
    return call.add(
        "ConvTranspose",
        call.x,
        call.tensor(1),
        kernel_shape=kernel,
        strides=strides,
        pads=pads,
        dilations=dilations,
        group=call.attribute("group"),
        output_padding=[out[i] - whole[i] + pads[i] + pads[2 + i] for i in (0, 1)],
    )


# ---- normalisation


def _batch_norm(training: int, epsilon: int, call: Call) -> Tensors:
    """``x, scale, bias, mean, variance``; the positions of two further arguments are given."""
    if call.constant(training):
        raise call.refused("uses the statistics of the batch")
    return [call.add("BatchNormalization", *(call.tensor(number) for number in range(5)), epsilon=float(call.constant(epsilon)))]


def _layer_norm(begin: int, scale: int, epsilon: int, call: Call) -> Tensors:
    """The positions of arguments are given: first axis, or normalised shape; scale, followed by the bias; epsilon."""
    first = call.constant(begin)
    axes = list(range(call.rank()))[-len(first) if isinstance(first, tuple) else first :]
    centred = call.add("Sub", call.x, call.add("ReduceMean", call.x, axes, keepdims=1))
    variance = call.add("ReduceMean", call.add("Mul", centred, centred), axes, keepdims=1)
    y = call.add("Div", centred, call.add("Sqrt", call.add("Add", variance, _number(call, call.constant(epsilon)))))
    for name, number in (("Mul", scale), ("Add", scale + 1)):
        if call.given(number):
            y = call.add(name, y, call.tensor(number))
    return [y]


def _group_norm(call: Call) -> Tensors:
    """``x, groups, scale, bias, epsilon``."""
    groups = call.constant(1)
    flat = call.add("Reshape", call.x, [0, groups, -1])
    ones, zeros = np.ones(groups, call.type), np.zeros(groups, call.type)
    normal = call.add("InstanceNormalization", flat, ones, zeros, epsilon=float(call.constant(4)))
    scaled = call.add("Mul", call.add("Reshape", normal, call.add("Shape", call.x)), _by_channel(call, 2))
    return [call.add("Add", scaled, _by_channel(call, 3))]


def _instance_norm(call: Call) -> Tensors:
    return [call.add("InstanceNormalization", call.x, call.tensor(1), call.tensor(2), epsilon=float(call.attribute("epsilon")))]


# ---- pooling


def _pool(name: str, call: Call, kernel: Sequence[int], strides: Sequence[int], pads: Sequence[int], **attributes: object) -> str:
    spatial = call.rank() - 2
    pads = {"pads": [int(pad) for pad in pads]} if pads is not None else {"auto_pad": "SAME_UPPER"}
    return call.add(name, call.x, kernel_shape=kernel[-spatial:], strides=strides[-spatial:], **pads, **attributes)


def _max_pool(call: Call) -> Tensors:
    spatial = call.rank() - 2
    pads = None if call.text("pad_mode") == "same" else [0] * 2 * spatial
    return _pool("MaxPool", call, call.attribute("kernel_size"), call.attribute("strides"), pads)


def _max_pool_with_places(call: Call) -> Tensors:
    """Convert max pooling that also returns the positions of the maxima, with settings in attributes."""
    kernel, spatial = call.attribute("kernel_size") or call.attribute("ksize"), call.rank() - 2
    pads = list(call.attribute("pads"))[-spatial:] * 2
    dilations = call.attribute("dilation")[-spatial:]
    strides, ceil = call.attribute("strides"), int(call.attribute("ceil_mode"))
    return [_pool("MaxPool", call, kernel, strides, pads, dilations=dilations, ceil_mode=ceil)]


def _max_pool_with_mask(call: Call) -> Tensors:
    """Convert the same with settings in arguments: kernel, strides, padding, dilation, ceil mode."""
    kernel, strides, pads, dilations, ceil = (call.constant(number) for number in range(1, 6))
    return [_pool("MaxPool", call, kernel, strides or kernel, [*pads, *pads], dilations=dilations, ceil_mode=int(ceil))]


def _average_pool(call: Call) -> Tensors:
    kernel, strides, mode = call.constant(1), call.constant(2), call.constant(3)
    if mode not in (1, 2):  # 1: same, 2: valid
        raise call.refused("has this padding only in MindSpore")
    return _pool("AveragePool", call, kernel, strides, None if mode == 1 else [0] * 4)


def _average_pool_2d(call: Call) -> Tensors:
    """``x, kernel, strides, padding, ceil mode, count padding, divisor``."""
    kernel, strides, pads, ceil, count = (call.constant(number) for number in range(1, 6))
    if call.given(6) and call.constant(6):
        raise call.refused("has a divisor of its own")
    return _pool("AveragePool", call, kernel, strides or kernel, [*pads, *pads], ceil_mode=int(ceil), count_include_pad=int(count))


def _average_pool_3d(call: Call) -> Tensors:
    if call.attribute("divisor_override"):
        raise call.refused("has a divisor of its own")
    pads = None if call.text("pad_mode") == "same" else _pads(call)
    ceil, count = int(call.attribute("ceil_mode")), int(call.attribute("count_include_pad"))
    return _pool("AveragePool", call, call.attribute("kernel_size"), call.attribute("strides"), pads, ceil_mode=ceil, count_include_pad=count)


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
    """Return the mean or the largest of each of ``count`` bins along an axis: bin i begins at ``floor(i n / count)`` and ends before
    ``ceil((i + 1) n / count)``, of n pixels."""
    add = call.add
    size = add("Slice", add("Shape", x), [axis], [axis + 1])
    bins = add("Unsqueeze", add("Range", 0, add("Squeeze", count), 1), [1])  # (bins, 1)
    begin = add("Div", add("Mul", bins, size), count)
    end = add("Div", add("Add", add("Mul", add("Add", bins, 1), size), add("Sub", count, 1)), count)
    pixel = add("Range", 0, add("Squeeze", size), 1)
    inside = add("And", add("GreaterOrEqual", pixel, begin), add("Less", pixel, end))  # (bins, n)
    if maximum:
        rows = add("Unsqueeze", x if axis == 3 else add("Transpose", x, perm=[0, 1, 3, 2]), [3])  # (B, C, other side, 1, n)
        y = add("ReduceMax", add("Where", inside, rows, _number(call, np.finfo(call.type).min)), [4], keepdims=0)
        return y if axis == 3 else add("Transpose", y, perm=[0, 1, 3, 2])
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(call.type))
    share = add("Div", add("Cast", inside, to=kind), add("Cast", add("Sub", end, begin), to=kind))
    return add("MatMul", share, x) if axis == 2 else add("MatMul", x, add("Transpose", share, perm=[1, 0]))


# ---- shapes


def _reshape(call: Call) -> Tensors:
    first, second = call.shapes()
    free = [axis for axis, pair in enumerate(zip(first, second)) if pair[0] != pair[1]]
    if len(free) <= 1:
        return call.add("Reshape", call.x, [-1 if axis in free else size for axis, size in enumerate(first)])
    return call.add("Reshape", call.x, call.vector(first, second))


def _broadcast(call: Call) -> Tensors:
    return call.add("Expand", call.x, call.vector(*call.shapes()))


def _transpose(call: Call) -> Tensors:
    return call.add("Transpose", call.x, perm=[axis % call.rank() for axis in call.constant(1)])


def _expand_dims(call: Call) -> Tensors:
    return call.add("Unsqueeze", call.x, [call.constant(1)])


def _squeeze(call: Call) -> Tensors:
    axes = _axes(call, 1) if call.given(1) else list(call.attribute("axis", ()))
    return call.add("Squeeze", call.x, *([axes] if axes else []))


def _concat(call: Call) -> Tensors:
    return call.add("Concat", *call.tensors(0), axis=call.constant(1))


def _stack(call: Call) -> Tensors:
    axis = call.attribute("axis") if "axis" in call.operation.attributes else call.constant(1)
    return call.add("Concat", *(call.add("Unsqueeze", x, [axis]) for x in call.tensors(0)), axis=axis)


def _split_evenly(axis: int, count: int, call: Call) -> Tensors:
    """The positions of the two arguments are given; the last part is smaller if the size is not a multiple."""
    return _cut(call, call.constant(axis), lambda size: -(-size // call.constant(count)))


def _split_by_size(call: Call) -> Tensors:
    return _cut(call, call.constant(2), lambda size: call.constant(1))


def _cut(call: Call, axis: int, step: Callable[[int], int]) -> Tensors:
    first, second = call.shapes(0)
    if first[axis] != second[axis]:
        raise call.bound()
    size = first[axis]
    return _parts(call, axis, [min(step(size), size - start) for start in range(0, size, step(size))])


def _split_into(call: Call) -> Tensors:
    return _parts(call, call.constant(2), call.constant(1))


def _parts(call: Call, axis: int, sizes: Sequence[int]) -> Tensors:
    return call.add_many("Split", len(sizes), call.x, list(sizes), axis=axis)


def _tile(call: Call) -> Tensors:
    repeats = call.constant(1)
    missing = len(repeats) - call.rank()
    x = call.add("Unsqueeze", call.x, list(range(missing))) if missing > 0 else call.x
    return call.add("Tile", x, [*[1] * -missing, *repeats])


def _strided_slice(call: Call) -> Tensors:
    """``x, begin, end, strides``, and five masks: open begin, open end, ellipsis, new axis, removed axis."""
    begins, ends, strides = call.argument(1), call.argument(2), call.constant(3)
    begin_mask, end_mask, ellipsis, new_axis, taken = (call.constant(number) for number in range(4, 9))
    if ellipsis or new_axis or min(strides) < 1:
        raise call.refused("has an ellipsis, a new axis or a negative step")
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


def _slice(call: Call) -> Tensors:
    """``x, axis, begin, end, step`` along one axis."""
    axis, size = call.constant(1), call.shapes(0)
    ends = call.argument(3)
    end = [WHOLE] if all(end >= shape[axis] for end, shape in zip(ends, size)) else call.size(*ends)
    return call.add("Slice", call.x, call.size(*call.argument(2)), end, [axis], [call.constant(4)])


def _narrow(call: Call) -> Tensors:
    """``x, axis, begin, length``."""
    begin, length = call.argument(2), call.argument(3)
    begins, lengths = call.size(*begin), call.size(*length)
    return call.add("Slice", call.x, begins, call.add("Add", begins, lengths), [call.constant(1)])


def _begin_and_size(call: Call) -> Tensors:
    """``x, begin, size``, of all axes."""
    begin, sizes = call.vector(*call.argument(1)), call.vector(*call.shapes())
    return call.add("Slice", call.x, begin, call.add("Add", begin, sizes))


def _reverse(call: Call) -> Tensors:
    axes = _axes(call, 1) if len(call) > 1 else list(call.attribute("axis"))
    return call.add("Slice", call.x, [-1] * len(axes), [np.iinfo(np.int64).min] * len(axes), axes, [-1] * len(axes))


def _gather(call: Call) -> Tensors:
    return call.add("Gather", call.x, call.tensor(1), axis=call.constant(2))


def _gather_elements(call: Call) -> Tensors:
    return call.add("GatherElements", call.x, call.tensor(2), axis=call.constant(1))


def _top_k(call: Call) -> Tensors:
    values, places = call.add_many("TopK", 2, call.x, [call.constant(1)], axis=-1)
    return [values, call.add("Cast", places, to=helper.np_dtype_to_tensor_dtype(np.dtype("int32")))]


def _pad(call: Call) -> Tensors:
    """Pad with zeros; pairs for all axes in an attribute."""
    return _padded(call, "constant", call.attribute("paddings"))


def _pad_pairs(call: Call) -> Tensors:
    """Pad by mirroring; pairs for all axes in an argument."""
    if call.text("mode") != "reflect":
        raise call.refused("has a mirror with the border itself in it")
    return _padded(call, "reflect", call.constant(1))


def _pad_flat(call: Call) -> Tensors:
    """``x, padding, value``: pairs in one row, last axis first."""
    mode = {"constant": "constant", "reflect": "reflect", "edge": "edge", "circular": "wrap"}[call.text("mode", "constant")]
    return _padded_last(call, mode, 2)


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
        raise call.refused("continues with the other side")
    return call.add("Pad", call.x, pads, *fill, mode=mode)


# ---- interpolation


def _resized(call: Call, scales: Optional[Sequence[float]], **attributes: object) -> str:
    """Resize height and width by given factors, or to those of the result."""
    if scales is None:
        sizes = call.vector(*(shape[2:] for shape in call.shapes()))
        return call.add("Resize", call.x, "", "", sizes, axes=[2, 3], **attributes)
    return call.add("Resize", call.x, "", np.array(scales, np.float32), axes=[2, 3], **attributes)


def _resize_nearest(call: Call) -> Tensors:
    """``x, size, aligned corners, half pixels``."""
    if call.constant(2) or call.constant(3):
        mode = "align_corners" if call.constant(2) else "half_pixel"
        return _resized(call, None, mode="nearest", coordinate_transformation_mode=mode, nearest_mode="round_prefer_ceil")
    return _nearest(call)


def _nearest(call: Call) -> Tensors:
    """Pixel i of the result is pixel ``floor(i * input / output)``, with MindSpore's rounding, which matters if the sizes are not
    multiples."""
    if all(out % size == 0 for of, to in zip(call.shapes(0), call.shapes()) for size, out in zip(of[2:], to[2:])):
        return _resized(call, None, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    add, y = call.add, call.x
    for axis in (2, 3):
        size, out = (call.size(*(shape[axis] for shape in shapes)) for shapes in (call.shapes(0), call.shapes()))
        factor = add("Div", add("Cast", size, to=1), add("Cast", out, to=1))
        places = add("Cast", add("Mul", add("Cast", add("Range", 0, add("Squeeze", out), 1), to=1), factor), to=7)
        y = add("Gather", y, places, axis=axis)
    return y


def _resize_bilinear(call: Call) -> Tensors:
    """``x, size, aligned corners, half pixels``."""
    mode = "align_corners" if call.constant(2) else "half_pixel" if call.constant(3) else "asymmetric"
    return _resized(call, None, mode="linear", coordinate_transformation_mode=mode)


def _upsample_nearest(call: Call) -> Tensors:
    """``x, size or None, factors or None``."""
    if not call.given(2):
        return _nearest(call)
    return _resized(call, call.constant(2), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")


def _upsample_bilinear(call: Call) -> Tensors:
    """``x, size or None, factors or None, aligned corners``."""
    scales = call.constant(2) if call.given(2) else None
    return _resized(call, scales, mode="linear", coordinate_transformation_mode="align_corners" if call.constant(3) else "half_pixel")


def _grid_sample(call: Call) -> Tensors:
    """``x, grid, interpolation, border, aligned corners``."""
    mode, border = ("bilinear", "nearest")[call.constant(2)], ("zeros", "border", "reflection")[call.constant(3)]
    return call.add("GridSample", call.x, call.tensor(1), mode=mode, padding_mode=border, align_corners=int(call.constant(4)))


# ---- operators that pass tensors through


def _first(call: Call) -> Tensors:
    given = call.conversion.tensor(call.operation.inputs[0])
    return given if given is not None else call.tensor(0)


def _make_tuple(call: Call) -> Tensors:
    return [call.tensor(number) for number in range(len(call))]


def _item(call: Call) -> Tensors:
    items = call.tensors(0)
    if call.constant(1) >= len(items):
        raise call.refused("takes a second result, which has no form in ONNX here")
    return items[call.constant(1)]


def _table() -> Dict[str, Convert]:
    partial = functools.partial
    table: Dict[str, Convert] = {}
    for convert, names in ((_unary, _UNARY), (_binary, _BINARY), (_reduced, _REDUCTIONS)):
        table.update({ours: partial(convert, theirs) for ours, theirs in names.items()})
    table.update({f"{ours}Scalar": partial(_binary, theirs) for ours, theirs in _BINARY.items()})
    for kind in ("", "View"):
        table[f"Chunk{kind}"] = partial(_split_evenly, 2, 1)
        table[f"SplitTensor{kind}"] = _split_by_size
        table[f"SplitWithSize{kind}"] = _split_into
        table[f"BroadcastTo{kind}"] = _broadcast
        table[f"Transpose{kind}"] = _transpose
        table[f"ExpandDims{kind}"] = _expand_dims
        table[f"SliceExt{kind}"] = _slice
        table[f"Narrow{kind}"] = _narrow
    table.update(
        AdaptiveAvgPool2D=partial(_adaptive, False),
        AdaptiveAvgPool2DExt=partial(_adaptive, False),
        AdaptiveMaxPool2D=partial(_adaptive, True),
        AddExt=partial(_scaled_binary, "Add"),
        AddScalar=partial(_scaled_binary, "Add"),
        ArgMaxWithValue=partial(_arg_with_value, "ReduceMax", "ArgMax"),
        ArgMinWithValue=partial(_arg_with_value, "ReduceMin", "ArgMin"),
        AvgPool=_average_pool,
        AvgPool2D=_average_pool_2d,
        AvgPool3D=_average_pool_3d,
        BatchMatMul=_matmul,
        BatchNorm=partial(_batch_norm, 5, 6),
        BatchNormExt=partial(_batch_norm, 5, 7),
        BiasAdd=_bias_add,
        Cast=_cast,
        ClampScalar=_clamp,
        ClampTensor=_clamp,
        Concat=_concat,
        ConstantPadND=partial(_pad_last, "constant", 2),
        Conv2D=_convolution,
        Conv2DExt=_extended_convolution,
        Conv2DTranspose=_transposed_convolution,
        Conv3D=_convolution,
        CumSum=_cumulated,
        Dense=_dense,
        Depend=_first,
        Elu=_elu,
        EluExt=_elu,
        Flatten=_reshape,
        FlattenExt=_reshape,
        FloorDiv=_floor_div,
        FloorDivScalar=_floor_div,
        Gather=_gather,
        GatherD=_gather_elements,
        GeLU=_gelu,
        GeluExt=_exact_gelu,
        GridSampler2D=_grid_sample,
        GroupNorm=_group_norm,
        HSigmoid=_hard_sigmoid,
        InstanceNorm=_instance_norm,
        LayerNorm=partial(_layer_norm, 3, 1, 5),
        LayerNormExt=partial(_layer_norm, 1, 2, 4),
        LeakyReLU=_leaky_relu,
        LeakyReLUExt=_leaky_relu,
        Load=_first,
        LogSoftmax=partial(_softmax, "LogSoftmax"),
        MakeTuple=_make_tuple,
        MatMul=_matmul,
        MatMulExt=_matmul,
        MaxPool=_max_pool,
        MaxPool3DWithArgmax=_max_pool_with_places,
        MaxPoolWithArgmaxV2=_max_pool_with_places,
        MaxPoolWithIndices=_max_pool_with_mask,
        MaxPoolWithMask=_max_pool_with_mask,
        MirrorPad=_pad_pairs,
        NotEqual=_not_equal,
        OnesLike=partial(_filled, 1),
        PReLU=_prelu,
        Pad=_pad,
        PadV3=_pad_flat,
        ReLU6=_relu6,
        ReduceStd=_standard_deviation,
        ReflectionPad2D=partial(_pad_last, "reflect", None),
        ReplicationPad2D=partial(_pad_last, "edge", None),
        Reshape=_reshape,
        ResizeBilinearV2=_resize_bilinear,
        ResizeNearestNeighbor=_resize_nearest,
        ResizeNearestNeighborV2=_resize_nearest,
        ReverseV2=_reverse,
        Rsqrt=_rsqrt,
        Select=_select,
        SiLU=_silu,
        Slice=_begin_and_size,
        Softmax=partial(_softmax, "Softmax"),
        Split=partial(_split_evenly, 1, 2),
        Square=_square,
        SquaredDifference=_squared_difference,
        Squeeze=_squeeze,
        Stack=_stack,
        StackExt=_stack,
        StridedSlice=_strided_slice,
        SubExt=partial(_scaled_binary, "Sub"),
        SubScalar=partial(_scaled_binary, "Sub"),
        Tile=_tile,
        TopK=_top_k,
        TupleGetItem=_item,
        UpsampleBilinear2D=_upsample_bilinear,
        UpsampleNearest2D=_upsample_nearest,
        View=_reshape,
        ZerosLike=partial(_filled, 0),
    )
    return table


OPERATORS = _table()
