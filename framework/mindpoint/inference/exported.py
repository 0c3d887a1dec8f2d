"""A model in an exported file, with any engine. Importing this module does not import MindSpore."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Dict, Optional, Sequence, Tuple

import numpy as np

from mindpoint.config.node import Trust
from mindpoint.contracts.engine import Engine, Forward, Inputs, ModelFile
from mindpoint.errors import MindpointError, WeightsError
from mindpoint.inference.detect import in_batches_of
from mindpoint.inference.detector import Model, build_detector
from mindpoint.inference.metadata import ExportMetadata
from mindpoint.storage.files import check_readable

log = logging.getLogger("mindpoint")


def open_exported(
    place: Path,
    engines: Sequence[Engine],
    config_path: Optional[str],
    overrides: Sequence[str],
    parts: Sequence[str],
    oracle: Optional[str],
    trust: Trust,
) -> Model:
    """Open the model of a file with the first of the engines that can open it. The other arguments and the errors are those of
    :func:`mindpoint.inference.open.open_model`."""
    check_readable(place, "file")
    engine, file = _opened(place, engines)
    facts = ExportMetadata.from_metadata(file.metadata, place)
    config = facts.configuration(place, config_path, overrides, parts, trust)
    forward = _guarded(file.forward, place, engine)
    forward = forward if facts.batch is None else in_batches_of(facts.batch, forward)
    detector = build_detector(config, forward, facts.specs, facts.divisor, facts.inputs, facts.decoded, oracle)
    facts.check_fields(place, detector.decoder.fields)
    if engine.title:
        log.info("%s runs in %s%s", place, engine.title, "" if facts.precision == "float32" else f", {facts.precision}")
    return Model(place, config, detector, facts.category_ids)


def _opened(place: Path, engines: Sequence[Engine]) -> Tuple[Engine, ModelFile]:
    *others, last = [engine for engine in engines if engine.installed()] or engines[:1]
    for engine in others:
        try:
            return engine, engine.open(place)
        except WeightsError as error:
            log.info("%s", error)
    return last, last.open(place)


def _guarded(run: Forward, place: Path, engine: Engine) -> Forward:
    def forward(inputs: Inputs) -> Dict[str, np.ndarray]:
        try:
            return run(inputs)
        except (MindpointError, MemoryError):
            raise
        except Exception as error:  # errors of runtimes have no common base
            shapes = ", ".join(f"{name} {'x'.join(map(str, value.shape))}" for name, value in inputs.items())
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise WeightsError(f"{place}: {engine.title or type(engine).__name__} cannot run it with {shapes}: {reason}") from error

    return forward
