"""Elementwise arithmetic, activations, and reductions along axes."""

from __future__ import annotations

import numpy as np
from onnx import helper

from mindpoint.exporting.onnx_call import Call, Tensors
from mindpoint.exporting.onnx_operators.table import OPERATORS, axes_of, by_channel, converts, scalar

_UNARY = {
    **{name: name for name in "Abs Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Erf Exp Floor Log Mish Neg Reciprocal".split()},
    **{name: name for name in "Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Tan Tanh Identity IsInf".split()},
    "ACos": "Acos",
    "HSwish": "HardSwish",
    "IsNan": "IsNaN",
    "LogicalNot": "Not",
    "MishExt": "Mish",
    "ReLU": "Relu",
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


@converts("AddExt", "AddScalar", args=("Add",))
@converts("SubExt", "SubScalar", args=("Sub",))
def _scaled_binary(name: str, call: Call) -> Tensors:
    """Convert ``x + alpha y``."""
    y = call.tensor(1)
    return call.add(name, call.x, y if call.constant(2) == 1 else call.add("Mul", y, call.tensor(2)))


def _reduced(name: str, call: Call) -> Tensors:
    axes = axes_of(call, 1)
    return call.add(name, call.x, *([axes] if axes else []), keepdims=int(bool(call.constant(2))))


@converts("Round")
def _round(call: Call) -> Tensors:
    if call.given(1) and call.constant(1) != 0:
        raise call.refused("rounds to decimals, which cannot be exported to ONNX")
    return call.add("Round", call.x)


@converts("SoftplusExt")
def _softplus(call: Call) -> Tensors:
    if call.given(1) and call.constant(1) != 1:
        raise call.refused("has a factor beta, which cannot be exported to ONNX")
    return call.add("Softplus", call.x)


@converts("HSigmoid")
def _hard_sigmoid(call: Call) -> Tensors:
    return call.add("HardSigmoid", call.x, alpha=1 / 6, beta=0.5)


@converts("ReLU6")
def _relu6(call: Call) -> Tensors:
    return call.add("Clip", call.x, scalar(call, 0), scalar(call, 6))


@converts("ClampScalar", "ClampTensor")
def _clamp(call: Call) -> Tensors:
    x = call.x
    for number, name in ((1, "Max"), (2, "Min")):
        if call.given(number):
            x = call.add(name, x, call.tensor(number))
    return x


@converts("Elu", "EluExt")
def _elu(call: Call) -> Tensors:
    return call.add("Elu", call.x, alpha=float(call.constant(1)))


@converts("LeakyReLU", "LeakyReLUExt")
def _leaky_relu(call: Call) -> Tensors:
    return call.add("LeakyRelu", call.x, alpha=float(call.constant(1)))


@converts("SiLU")
def _silu(call: Call) -> Tensors:
    return call.add("Mul", call.x, call.add("Sigmoid", call.x))


@converts("GeLU")
def _gelu(call: Call) -> Tensors:
    """Convert ``x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))``."""
    add, x = call.add, call.x
    cube = add("Mul", add("Mul", add("Mul", x, x), x), scalar(call, 0.044715))
    tanh = add("Tanh", add("Mul", add("Add", x, cube), scalar(call, np.sqrt(2 / np.pi))))
    return add("Mul", add("Mul", x, scalar(call, 0.5)), add("Add", tanh, scalar(call, 1)))


@converts("GeluExt")
def _exact_gelu(call: Call) -> Tensors:
    if call.given(1) and call.constant(1) == 1:  # approximate="tanh"
        return _gelu(call)
    add, x = call.add, call.x
    erf = add("Erf", add("Mul", x, scalar(call, np.sqrt(0.5))))
    return add("Mul", add("Mul", x, scalar(call, 0.5)), add("Add", erf, scalar(call, 1)))


@converts("PReLU")
def _prelu(call: Call) -> Tensors:
    return call.add("PRelu", call.x, by_channel(call, 1))


@converts("Rsqrt")
def _rsqrt(call: Call) -> Tensors:
    return call.add("Reciprocal", call.add("Sqrt", call.x))


@converts("Square")
def _square(call: Call) -> Tensors:
    return call.add("Mul", call.x, call.x)


@converts("SquaredDifference")
def _squared_difference(call: Call) -> Tensors:
    difference = call.add("Sub", call.x, call.tensor(1))
    return call.add("Mul", difference, difference)


@converts("NotEqual")
def _not_equal(call: Call) -> Tensors:
    return call.add("Not", call.add("Equal", call.x, call.tensor(1)))


@converts("FloorDiv", "FloorDivScalar")
def _floor_div(call: Call) -> Tensors:
    return call.add("Floor", call.add("Div", call.x, call.tensor(1)))


@converts("Cast")
def _cast(call: Call) -> Tensors:
    return call.add("Cast", call.x, to=helper.np_dtype_to_tensor_dtype(np.dtype(call.out_type)))


@converts("Select")
def _select(call: Call) -> Tensors:
    return call.add("Where", call.x, call.tensor(1), call.tensor(2))


@converts("OnesLike", args=(1,))
@converts("ZerosLike", args=(0,))
def _filled(value: float, call: Call) -> Tensors:
    return call.add("Expand", scalar(call, value), call.add("Shape", call.x))


@converts("BiasAdd")
def _bias_add(call: Call) -> Tensors:
    return call.add("Add", call.x, by_channel(call, 1))


@converts("LogSoftmax", args=("LogSoftmax",))
@converts("Softmax", args=("Softmax",))
def _softmax(name: str, call: Call) -> Tensors:
    (axis,) = axes_of(call, 1)
    return call.add(name, call.x, axis=axis)


@converts("ArgMaxWithValue", args=("ReduceMax", "ArgMax"))
@converts("ArgMinWithValue", args=("ReduceMin", "ArgMin"))
def _arg_with_value(value: str, place: str, call: Call) -> Tensors:
    """Return the index and the value of the largest or smallest element along an axis."""
    axis, keep = call.attribute("axis", 0), int(bool(call.attribute("keep_dims", False)))
    if len(call) > 2:
        axis, keep = call.constant(1), int(bool(call.constant(2)))
    places = call.add(place, call.x, axis=axis, keepdims=keep)
    return [call.add("Cast", places, to=helper.np_dtype_to_tensor_dtype(np.dtype("int32"))), call.add(value, call.x, [axis], keepdims=keep)]


@converts("CumSum")
def _cumulated(call: Call) -> Tensors:
    exclusive, reverse = (int(bool(call.constant(number))) for number in (2, 3))
    return call.add("CumSum", call.x, call.constant(1), exclusive=exclusive, reverse=reverse)


@converts("ReduceStd")
def _standard_deviation(call: Call) -> Tensors:
    """Return the standard deviation and the mean."""
    add, axes, keep = call.add, axes_of(call, 1), bool(call.constant(3))
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


for _convert, _names in ((_unary, _UNARY), (_binary, _BINARY), (_reduced, _REDUCTIONS)):
    for _ours, _theirs in _names.items():
        converts(_ours, args=(_theirs,))(_convert)
for _ours, _theirs in _BINARY.items():
    if f"{_ours}Scalar" not in OPERATORS:
        converts(f"{_ours}Scalar", args=(_theirs,))(_binary)
