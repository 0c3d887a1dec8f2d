"""Batch, layer, group and instance normalisation."""

from __future__ import annotations

import numpy as np

from mindpoint.exporting.onnx_call import Call, Tensors
from mindpoint.exporting.onnx_operators.table import by_channel, converts, scalar


@converts("BatchNorm", args=(5, 6))
@converts("BatchNormExt", args=(5, 7))
def _batch_norm(training: int, epsilon: int, call: Call) -> Tensors:
    """Convert the arguments ``x, scale, bias, mean, variance``, and those with the indices ``training`` and ``epsilon``."""
    if call.constant(training):
        raise call.refused("uses batch statistics, which cannot be exported to ONNX")
    return [call.add("BatchNormalization", *(call.tensor(number) for number in range(5)), epsilon=float(call.constant(epsilon)))]


@converts("LayerNorm", args=(3, 1, 5))
@converts("LayerNormExt", args=(1, 2, 4))
def _layer_norm(begin: int, scale: int, epsilon: int, call: Call) -> Tensors:
    """Convert a normalisation. The parameters are indices of arguments: ``begin`` of the first axis or the normalised shape, ``scale`` of
    the scale, which the bias follows, and ``epsilon``."""
    first = call.constant(begin)
    axes = list(range(call.rank()))[-len(first) if isinstance(first, tuple) else first :]
    centred = call.add("Sub", call.x, call.add("ReduceMean", call.x, axes, keepdims=1))
    variance = call.add("ReduceMean", call.add("Mul", centred, centred), axes, keepdims=1)
    y = call.add("Div", centred, call.add("Sqrt", call.add("Add", variance, scalar(call, call.constant(epsilon)))))
    for name, number in (("Mul", scale), ("Add", scale + 1)):
        if call.given(number):
            y = call.add(name, y, call.tensor(number))
    return [y]


@converts("GroupNorm")
def _group_norm(call: Call) -> Tensors:
    """Convert the arguments ``x, groups, scale, bias, epsilon``."""
    groups = call.constant(1)
    flat = call.add("Reshape", call.x, [0, groups, -1])
    ones, zeros = np.ones(groups, call.type), np.zeros(groups, call.type)
    normal = call.add("InstanceNormalization", flat, ones, zeros, epsilon=float(call.constant(4)))
    scaled = call.add("Mul", call.add("Reshape", normal, call.add("Shape", call.x)), by_channel(call, 2))
    return [call.add("Add", scaled, by_channel(call, 3))]


@converts("InstanceNorm")
def _instance_norm(call: Call) -> Tensors:
    return [call.add("InstanceNormalization", call.x, call.tensor(1), call.tensor(2), epsilon=float(call.attribute("epsilon")))]
