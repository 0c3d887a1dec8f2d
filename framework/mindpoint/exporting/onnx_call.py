"""The conversion of one MindSpore operator with its arguments to ONNX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
from mindspore import Parameter
from onnx import helper, numpy_helper

from mindpoint.contracts.onnx_graph import OnnxGraph
from mindpoint.errors import MindpointError
from mindpoint.exporting.mindir import CompiledNetwork, Operation
from mindpoint.exporting.onnx_sizes import Sizes

Tensors = Union[str, List[str]]
PAGE = "see docs/deployment.md, 'Parts of your own', for replacing a cell in exported files"


class Argument(tuple):
    """A constant argument: its values for the two inputs that the network was compiled for, ``(first, second)``."""


@dataclass
class Conversion:
    """The conversion of a network to an ONNX graph.

    Attributes:
        graph: receives the nodes.
        network, other: the network, compiled for two shapes; both are the same if the file has a fixed shape.
        parameters: MindSpore's parameters, by name.
        sizes: numbers that depend on the input's size; None if the file has a fixed shape.
        tensors: for each converted name of ``network``, the tensor's name in ``graph``; a list of names for a tuple.
    """

    graph: OnnxGraph
    network: CompiledNetwork
    other: CompiledNetwork
    parameters: Mapping[str, Parameter]
    sizes: Optional[Sizes]
    tensors: Dict[str, Tensors]

    def tensor(self, name: str) -> Optional[Tensors]:
        """Return the tensor's name in ``graph`` for a name of ``network``; None for a constant. A parameter is added on first use."""
        if name not in self.tensors:
            parameter = self.parameters.get(name.rpartition(":")[2])
            if name in self.network.constants or parameter is None:
                return None
            self.graph.initializers.append(numpy_helper.from_array(parameter.asnumpy(), parameter.name))
            self.tensors[name] = parameter.name
        return self.tensors[name]


class Call:
    """One operator. Arguments are counted from 0; a negative number counts from the end."""

    def __init__(self, conversion: Conversion, operation: Operation, other: Operation):
        self.conversion, self.operation, self.other = conversion, operation, other
        self.add, self.add_many = conversion.graph.add, conversion.graph.add_many

    # ---- tensors

    def __len__(self) -> int:
        return len(self.operation.inputs)

    def tensors(self, number: int) -> List[str]:
        """Return the tensors in a tuple argument."""
        given = self.conversion.tensor(self.operation.inputs[number])
        return given if isinstance(given, list) else [given]

    def tensor(self, number: int) -> str:
        """Return an argument as a tensor; a number gets the type of the first argument that is a tensor."""
        given = self.conversion.tensor(self.operation.inputs[number])
        if isinstance(given, list):
            raise self.refused("has a tuple as an argument that must be a tensor in ONNX")
        if given is not None:
            return given
        value, second = self.argument(number)
        if not isinstance(value, np.ndarray) and not isinstance(value, (bool, int, float)):
            raise self.refused(f"has {value!r} as an argument that must be a tensor in ONNX")
        kind = value.dtype if isinstance(value, np.ndarray) else self.type
        if not np.array_equal(value, second):
            if isinstance(value, np.ndarray):
                return self._filled(value, second)
            number = self.add("Squeeze", self.size(int(value), int(second)))
            return self.add("Cast", number, to=helper.np_dtype_to_tensor_dtype(np.dtype(kind)))
        return self.conversion.graph.constant(np.asarray(value, kind))

    def _filled(self, value: np.ndarray, second: np.ndarray) -> str:
        """Return an array of equal numbers whose shape depends on the input's size."""
        if value.size == 0 or (value != value.flat[0]).any() or (second != value.flat[0]).any():
            raise self.bound()
        return self.add("Expand", np.asarray(value.flat[0]), self.vector(value.shape, second.shape))

    @property
    def x(self) -> str:
        """Return the first argument as a tensor."""
        return self.tensor(0)

    @property
    def type(self) -> str:
        """Return the numpy type of the first argument that is a tensor."""
        types = self.conversion.network.types
        return next((types[name] for name in self.operation.inputs if types.get(name)), "float32")

    @property
    def out_type(self) -> str:
        """Return the numpy type of the result."""
        return self.conversion.network.types[self.operation.output]

    def shapes(self, number: Optional[int] = None) -> Tuple[Tuple[int, ...], Tuple[int, ...]]:
        """Return an argument's shape, or the result's, for the two inputs that the network was compiled for."""
        found = []
        for network, call in ((self.conversion.network, self.operation), (self.conversion.other, self.other)):
            name = call.output if number is None else call.inputs[number]
            if name not in network.shapes:
                raise self.refused("has a shape that is unknown before it runs")
            found.append(network.shapes[name])
        return found[0], found[1]

    def rank(self, number: int = 0) -> int:
        """Return the number of an argument's axes."""
        return len(self.shapes(number)[0])

    # ---- other arguments

    def argument(self, number: int) -> Argument:
        """Return the values of a constant argument for the two inputs."""
        name, other = self.operation.inputs[number], self.other.inputs[number]
        if name not in self.conversion.network.constants:
            raise self.refused("has an argument that is computed at run time")
        return Argument((self.conversion.network.constants[name], self.conversion.other.constants[other]))

    def constant(self, number: int) -> object:
        """Return a constant argument, which must not depend on the input's size."""
        return self._same(self.argument(number))

    def given(self, number: int) -> bool:
        """Return whether an argument is given and not None."""
        if number >= len(self):
            return False
        name = self.operation.inputs[number]
        return self.conversion.network.constants.get(name, name) is not None

    def attribute(self, name: str, default: object = None) -> object:
        """Return an attribute, which must not depend on the input's size."""
        return self._same(Argument((self.operation.attributes.get(name, default), self.other.attributes.get(name, default))))

    def text(self, name: str, default: str = "") -> str:
        """Return an attribute that is a text, in lower case."""
        return str(self.attribute(name, default)).lower()

    def _same(self, argument: Argument) -> object:
        first, second = argument
        same = np.array_equal(first, second) if isinstance(first, np.ndarray) else first == second
        if not same:
            raise self.bound()
        return first

    # ---- sizes

    def size(self, first: int, second: int) -> str:
        """Return a tensor, int64 ``(1,)``, that is ``first`` for one input and ``second`` for the other."""
        if first == second:
            return self.conversion.graph.constant([first])
        found = self.conversion.sizes and self.conversion.sizes.tensor(first, second)
        if not found:
            raise self.bound()
        return found

    def vector(self, first: Sequence[int], second: Sequence[int]) -> str:
        """Return a tensor, int64 ``(n,)``, that is ``first`` for one input and ``second`` for the other."""
        if len(first) != len(second):
            raise self.bound()
        if tuple(first) == tuple(second):
            return self.conversion.graph.constant(np.array(first, np.int64))
        return self.add("Concat", *[self.size(*pair) for pair in zip(first, second)], axis=0)

    # ---- refusals

    def refused(self, why: str = "cannot be exported to ONNX") -> MindpointError:
        """Return the error for an operator that cannot be converted."""
        return MindpointError(f"{self.operation.place}: the operator {self.operation.operator} {why}; {PAGE}")

    def bound(self) -> MindpointError:
        """Return the error for an argument that depends on the input's size."""
        return self.refused("depends on the input's size; export without --dynamic, or compute sizes from the shapes of maps")
