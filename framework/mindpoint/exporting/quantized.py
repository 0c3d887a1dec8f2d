"""An ONNX graph whose convolutions compute with 8-bit integers, by ONNX Runtime's static quantisation.

The ranges of the activations are calibrated on some images. Weights have a range for each channel. Deformable convolutions, and the last
layers, whose results are the maps, keep float32.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Iterator, List, Optional, Sequence

import numpy as np
import onnx

from mindpoint.contracts.engine import Inputs
from mindpoint.errors import MindpointError
from mindpoint.storage.files import temporary_folder

_OPERATORS = ["Conv", "MaxPool", "Add", "Concat", "MatMul"]


def quantize(model: onnx.ModelProto, calibration: Sequence[Inputs]) -> onnx.ModelProto:
    """Return the graph in 8 bits with pairs of ``QuantizeLinear`` and ``DequantizeLinear``, which engines turn into integer operators.

    Args:
        calibration: the inputs of one or more runs.

    Raises:
        MindpointError: ONNX Runtime cannot quantise it.
    """
    from onnxruntime import quantization

    with temporary_folder() as folder:
        plain, small = folder / "plain.onnx", folder / "int8.onnx"
        try:
            _fold(model, plain)
            level = logging.root.manager.disable
            logging.disable(logging.WARNING)  # hides ONNX Runtime's advice to prepare the graph, which has been done
            try:
                quantization.quantize_static(
                    str(plain),
                    str(small),
                    _reader(calibration),
                    op_types_to_quantize=_OPERATORS,
                    nodes_to_exclude=_last(onnx.load(str(plain)).graph),
                    per_channel=True,
                    activation_type=quantization.QuantType.QUInt8,
                    weight_type=quantization.QuantType.QInt8,
                )
            finally:
                logging.disable(level)
        except Exception as error:  # its errors have no common base
            raise MindpointError(f"ONNX Runtime cannot quantise this network: {' '.join(str(error).split())[:300]}") from error
        return onnx.load(str(small))


def _fold(model: onnx.ModelProto, path: Path) -> None:
    """Write the graph with normalisation layers folded into the convolutions."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _last(graph: onnx.GraphProto) -> List[str]:
    """Return the names of the nodes whose results are outputs."""
    outputs = {output.name for output in graph.output}
    return [node.name for node in graph.node if outputs & set(node.output)]


def _reader(calibration: Sequence[Inputs]):
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._left: Iterator[Inputs] = iter(calibration)

        def get_next(self) -> Optional[dict]:
            inputs = next(self._left, None)
            return None if inputs is None else {name: np.asarray(array) for name, array in inputs.items()}

    return Reader()
