"""From a checkpoint to an exported file that was compared with it. Importing this module imports MindSpore."""

from __future__ import annotations

import json
import logging
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Optional, Sequence

from mindpoint.contracts.decoder import Decoder
from mindpoint.inference.detector import build_detector
from mindpoint.storage.files import make_folder, atomic_write, write_text
from mindpoint.inference.mindspore_model import forward_of, open_network
from mindpoint.model.network import Network
from mindpoint.inference.onnx_model import OnnxFile
from mindpoint.errors import MindpointError
from mindpoint.export import mindspore_file
from mindpoint.inference.metadata import ExportMetadata, export_metadata, fitting
from mindpoint.export.request import Request
from mindpoint.export.run_file import run_in_new_process
from mindpoint.export.verify import RunAll, compare, synthetic_images

log = logging.getLogger("mindpoint")


def export(request: Request, config_path: Optional[str], overrides: Sequence[str]) -> str:
    """Write the file, and say what it is. Unless told otherwise it is run and compared before it gets its name.

    Args:
        config_path, overrides: see :func:`mindpoint.inference.open.open_model`.

    Raises:
        MindpointError: it cannot be written, or gives other results than the network; then there is no file.
    """
    images = request.read_images()
    make_folder(request.path.parent)
    config, network = open_network(request.place, config_path, overrides)
    if request.format == "air":
        mindspore_file.check_ascend()
    config, changes = fitting(config, request.decode, request.dynamic_size)
    for change in changes:
        log.info("the file cannot do what the configuration asks for; in it holds %s", change)
    decoder = build_detector(config, forward_of(network), {name: spec.channels for name, spec in network.maps.items()}, network.divisor).decoder
    facts = export_metadata(config, network, decoder.fields, request.decode, request.batch, request.dynamic_size)
    lines = []
    with atomic_write(request.path) as temporary:
        _write(temporary, request, network, decoder, facts)
        if request.format == "air":
            lines.append("AIR files cannot be run here: it was not compared with the network")
        elif request.verify:
            comparison = compare(_runner(temporary), forward_of(network), decoder, config.input_spec, facts, images or synthetic_images())
            comparison.check()
            lines.append(f"verified: {comparison}")
        size = temporary.stat().st_size / 1e6
    return "\n".join([f"{request.path}: {size:.1f} MB, {_described(facts)}", *lines])


def _write(path: Path, request: Request, network: Network, decoder: Decoder, facts: ExportMetadata) -> None:
    try:
        if request.format == "onnx":
            _onnx_file().write_onnx(path, network, decoder, facts, request.portable)
        elif request.format == "mindir":
            mindspore_file.write_mindir(path, network, facts)
        else:
            mindspore_file.write_air(path, network, facts)
            write_text(request.path.with_suffix(".json"), json.dumps(facts.to_metadata(), indent=1) + "\n")
        path.chmod(0o644)
    except MemoryError as error:
        raise MindpointError(f"{request.path}: not enough memory to export the network") from error


def _onnx_file() -> ModuleType:
    try:
        from mindpoint.export import onnx_file
    except ModuleNotFoundError as error:
        raise MindpointError("exporting to ONNX needs the package onnx; install it with: pip install 'mindpoint[export]'") from error
    return onnx_file


def _runner(path: Path) -> RunAll:
    """What executes the file: ONNX Runtime here, MindSpore in a process that has nothing of this network."""
    if path.suffix == ".mindir":
        return partial(run_in_new_process, path)
    file = OnnxFile(path)
    return lambda inputs: [file(batch) for batch in inputs]


def _described(facts: ExportMetadata) -> str:
    batch = {None: "any number of images", 1: "one image"}.get(facts.batch, f"{facts.batch} images")
    size = "any size" if facts.dynamic_size else "x".join(map(str, facts.size))
    return f"{batch} of {size}, gives {'detections' if facts.decoded else ', '.join(facts.maps)}"
