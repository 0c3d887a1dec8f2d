"""From an ONNX graph for one input shape to a graph for any: what the shape was written into is found by comparing two exports."""

from __future__ import annotations

from typing import Dict

import numpy as np
import onnx
from onnx import numpy_helper

from mindpoint.errors import MindpointError

WHOLE = np.iinfo(np.int64).max  # as the end of a slice: up to the end


def free_sizes(graph: onnx.GraphProto, other: onnx.GraphProto) -> None:
    """Take the sizes of the input out of the constants of ``graph``.

    Args:
        graph: changed in place.
        other: the same network for another input shape.

    Raises:
        MindpointError: a constant that depends on the shape is neither the end of a slice nor the shape of a reshape.
    """
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    users = _users(graph)
    for tensor, second in zip(graph.initializer, other.initializer):
        first, theirs = values[tensor.name], numpy_helper.to_array(second)
        if first.shape == theirs.shape and np.array_equal(first, theirs):
            continue
        node, place = users[tensor.name]
        if node.op_type == "Slice" and place == 2:
            freed = np.where(first == theirs, first, WHOLE)
        elif node.op_type == "Reshape" and place == 1 and first.shape == theirs.shape:
            freed = _free_reshape(node, first, theirs)
        else:
            raise _bound(node)
        tensor.CopyFrom(numpy_helper.from_array(freed.astype(np.int64), tensor.name))
    for node, theirs in zip(graph.node, other.node):
        if node.op_type != theirs.op_type or list(node.attribute) != list(theirs.attribute):
            raise _bound(node)


def _users(graph: onnx.GraphProto) -> Dict[str, tuple]:
    """For each tensor the (last) node that takes it, and as which input."""
    return {name: (node, place) for node in graph.node for place, name in enumerate(node.input)}


def _free_reshape(node: onnx.NodeProto, first: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return the batch is copied from the input; of the other sizes one may follow from the rest."""
    freed = first.copy()
    changed = np.flatnonzero(first != theirs)
    if len(changed) and changed[0] == 0:
        freed[0], changed = 0, changed[1:]
    if len(changed) > 1 or len(changed) and -1 in first:
        raise _bound(node)
    freed[changed] = -1
    return freed


def _bound(node: onnx.NodeProto) -> MindpointError:
    name = node.name or (node.output[0] if node.output else "")
    return MindpointError(f"the operator {node.op_type} '{name}' is bound to the input's size; export without --dynamic")
