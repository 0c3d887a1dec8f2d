"""Count the operators of compiled graphs."""

from __future__ import annotations

from collections import Counter
from typing import Dict, List, NamedTuple, Sequence, Tuple

import mindspore as ms
from mindspore import Tensor, nn

from mindpoint.errors import MindpointError
from mindpoint.native.exporting import Export, export_in_progress
from mindpoint.storage.files import temporary_folder


class Operator(NamedTuple):
    """An operator and its outputs.

    Attributes:
        name: MindSpore's name for it.
        kinds: types of its outputs, without duplicates.
        shapes: shapes of its outputs.
    """

    name: str
    kinds: Tuple[str, ...]
    shapes: Tuple[Tuple[int, ...], ...]


def operators(cell: nn.Cell, inputs: Sequence[Tensor]) -> "Counter[Operator]":
    """Count the occurrences of each operator in the graph of a cell, before device-specific passes.

    Raises:
        MindpointError: MindSpore cannot compile the cell.
    """
    from mindspore.train.mind_ir_pb2 import ModelProto

    content = ModelProto()

    def keep(model: ModelProto) -> None:
        content.CopyFrom(model)
        model.graph.ClearField("parameter")  # the file is not read, and large weights would split it into several files

    with temporary_folder() as folder, export_in_progress(Export("mindir")):
        try:
            ms.export(cell, *inputs, file_name=str(folder / "graph.mindir"), file_format="MINDIR", custom_func=keep)
        except (RuntimeError, ValueError, TypeError) as error:
            raise MindpointError(f"MindSpore cannot compile the graph: {str(error).splitlines()[0]}") from error
    names = {primitive.name: primitive.op_type for primitive in content.primitives}
    kinds = _kinds()
    found: "Counter[Operator]" = Counter()
    for graph in (content.graph, *content.functions):
        for node in graph.node:
            name = names.get(node.op_type.partition("REF::")[2])
            if name is not None:
                outputs = _outputs(node)
                found[
                    Operator(
                        name, tuple(dict.fromkeys(kinds.get(kind, str(kind)) for kind, _ in outputs)), tuple(shape for _, shape in outputs)
                    )
                ] += 1
    return found


def _outputs(node) -> List[Tuple[int, Tuple[int, ...]]]:
    found = []
    for attribute in node.attribute:
        if attribute.name == "shape":  # a sequence if there are several outputs
            for value in (attribute, *attribute.values):
                found += [(tensor.data_type, tuple(tensor.dims)) for tensor in value.tensors]
    return found


def _kinds() -> Dict[int, str]:
    from mindspore.train.mind_ir_pb2 import TensorProto

    usual = {"FLOAT": "float32", "DOUBLE": "float64"}
    return {number: usual.get(name, name.lower()) for name, number in TensorProto.DataType.items()}
