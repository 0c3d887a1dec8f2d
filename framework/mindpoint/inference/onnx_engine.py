"""ONNX files, run by ONNX Runtime on the CPU. Importing this module does not import MindSpore."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Dict

import numpy as np

from mindpoint.contracts.engine import Engine, Inputs, ModelFile
from mindpoint.errors import MindpointError, WeightsError


class OnnxEngine(Engine):
    """ONNX Runtime."""

    suffixes = (".onnx",)
    title = "ONNX Runtime"

    def installed(self) -> bool:
        """See :class:`Engine`."""
        return importlib.util.find_spec("onnxruntime") is not None

    def open(self, path: Path) -> ModelFile:
        """See :class:`Engine`."""
        session = _session(path)
        try:
            outputs, metadata = [output.name for output in session.get_outputs()], session.get_modelmeta().custom_metadata_map
        except UnicodeDecodeError as error:
            raise WeightsError(f"{path}: damaged: a name or text in it is not UTF-8") from error

        def forward(inputs: Inputs) -> Dict[str, np.ndarray]:
            return dict(zip(outputs, session.run(outputs, dict(inputs))))

        return ModelFile(metadata, forward)


def _session(place: Path):
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MindpointError(f"{place}: running it needs ONNX Runtime; install it with: pip install 'mindpoint[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised
    # spinning threads take time from other work, such as reading and drawing images, without a gain
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(place), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common base
        reason = str(error).splitlines()[0]
        if "NOT_IMPLEMENTED" in reason:
            raise WeightsError(
                f"{place}: has an operator that ONNX Runtime {onnxruntime.__version__} lacks; install a newer one, or export with "
                f"--portable: {reason}"
            ) from error
        raise WeightsError(f"{place}: damaged, or not an ONNX file that ONNX Runtime can run: {reason}") from error
