"""Opening a trained model from any file."""

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
"""Slots of every detector; the rest of ``model`` is only needed for checkpoints."""

AUTO = "auto"
"""Name that selects the fastest installed engine."""


def find_model(path: str) -> Path:
    """Return the file of a model. In a run folder, this is ``best.ckpt`` or, without it, ``last.ckpt``.

    Raises:
        WeightsError: neither exists.
    """
    place = Path(path)
    if not place.is_dir():
        return place
    for name in ("best.ckpt", "last.ckpt"):
        if (place / name).is_file():
            return place / name
    results = place / "results.json"
    advice = f"for the results of an evaluation, name {results}" if results.is_file() else "name a run folder or a checkpoint file"
    raise WeightsError(f"{place}: this folder has neither best.ckpt nor last.ckpt; {advice}")


def engines_of(place: Path, name: str = AUTO) -> List[Engine]:
    """Return the engines to try for a file, in order; empty if it does not have the ending of an exported file.

    Args:
        name: the engine to use; ``auto``: all, with the fastest installed one first.

    Raises:
        ConfigError: the engine of that name cannot open such files. UnknownPlugin: the engine does not exist.
    """
    able = {
        known: engine for known, engine in ((known, registry("engines").get(known)()) for known in registry("engines").names())
        if place.suffix.lower() in engine.suffixes
    }  # fmt: skip
    if name != AUTO:
        chosen = registry("engines").get(name, "--engine")()
        if place.suffix.lower() not in chosen.suffixes:
            fit = f"{' or '.join(able)} does" if able else "checkpoints run in MindSpore; 'mindpoint export' makes files for other engines"
            raise ConfigError(f"{place}: the engine {name} cannot open such files; {fit}")
        return [chosen]
    return sorted(able.values(), key=lambda engine: (engine.installed(), engine.rank), reverse=True)


def trust_of(place: Path) -> Trust:
    """Return the trust in the configuration of a model file. A configuration in a run folder may name the data of the run; any other may
    not name files to read."""
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

    Only the parts for detection must be installed: the decoder, and for a checkpoint the network's parts, but not loss, hooks or data.

    Args:
        config_path: replaces the configuration that the file carries.
        overrides: changes to the configuration, as after ``--set``.
        parts: dotted paths of further slots that the caller builds; they are checked immediately.
        oracle: names of the heads to replace by the ground truth, separated by commas, or ``all``.
        trust: allow the author of the file to run any code; see SECURITY.md.
        engine: the engine for an exported file, a name of the registry ``engines``; ``auto``: the fastest installed one.

    Raises:
        WeightsError: the file is unreadable, belongs to another configuration, or has no configuration and none is given.
        ConfigError: the configuration is incomplete; the ground truth of a head in ``oracle`` is not available.
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
