"""Counts of a network's parameters and multiply-adds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Dict, Iterator, List, Tuple

import mindspore as ms
import numpy as np
from mindspore import nn

from mindpoint.native.fused import single_cells
from mindpoint.runtime import device

Shape = Tuple[int, ...]

_COUNTED = (nn.Conv2d, nn.Conv2dTranspose, nn.Dense)
_DETAILS = ("kernel_size", "stride", "dilation", "group")


@dataclass(frozen=True)
class Call:
    """One call of an operator: a convolution, a dense layer, a cell without children, or a cell with a method ``multiply_adds``.

    Attributes:
        cell: the operator.
        name: its path in the network.
        inputs: shapes of its input tensors, batch axis first; empty if an input is not a tensor.
        output: shape of its first output tensor.
    """

    cell: nn.Cell
    name: str
    inputs: Tuple[Shape, ...]
    output: Shape

    @property
    def multiply_adds(self) -> int:
        """Return the multiply-adds of the call: the result of the cell's method ``multiply_adds(inputs, output)`` if it has one. Otherwise
        return the count for a convolution or dense layer, and 0 for any other cell."""
        own = getattr(self.cell, "multiply_adds", None)
        if own is not None:
            return own(self.inputs, self.output)
        if isinstance(self.cell, nn.Conv2d):
            return math.prod(self.output) * math.prod(self.cell.weight.shape[1:])
        if isinstance(self.cell, nn.Conv2dTranspose):
            return math.prod(self.inputs[0]) * math.prod(self.cell.weight.shape[1:])
        if isinstance(self.cell, nn.Dense):
            return math.prod(self.output) * self.cell.in_channels
        return 0

    @property
    def label(self) -> str:
        """Return a text that distinguishes operators: type, shapes and settings."""
        shapes = " + ".join("x".join(map(str, shape)) for shape in self.inputs)
        details = [f"{name} {_short(getattr(self.cell, name))}" for name in _DETAILS if hasattr(self.cell, name)]
        return f"{type(self.cell).__name__} {shapes} -> {'x'.join(map(str, self.output))} {', '.join(details)}".rstrip()


def _short(value: object) -> str:
    values = value if isinstance(value, tuple) else (value,)
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))


def calls(network: nn.Cell, shape: Shape) -> List[Call]:
    """Run the network once on zeros of this shape and return the calls of its operators, in order. It runs eagerly, in its current mode:
    training or evaluation."""
    found: List[Call] = []

    def recorder(name: str):
        def record(cell, inputs, output):
            tensors = all(isinstance(value, ms.Tensor) for value in inputs)
            first = output[0] if isinstance(output, (tuple, list)) else output
            found.append(Call(cell, name, tuple(tuple(x.shape) for x in inputs) if tensors else (), tuple(first.shape)))

        return record

    hooks = [cell.register_forward_hook(recorder(name)) for name, cell in _operators(network, "")]
    try:
        with device.operator_by_operator(), single_cells(network):
            network(ms.Tensor(np.zeros(shape, np.float32)))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _operators(cell: nn.Cell, name: str) -> Iterator[Tuple[str, nn.Cell]]:
    inner = cell.name_cells()
    if not inner or hasattr(cell, "multiply_adds") or isinstance(cell, _COUNTED):
        yield name, cell
        return
    for part, child in inner.items():
        yield from _operators(child, f"{name}.{part}" if name else part)


def network_facts(network: nn.Cell, size: Tuple[int, int]) -> Dict[str, object]:
    """Return facts for a report: the number of trainable parameters, and the multiply-adds for one image of ``size`` (height, width), in
    total and for each part of the network."""
    training = network.training
    network.set_train(False)
    done = calls(network, (1, 3, *size))
    network.set_train(training)
    facts: Dict[str, object] = {"parameters": sum(math.prod(p.shape) for p in network.trainable_params())}
    facts["multiply_adds"] = sum(call.multiply_adds for call in done)
    for part in dict.fromkeys(call.name.split(".")[0] for call in done):
        facts[f"multiply_adds_{part}"] = sum(call.multiply_adds for call in done if call.name.split(".")[0] == part)
    return facts
