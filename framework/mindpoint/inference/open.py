"""A trained model, ready to detect, whatever file it is in."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Sequence

from mindpoint.config.files import RESOLVED
from mindpoint.config.node import Trust
from mindpoint.contracts.engine import Engine
from mindpoint.errors import ConfigError, WeightsError
from mindpoint.inference.detector import Model
from mindpoint.registry import registry

DETECTOR = ("model.decoder", "model.inputs")
"""Slots that every detector is built from; the rest of ``model`` only where the network itself is."""

AUTO = "auto"
"""In place of an engine's name: the fastest one that is installed."""


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


def engines_of(place: Path, name: str = AUTO) -> List[Engine]:
    """Return the engines to try for a file, in this order; empty if its ending is not one of exported files.

    Args:
        name: of the only engine that may run it; ``auto``: the fastest that is installed comes first.

    Raises:
        ConfigError: the engine of that name does not open such files. UnknownPlugin: there is no such engine.
    """
    able = {
        known: engine for known, engine in ((known, registry("engines").get(known)()) for known in registry("engines").names())
        if place.suffix.lower() in engine.suffixes
    }  # fmt: skip
    if name != AUTO:
        chosen = registry("engines").get(name, "--engine")()
        if place.suffix.lower() not in chosen.suffixes:
            fit = f"{' or '.join(able)} does" if able else "checkpoints run in MindSpore; 'mindpoint export' makes files for other engines"
            raise ConfigError(f"{place}: the engine {name} does not open such files; {fit}")
        return [chosen]
    return sorted(able.values(), key=lambda engine: (engine.installed(), engine.rank), reverse=True)


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
    engine: str = AUTO,
) -> Model:
    """Open the model of a file or run folder.

    Only what detects must be installed: the decoder, and for a checkpoint the network's parts; not the loss, the hooks or the data.

    Args:
        config_path: replaces the configuration that the file carries.
        overrides: changes of the configuration, as after ``--set``.
        parts: dotted paths of further slots that the caller builds; they are checked at once.
        oracle: names of heads that the truth replaces, with commas between them, or ``all``.
        trust: whoever made the file may run any code; see SECURITY.md.
        engine: what runs an exported file, a name of the registry ``engines``; ``auto``: the fastest that is installed.

    Raises:
        WeightsError: not readable, belongs to another configuration, or carries none and none is given.
        ConfigError: the configuration lacks something; there is no truth for a head of ``oracle``.
    """
    place = find_model(path)
    engines = engines_of(place, engine)
    trusted = Trust.USER if trust else trust_of(place)
    needed = [*DETECTOR, *parts, *(["data.train.targets"] if oracle else [])]
    if engines:
        from mindpoint.inference.exported import open_exported

        return open_exported(place, engines, config_path, overrides, needed, oracle, trusted)
    from mindpoint.inference.mindspore_model import open_checkpoint  # imports MindSpore

    return open_checkpoint(place, config_path, overrides, needed, oracle, trusted)
