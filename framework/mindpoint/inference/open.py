"""A trained model, ready to detect, whatever file it is in."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence

from mindpoint.inference.detector import Model
from mindpoint.errors import WeightsError


def find_model(path: str) -> Path:
    """The model's file itself, or for a run folder its ``best.ckpt``, else its ``last.ckpt``.

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


def open_model(path: str, config_path: Optional[str] = None, overrides: Sequence[str] = ()) -> Model:
    """The model of a file or run folder. ``config_path`` replaces the configuration that the file carries.

    Raises:
        WeightsError: not readable, belongs to another configuration, or carries none and none is given.
    """
    place = find_model(path)
    if place.suffix == ".onnx":
        from mindpoint.inference.onnx_model import open_onnx

        return open_onnx(place, config_path, overrides)
    if place.suffix == ".mindir":
        from mindpoint.inference.mindir_model import open_mindir  # imports MindSpore

        return open_mindir(place, config_path, overrides)
    from mindpoint.inference.mindspore_model import open_checkpoint  # imports MindSpore

    return open_checkpoint(place, config_path, overrides)
