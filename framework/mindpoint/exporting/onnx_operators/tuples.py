"""Operators that pass tensors through."""

from __future__ import annotations

from mindpoint.exporting.onnx_call import Call, Tensors
from mindpoint.exporting.onnx_operators.table import converts


@converts("Depend", "Load")
def _first(call: Call) -> Tensors:
    given = call.conversion.tensor(call.operation.inputs[0])
    return given if given is not None else call.tensor(0)


@converts("MakeTuple")
def _make_tuple(call: Call) -> Tensors:
    return [call.tensor(number) for number in range(len(call))]


@converts("TupleGetItem")
def _item(call: Call) -> Tensors:
    items = call.tensors(0)
    if call.constant(1) >= len(items):
        raise call.refused("uses a second result, which cannot be exported to ONNX")
    return items[call.constant(1)]
