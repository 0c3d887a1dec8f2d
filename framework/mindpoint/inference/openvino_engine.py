"""ONNX files and OpenVINO's own (IR), run by OpenVINO on the CPU. Importing this module does not import OpenVINO."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
from pathlib import Path
from typing import Dict, List, Mapping, Optional

import numpy as np
import psutil

from mindpoint.contracts.engine import Engine, Inputs, ModelFile
from mindpoint.errors import MindpointError, OutputError, WeightsError
from mindpoint.inference.metadata import KEY
from mindpoint.runtime import guard
from mindpoint.storage.cache import cache_folders, prepare_private

METADATA = "framework"  # key under which OpenVINO keeps the metadata of an ONNX file, also in IR files
MOST_CACHED = 8  # compiled networks to keep; each is as large as its file

_PLACE = re.compile(r"^\s*Check '.*' failed at \S+:\d+:")  # the failed condition and its place in OpenVINO's source


class OpenVinoEngine(Engine):
    """OpenVINO. On CPUs it computes in float32 unless the file has another precision, even where OpenVINO's default is bfloat16."""

    suffixes = (".onnx", ".xml")
    title = "OpenVINO"
    rank = 1  # the same file takes a fifth less time than in ONNX Runtime, see benchmarks/README.md

    def installed(self) -> bool:
        """See :class:`Engine`."""
        return importlib.util.find_spec("openvino") is not None

    def open(self, path: Path) -> ModelFile:
        """See :class:`Engine`."""
        model = read_model(path)
        try:
            metadata = metadata_of(model)
            _check_sizes(model, path)
        except UnicodeDecodeError as error:
            raise WeightsError(f"{path}: damaged: a name or text in it is not UTF-8") from error
        compiled = _compiled(model, path, metadata)
        idle: List[object] = []  # inference requests; each serves one thread at a time

        def forward(inputs: Inputs) -> Dict[str, np.ndarray]:
            try:
                request = idle.pop()
            except IndexError:
                request = compiled.create_infer_request()
            results = request.infer(dict(inputs))
            found = {name: results[output].copy() for output in compiled.outputs for name in output.get_names()}
            idle.append(request)
            return found

        return ModelFile(metadata, forward)


def core():
    """Return OpenVINO's core, extended by ONNX's DeformConv. Raises MindpointError if OpenVINO is not installed."""
    try:
        import openvino
        from openvino.frontend.onnx import ConversionExtension
    except ModuleNotFoundError as error:
        raise MindpointError("this needs OpenVINO; install it with: pip install 'mindpoint[openvino]'") from error
    made = openvino.Core()
    made.add_extension(ConversionExtension("DeformConv", _deform_conv))
    return made


def read_model(path: Path):
    """Return the network of an ONNX or IR file.

    Raises:
        WeightsError: the file is damaged, or OpenVINO lacks one of its operators. MindpointError: OpenVINO is not installed.
    """
    if path.suffix.lower() == ".xml" and not path.with_suffix(".bin").is_file():
        raise WeightsError(f"{path}: its weights are missing; put {path.with_suffix('.bin').name} next to it")
    reader = core()
    try:
        return reader.read_model(str(path))
    except Exception as error:  # its errors have no common base
        raise WeightsError(f"{path}: damaged, or not a file that OpenVINO can run: {_reason(error)}") from error


def metadata_of(model) -> Mapping[str, str]:
    """Return the texts that :func:`mindpoint.exporting.onnx_file.write_onnx` puts into a file, by key."""
    if not model.has_rt_info([METADATA]):
        return {}
    said = model.get_rt_info([METADATA]).value
    return {key: text for key, text in said.items() if isinstance(text, str)} if isinstance(said, dict) else {}


def _check_sizes(model, path: Path) -> None:
    """Raise WeightsError if one tensor needs more memory than this machine has."""
    most = psutil.virtual_memory().total
    for node in model.get_ops():
        for output in node.outputs():
            shape = output.get_partial_shape()
            asked = shape.get_min_shape() if shape.rank.is_static else ()
            count = 1
            for side in asked:
                count *= int(side)
            if count * max(1, output.get_element_type().size) > most:
                raise WeightsError(f"{path}: refused: '{node.get_friendly_name()}' needs {count} numbers, more than fit into memory")


def _compiled(model, path: Path, metadata: Mapping[str, str]):
    short = metadata.get(f"{KEY}.precision") == json.dumps("bfloat16")
    options = {"INFERENCE_PRECISION_HINT": "bf16" if short else "f32", "PERFORMANCE_HINT": "LATENCY"}
    folder = _cache()
    if folder is not None:
        options["CACHE_DIR"] = str(folder)
    try:
        with guard.lifted():
            return core().compile_model(model, "CPU", options)
    except Exception as error:
        raise WeightsError(f"{path}: OpenVINO cannot run it: {_reason(error)}") from error
    finally:
        if folder is not None:
            _limit(folder)


def _cache() -> Optional[Path]:
    """Return the cache folder of compiled networks; None if no folder is safe."""
    for folder in cache_folders():
        with contextlib.suppress(OSError, OutputError):
            prepare_private(folder)
            prepare_private(folder / "openvino")
            return folder / "openvino"
    return None


def _limit(folder: Path) -> None:
    """Remove all compiled networks except the most recently used ones."""
    with contextlib.suppress(OSError):
        files = sorted(folder.glob("*.blob"), key=lambda file: max(file.stat().st_atime, file.stat().st_mtime), reverse=True)
        for file in files[MOST_CACHED:]:
            file.unlink()


def _reason(error: Exception) -> str:
    """Return the message of an OpenVINO error, without locations in OpenVINO's source."""
    lines = [_PLACE.sub("", line).strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not line.startswith("Exception from")]
    return " ".join(said)[:300] or type(error).__name__


def _deform_conv(node):
    """Convert ONNX's DeformConv to OpenVINO's operator: offsets in the same order (y, x), samples outside the image count as zero."""
    from openvino import opset8

    x, weight, offset = (node.get_input(index) for index in range(3))
    bias, mask = (node.get_input(index) if node.get_input_size() > index else None for index in (3, 4))
    pads = node.get_attribute("pads", [0, 0, 0, 0])
    found = opset8.deformable_convolution(
        x,
        offset,
        weight,
        strides=node.get_attribute("strides", [1, 1]),
        pads_begin=pads[:2],
        pads_end=pads[2:],
        dilations=node.get_attribute("dilations", [1, 1]),
        mask=mask,
        group=node.get_attribute("group", 1),
        deformable_group=node.get_attribute("offset_group", 1),
        bilinear_interpolation_pad=True,
    )
    if bias is not None:
        found = opset8.add(found, opset8.reshape(bias, np.array([1, -1, 1, 1]), False))
    return found.outputs()
