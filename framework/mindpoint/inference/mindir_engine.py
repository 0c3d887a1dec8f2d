"""MINDIR files, run by MindSpore, which is imported when a file is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Dict

import numpy as np

from mindpoint.contracts.engine import Engine, Inputs, ModelFile
from mindpoint.contracts.instances import Detections
from mindpoint.errors import WeightsError
from mindpoint.inference.exclusive import exclusive
from mindpoint.inference.metadata import ExportMetadata
from mindpoint.storage.mindir_texts import read_texts


class MindirEngine(Engine):
    """MindSpore's own format."""

    suffixes = (".mindir",)
    title = "MindSpore"

    def open(self, path: Path) -> ModelFile:
        """See :class:`Engine`."""
        import mindspore as ms
        from google.protobuf.message import DecodeError
        from mindspore import nn
        from mindspore.train.mind_ir_pb2 import ModelProto

        from mindpoint.runtime import device

        content = ModelProto()
        try:
            content.ParseFromString(Path(path).read_bytes())
        except DecodeError as error:
            raise WeightsError(f"{path}: damaged, or not a MINDIR file") from error
        _refuse_libraries(content, path)
        texts = read_texts(content)
        facts = ExportMetadata.from_metadata(texts, path)  # holds the outputs' names, which a MINDIR graph lacks
        fields = [*(field.name for field in Detections.own), *(field["name"] for field in facts.fields)]
        names = fields if facts.decoded else list(facts.maps)
        try:
            with exclusive():
                device.setup("auto", seed=0)
                network = nn.GraphCell(ms.load(str(path)))
        except (RuntimeError, ValueError) as error:
            raise WeightsError(f"{path}: damaged: {str(error).splitlines()[0]}") from error

        def forward(inputs: Inputs) -> Dict[str, np.ndarray]:
            with exclusive():
                outputs = network(*(ms.Tensor(array) for array in inputs.values()))
                return {name: value.asnumpy().copy() for name, value in zip(names, _tuple(outputs))}

        return ModelFile(texts, forward)


def _refuse_libraries(content, path: Path) -> None:
    """Raise WeightsError if a graph has custom operators: MindSpore would load the library that they name. Exports never contain them."""
    graphs = [content.graph, *content.functions]
    kinds = [node.op_type for graph in graphs for node in graph.node] + [primitive.op_type for primitive in content.primitives]
    if any(kind.rpartition("/")[2].startswith("Custom") for kind in kinds):
        raise WeightsError(f"{path}: refused: it has a custom operator, which would load a library; export the model again")


def _tuple(outputs: object) -> tuple:
    return outputs if isinstance(outputs, (tuple, list)) else (outputs,)
