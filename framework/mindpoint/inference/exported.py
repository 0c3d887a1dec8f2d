"""A model in an exported file, whatever runtime executes it. Importing this module does not import MindSpore."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence

from mindpoint.config import load_config
from mindpoint.inference.detector import Detector, Forward, build_detector, in_batches_of
from mindpoint.inference.detector import Model
from mindpoint.inference.decoded import DecodedOutputs, with_size
from mindpoint.inference.metadata import ExportMetadata


def exported_model(place: Path, facts: ExportMetadata, run: Forward, config_path: Optional[str], overrides: Sequence[str]) -> Model:
    """The model of a file that ``run`` executes.

    Args:
        run: input ``(B, 3, H, W)`` to outputs by name, for the batch and sizes that the file takes.
        config_path, overrides: see :func:`mindpoint.inference.open.open_model`.
    """
    config = facts.configuration(place, None if config_path is None else load_config(config_path, overrides), list(overrides))
    forward = forward_of(facts, run)
    if facts.decoded:
        config.require("model.decoder")
        detector = Detector(config, forward, DecodedOutputs(config.build("model.decoder")), facts.divisor)
    else:
        detector = build_detector(config, forward, facts.maps, facts.divisor)
    return Model(place, config, detector)


def forward_of(facts: ExportMetadata, run: Forward) -> Forward:
    """The file as a function of any number of images."""
    run = run if facts.batch is None else in_batches_of(facts.batch, run)
    if not facts.decoded:
        return run
    return lambda batch: with_size(run(batch), batch)
