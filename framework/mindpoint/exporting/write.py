"""The export of a checkpoint to a file, and the comparison of both. Importing this module imports MindSpore."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from mindpoint.config.node import Trust
from mindpoint.contracts.decoder import Decoder
from mindpoint.contracts.engine import Inputs
from mindpoint.contracts.exporter import Exportable, input_channels
from mindpoint.errors import MindpointError
from mindpoint.exporting.reduced import calibration_inputs, judge, validation_of
from mindpoint.exporting.request import Request
from mindpoint.exporting.verify import compare, synthetic_images
from mindpoint.inference.detector import Detector
from mindpoint.inference.metadata import FLOAT32, ExportMetadata, declarations, fitting, preprocessing_of
from mindpoint.inference.mindspore_model import NETWORK, Trained, network_detector, open_network
from mindpoint.inference.open import DETECTOR, trust_of
from mindpoint.storage.files import atomic_write, make_folder, set_usual_mode

log = logging.getLogger("mindpoint")


def export(request: Request, config_path: Optional[str], overrides: Sequence[str], trust: bool = False) -> str:
    """Write the file, and return a description of it. By default, the file is run and compared with the network before it is moved to its
    final name.

    Args:
        config_path, overrides, trust: see :func:`mindpoint.inference.open.open_model`.

    Raises:
        MindpointError: the file cannot be written, or its results differ from the network's; it is then removed.
    """
    images = request.read_images()
    exporter = request.exporter
    exporter.check()
    make_folder(request.path.parent)
    trained = open_network(request.place, config_path, overrides, DETECTOR, Trust.USER if trust else trust_of(request.place))
    config, changes = fitting(trained.config, request.decode, request.dynamic_size, (*NETWORK, *DETECTOR))
    for change in changes:
        log.info("the file does not support all settings of the configuration; it uses %s instead", change)
    detector = network_detector(config, trained.network)
    facts = _facts(request, Trained(config, trained.network, trained.category_ids), detector.decoder)
    calibration = calibration_inputs(config, detector, facts, images) if request.precision == "int8" else []
    model = _exportable(request, trained, detector.decoder, facts, calibration)
    lines = []
    with atomic_write(request.path, exporter.companions) as temporary:
        _write(temporary, request, model)
        if request.verify and request.precision != FLOAT32:
            validation = validation_of(config)
            lines += judge(temporary, config, detector, facts, validation, images or synthetic_images(), request.most_lost)
        elif request.verify:
            lines.append(_verified(temporary, request, detector, facts, images or synthetic_images()))
        size = sum(file.stat().st_size for file in (temporary, *map(temporary.with_suffix, exporter.companions))) / 1e6
    return "\n".join([f"{request.path}: {size:.1f} MB, {_described(facts)}", *lines])


def _facts(request: Request, trained: Trained, decoder: Decoder) -> ExportMetadata:
    network = trained.network
    return ExportMetadata(
        config=trained.config.to_yaml(),
        classes=trained.config.classes,
        category_ids=trained.category_ids,
        fields=declarations(decoder.fields),
        preprocessing=preprocessing_of(trained.config),
        maps={name: spec._asdict() for name, spec in network.maps.items()},
        inputs=dict(network.inputs),
        divisor=network.divisor,
        decoded=request.decode,
        batch=request.batch,
        dynamic_size=request.dynamic_size,
        precision=request.precision,
    )


def _exportable(request: Request, trained: Trained, decoder: Decoder, facts: ExportMetadata, calibration: Sequence[Inputs]) -> Exportable:
    return Exportable(
        network=trained.network,
        maps=trained.network.maps,
        channels=input_channels(facts.inputs),
        divisor=facts.divisor,
        size=facts.size,
        batch=facts.batch,
        dynamic_size=facts.dynamic_size,
        portable=request.portable,
        decoder=decoder if facts.decoded else None,
        precision=facts.precision,
        calibration=calibration,
        metadata=facts.to_metadata(),
    )


def _write(path: Path, request: Request, model: Exportable) -> None:
    try:
        request.exporter.write(path, model)
        for file in (path, *map(path.with_suffix, request.exporter.companions)):
            set_usual_mode(file)
    except MemoryError as error:
        raise MindpointError(f"{request.path}: not enough memory to export the network") from error


def _verified(path: Path, request: Request, detector: Detector, facts: ExportMetadata, images: Sequence[np.ndarray]) -> str:
    """Compare the file with the network and return how closely they match. Raises MindpointError if they differ."""
    try:
        comparison = compare(partial(request.exporter.run, path), detector, facts, images)
    except MindpointError as error:
        free = [name for name, is_free in (("batch", facts.batch is None), ("size", facts.dynamic_size)) if is_free]
        advice = f"; a part may have fixed its shape; export without --dynamic {' '.join(free)}" if free else ""
        raise MindpointError(f"the exported file does not work: {error}{advice}") from error
    if comparison is None:
        return f"{request.exporter.suffix} files cannot be run here, so it was not compared with the network"
    comparison.check()
    return f"verified: {comparison}"


def _described(facts: ExportMetadata) -> str:
    batch = {None: "any number of images", 1: "one image"}.get(facts.batch, f"{facts.batch} images")
    size = "any size" if facts.dynamic_size else "x".join(map(str, facts.size))
    precision = "" if facts.precision == FLOAT32 else f" in {facts.precision}"
    return f"{batch} of {size}{precision}, gives {'detections' if facts.decoded else ', '.join(facts.maps)}"
