"""A short way to add nodes to an ONNX graph."""

from __future__ import annotations

from typing import Any, List, Sequence, Union

import numpy as np
import onnx
from onnx import helper, numpy_helper

Value = Union[str, int, float, bool, Sequence, np.ndarray]


class OnnxGraph:
    """Nodes to add to a graph. A value is the name of a tensor, or a constant: a number, a list or an array.

    Python integers become int64 constants, floats float32.

    Attributes:
        nodes: the nodes added so far, in order.
        initializers: the constants that the nodes use.
    """

    def __init__(self, prefix: str = "n"):
        self.prefix = prefix
        self.nodes: List[onnx.NodeProto] = []
        self.initializers: List[onnx.TensorProto] = []

    def add(self, op: str, *inputs: Value, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        return self.add_many(op, 1, *inputs, **attributes)[0]

    def add_many(self, op: str, outputs: int, *inputs: Value, **attributes: Any) -> List[str]:
        """Add a node with several outputs and return their names."""
        place = f"{self.prefix}/{op}_{len(self.nodes)}"
        names = [place if index == 0 else f"{place}.{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op, [self.constant(value) for value in inputs], names, name=place, **attributes))
        return names

    def constant(self, value: Value) -> str:
        """Return the name of a constant; return a name unchanged."""
        if isinstance(value, str):
            return value
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        name = f"{self.prefix}/constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(array, name))
        return name
