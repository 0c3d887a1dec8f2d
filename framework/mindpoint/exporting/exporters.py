"""The built-in formats of ``mindpoint export``. Importing this module imports neither MindSpore nor onnx."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np

from mindpoint.contracts.engine import Engine, Inputs
from mindpoint.contracts.exporter import Exportable, Exporter
from mindpoint.errors import MindpointError


class OnnxExporter(Exporter):
    """ONNX, opset 19; it is run in ONNX Runtime."""

    suffix = ".onnx"
    options = frozenset(("decode", "portable", "batch", "size", "int8"))

    def check(self) -> None:
        """See :class:`Exporter`."""
        try:
            import onnx  # noqa: F401
        except ModuleNotFoundError as error:
            raise MindpointError("exporting to ONNX needs the package onnx; install it with: pip install 'mindpoint[export]'") from error

    def write(self, path: Path, model: Exportable) -> None:
        """See :class:`Exporter`."""
        from mindpoint.exporting.onnx_file import write_onnx

        write_onnx(path, model)

    def run(self, path: Path, inputs: Sequence[Inputs]) -> List[Dict[str, np.ndarray]]:
        """See :class:`Exporter`."""
        from mindpoint.inference.onnx_engine import OnnxEngine

        return _run(OnnxEngine(), path, inputs)


class OpenVinoExporter(OnnxExporter):
    """OpenVINO's own format (IR), made from ONNX: a description (``.xml``) and the weights (``.bin``)."""

    suffix = ".xml"
    companions = (".bin",)
    options = frozenset(("decode", "batch", "size", "float16", "bfloat16", "int8"))

    def check(self) -> None:
        """See :class:`Exporter`."""
        from mindpoint.inference.openvino_engine import core

        super().check()
        core()

    def write(self, path: Path, model: Exportable) -> None:
        """See :class:`Exporter`."""
        from mindpoint.exporting.openvino_file import write_openvino

        write_openvino(path, model)

    def run(self, path: Path, inputs: Sequence[Inputs]) -> List[Dict[str, np.ndarray]]:
        """See :class:`Exporter`."""
        from mindpoint.inference.openvino_engine import OpenVinoEngine

        return _run(OpenVinoEngine(), path, inputs)


def _run(engine: Engine, path: Path, inputs: Sequence[Inputs]) -> List[Dict[str, np.ndarray]]:
    forward = engine.open(path).forward
    try:
        return [forward(batch) for batch in inputs]
    except Exception as error:  # the errors of these libraries have no common base
        raise MindpointError(f"{engine.title} cannot run the file: {' '.join(str(error).split())}") from error


class MindirExporter(Exporter):
    """MindSpore's own format, run in a new process, independent of the original network."""

    suffix = ".mindir"
    options = frozenset(("decode", "batch"))

    def write(self, path: Path, model: Exportable) -> None:
        """See :class:`Exporter`."""
        from mindpoint.exporting.mindspore_file import write_mindir

        write_mindir(path, model)

    def run(self, path: Path, inputs: Sequence[Inputs]) -> List[Dict[str, np.ndarray]]:
        """See :class:`Exporter`."""
        from mindpoint.exporting.run_file import run_in_new_process

        return run_in_new_process(path, inputs)


class AirExporter(Exporter):
    """MindSpore's format for Ascend, which can be written and run on Ascend only."""

    suffix = ".air"
    companions = (".json",)
    options = frozenset(("decode", "batch"))

    def check(self) -> None:
        """See :class:`Exporter`."""
        from mindpoint.exporting.mindspore_file import check_ascend

        check_ascend()

    def write(self, path: Path, model: Exportable) -> None:
        """See :class:`Exporter`."""
        from mindpoint.exporting.mindspore_file import write_air

        write_air(path, model)
        path.with_suffix(".json").write_text(json.dumps(dict(model.metadata), indent=1) + "\n", encoding="utf-8")
