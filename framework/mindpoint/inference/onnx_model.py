"""A model that ``mindpoint export`` wrote as ONNX, run by ONNX Runtime. Importing this module does not import MindSpore."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Optional, Sequence

import numpy as np

from mindpoint.inference.exported import exported_model
from mindpoint.storage.files import check_readable
from mindpoint.inference.detector import Model
from mindpoint.errors import MindpointError, WeightsError
from mindpoint.inference.metadata import ExportMetadata


class OnnxFile:
    """An ONNX file on the CPU.

    Args:
        place: the file.

    Attributes:
        facts: what it says about itself.

    Raises:
        MindpointError: ONNX Runtime is not installed.
        WeightsError: the file is missing, damaged or was not written by ``mindpoint export``.
    """

    def __init__(self, place: Path):
        check_readable(place, "file")
        self._session = _session(place)
        self.facts = ExportMetadata.from_metadata(self._session.get_modelmeta().custom_metadata_map, place)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._input = self._session.get_inputs()[0].name

    def __call__(self, batch: np.ndarray) -> Dict[str, np.ndarray]:
        """Outputs by name of an input ``(B, 3, H, W)`` float32 that the file takes."""
        return dict(zip(self._outputs, self._session.run(self._outputs, {self._input: batch})))


def open_onnx(place: Path, config_path: Optional[str], overrides: Sequence[str]) -> Model:
    """The model of an ONNX file; see :func:`mindpoint.inference.open.open_model`."""
    file = OnnxFile(place)
    return exported_model(place, file.facts, file, config_path, overrides)


def _session(place: Path):
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MindpointError(f"{place}: running it needs ONNX Runtime; install it with: pip install 'mindpoint[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # an error is raised anyway
    # threads that spin while they wait take time from whatever else runs, reading and drawing images for one, and win none
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
        raise WeightsError(f"{place}: damaged, or no ONNX file that ONNX Runtime can run: {reason}") from error
