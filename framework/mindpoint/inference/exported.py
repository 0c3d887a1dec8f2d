"""A model in an exported file, whatever engine runs it. Importing this module does not import MindSpore."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence

from mindpoint.config.node import Trust
from mindpoint.contracts.engine import Engine
from mindpoint.inference.detect import in_batches_of
from mindpoint.inference.detector import Model, build_detector
from mindpoint.inference.metadata import ExportMetadata
from mindpoint.storage.files import check_readable


def open_exported(
    place: Path,
    engine: Engine,
    config_path: Optional[str],
    overrides: Sequence[str],
    parts: Sequence[str],
    oracle: Optional[str],
    trust: Trust,
) -> Model:
    """Open the model of a file with an engine; arguments and errors as of :func:`mindpoint.inference.open.open_model`."""
    check_readable(place, "file")
    file = engine.open(place)
    facts = ExportMetadata.from_metadata(file.metadata, place)
    config = facts.configuration(place, config_path, overrides, parts, trust)
    forward = file.forward if facts.batch is None else in_batches_of(facts.batch, file.forward)
    detector = build_detector(config, forward, facts.specs, facts.divisor, facts.inputs, facts.decoded, oracle)
    facts.check_fields(place, detector.decoder.fields)
    return Model(place, config, detector, facts.category_ids)
