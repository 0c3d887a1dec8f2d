"""A trained model, ready to detect, whatever file it is in."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Sequence

from mindpoint.config.files import RESOLVED
from mindpoint.config.node import Trust
from mindpoint.contracts.engine import Engine
from mindpoint.errors import WeightsError
from mindpoint.inference.detector import Model
from mindpoint.registry import registry

DETECTOR = ("model.decoder", "model.inputs")
"""Slots that every detector is built from; the rest of ``model`` only where the network itself is."""


def find_model(path: str) -> Path:
    """Return the model's file itself, or for a run folder its ``best.ckpt``, else its ``last.ckpt``.

    Raises:
        WeightsError: there is none.
    """
    place = Path(path)
    if not place.is_dir():
        return place
    for name in ("best.ckpt", "last.ckpt"):
        if (place / name).is_file():
            return place / name
    raise WeightsError(f"{place}: no best.ckpt and no last.ckpt in this folder; name a run folder or a checkpoint file")


def engines() -> List[Engine]:
    """Return an engine of each kind of exported file that can be opened."""
    return [registry("engines").get(name)() for name in registry("engines").names()]


def engine_of(place: Path) -> Optional[Engine]:
    """Return the engine that opens files with this ending; None if it is not the ending of exported files."""
    return next((engine for engine in engines() if place.suffix.lower() in engine.suffixes), None)


def trust_of(place: Path) -> Trust:
    """Return how far the configuration in a model file is trusted: as far as a run's folder, which may name its own data, if it is in
    one; elsewhere it names no files to read."""
    return Trust.RUN if (place.parent / RESOLVED).is_file() else Trust.MODEL


def open_model(
    path: str,
    config_path: Optional[str] = None,
    overrides: Sequence[str] = (),
    parts: Sequence[str] = (),
    oracle: Optional[str] = None,
    trust: bool = False,
) -> Model:
    """Open the model of a file or run folder.

    Only what detects must be installed: the decoder, and for a checkpoint the network's parts; not the loss, the hooks or the data.

    Args:
        config_path: replaces the configuration that the file carries.
        overrides: changes of the configuration, as after ``--set``.
        parts: dotted paths of further slots that the caller builds; they are checked at once.
        oracle: names of heads that the truth replaces, with commas between them, or ``all``.
        trust: whoever made the file may run any code; see SECURITY.md.

    Raises:
        WeightsError: not readable, belongs to another configuration, or carries none and none is given.
        ConfigError: the configuration lacks something; there is no truth for a head of ``oracle``.
    """
    place = find_model(path)
    engine = engine_of(place)
    trusted = Trust.USER if trust else trust_of(place)
    needed = [*DETECTOR, *parts, *(["data.train.targets"] if oracle else [])]
    if engine is not None:
        from mindpoint.inference.exported import open_exported

        return open_exported(place, engine, config_path, overrides, needed, oracle, trusted)
    from mindpoint.inference.mindspore_model import open_checkpoint  # imports MindSpore

    return open_checkpoint(place, config_path, overrides, needed, oracle, trusted)
