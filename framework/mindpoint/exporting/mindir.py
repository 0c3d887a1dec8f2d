"""A compiled network as stored in a MINDIR file: single operators, with their arguments as plain values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Sequence, Tuple

import mindspore as ms
import numpy as np
from mindspore import nn
from mindspore.train import mind_ir_pb2

from mindpoint.errors import MindpointError
from mindpoint.exporting.fresh_graph import FreshGraph
from mindpoint.storage.files import temporary_folder

TYPES = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64",
         12: "uint32", 13: "uint64", 17: "float64"}  # fmt: skip
_ORDER_ONLY = ("UpdateState",)  # only orders reads and writes


@dataclass(frozen=True)
class Operation:
    """One operator of the network.

    Attributes:
        operator: MindSpore's name for it.
        inputs: names of its inputs.
        output: name of its output.
        attributes: its other arguments, by name.
        place: its cell, such as ``backbone.stem.1 (BatchNorm2d)``.
    """

    operator: str
    inputs: Tuple[str, ...]
    output: str
    attributes: Mapping[str, object]
    place: str


@dataclass(frozen=True)
class CompiledNetwork:
    """The operators of a network for inputs of given shapes, in the order in which they run.

    Attributes:
        inputs, outputs: names of the inputs and the outputs.
        constants: numbers, texts, tuples, arrays and None by name.
        shapes, types: shapes and types of tensors by name. For an operator with several outputs these are those of the first output.
    """

    inputs: List[str] = field(default_factory=list)
    outputs: List[str] = field(default_factory=list)
    operations: List[Operation] = field(default_factory=list)
    constants: Dict[str, object] = field(default_factory=dict)
    shapes: Dict[str, Tuple[int, ...]] = field(default_factory=dict)
    types: Dict[str, str] = field(default_factory=dict)

    def add_tensor(self, name: str, tensor: mind_ir_pb2.TensorProto) -> None:
        """Record the shape and the type of a tensor."""
        self.shapes[name] = tuple(tensor.dims)
        self.types[name] = TYPES.get(tensor.data_type, "")


def compile_network(network: nn.Cell, inputs: Sequence[np.ndarray]) -> CompiledNetwork:
    """Return the operators of a network for these inputs.

    Raises:
        MindpointError: MindSpore cannot compile it, or its control flow depends on values.
    """
    with temporary_folder() as folder:
        path = folder / "network.mindir"
        try:
            ms.export(FreshGraph(network), *map(ms.Tensor, inputs), file_name=str(path), file_format="MINDIR")
            model = mind_ir_pb2.ModelProto()
            model.ParseFromString(path.read_bytes())
        except (RuntimeError, ValueError, TypeError) as error:
            raise MindpointError(f"MindSpore cannot compile this network for an export: {str(error).splitlines()[0]}") from error
    return _read(model)


def _read(model: mind_ir_pb2.ModelProto) -> CompiledNetwork:
    graph, primitives = model.graph, {primitive.name: primitive for primitive in model.primitives}
    if model.functions:
        raise MindpointError("the network branches on values of tensors (if or while), which cannot be exported to ONNX")
    found = CompiledNetwork(inputs=[value.name for value in graph.input], outputs=[value.name for value in graph.output])
    for value in graph.input:
        found.add_tensor(value.name, value.tensor[0])
    for parameter in graph.parameter:
        found.add_tensor(parameter.name, parameter)
    for node in graph.node:
        if node.op_type == "Constant":
            found.constants[node.output[0]] = _value(node.attribute[0])
            continue
        primitive = primitives.get(node.op_type.partition("::")[2])
        operator = primitive.op_type if primitive else node.op_type
        if operator in _ORDER_ONLY:
            continue
        attributes = {attribute.name: _value(attribute) for attribute in primitive.attribute} if primitive else {}
        found.operations.append(Operation(operator, tuple(node.input), node.output[0], attributes, _place(node.domain)))
        for attribute in node.attribute:
            if attribute.name == "shape" and len(attribute.tensors) == 1:
                found.add_tensor(node.output[0], attribute.tensors[0])
                if operator == "TupleGetItem" and found.constants[node.input[1]] == 0:
                    found.add_tensor(node.input[0], attribute.tensors[0])
    return found


def _place(scope: str) -> str:
    """Return the path of a cell, ``backbone.stem.1 (BatchNorm2d)``, from
    ``Default/network-N/backbone-B/.../1-BatchNorm2d/BatchNorm-op0``."""
    cells = [part.partition("-") for part in scope.split("/")[1:-1]]
    if cells and cells[0][0] == "network":  # the attribute of FreshGraph
        cells = cells[1:]
    return f"{'.'.join(name for name, _, _ in cells)} ({cells[-1][2]})" if cells else "the network"


def _value(attribute: mind_ir_pb2.AttributeProto) -> object:
    kind = mind_ir_pb2.AttributeProto.AttributeType.Name(attribute.type)
    if kind in ("TUPLE", "LIST"):
        return tuple(_value(value) for value in attribute.values)
    if kind == "TENSORS":
        tensors = tuple(_array(tensor) for tensor in attribute.tensors)
        return tensors[0] if len(tensors) == 1 else tensors
    if kind == "STRING":
        return (attribute.strings[0] if attribute.strings else attribute.s).decode()
    if kind == "BOOL":
        return bool(attribute.ints[0] if attribute.ints else attribute.i)
    if kind == "FLOAT":
        return float(attribute.floats[0] if attribute.floats else attribute.f)
    if kind == "DOUBLE":
        return float(attribute.doubles[0] if attribute.doubles else attribute.d)
    if re.fullmatch("U?INT[0-9]+", kind):
        return int(attribute.ints[0] if attribute.ints else attribute.i)
    return None


def _array(tensor: mind_ir_pb2.TensorProto) -> np.ndarray:
    if tensor.data_type not in TYPES:
        kind = mind_ir_pb2.TensorProto.DataType.Name(tensor.data_type)
        raise MindpointError(f"{tensor.name or 'a constant'}: has the type {kind}, which cannot be exported to ONNX")
    return np.frombuffer(tensor.raw_data, TYPES[tensor.data_type]).reshape(tuple(tensor.dims))
