"""OpenVINO's own format, made from the ONNX file of the same network."""

from __future__ import annotations

from pathlib import Path

from mindpoint.contracts.exporter import Exportable
from mindpoint.exporting.onnx_file import write_onnx
from mindpoint.inference.openvino_engine import read_model
from mindpoint.storage.files import temporary_folder


def write_openvino(path: Path, model: Exportable) -> None:
    """Write description and weights, with the metadata of the ONNX file.

    Raises:
        MindpointError: the network or the decoder cannot be expressed in ONNX, or OpenVINO lacks one of its operators.
    """
    import openvino

    with temporary_folder() as folder:
        between = folder / "network.onnx"
        write_onnx(between, model)
        openvino.save_model(read_model(between), str(path), compress_to_fp16=model.precision == "float16")
