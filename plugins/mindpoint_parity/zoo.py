"""Replay of the model zoo's network: its maps for weights by its parameter names, written as its training writes them and converted."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Dict, List

import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint.inference.open import open_model
from mindpoint.model import checkpoint
from mindpoint.runtime import device
from mindpoint.storage.files import temporary_folder
from mindpoint_centernet.weights.convert import convert

from mindpoint_parity.reference import Reference

INPUT = (1, 3, 256, 256)


def zoo_state(golden: Path) -> Dict[str, np.ndarray]:
    """Return the arrays of the network that ``parameters.json`` lists, each defined by its name."""
    return {name: _seeded(name, tuple(shape)) for name, shape in json.loads((golden / "parameters.json").read_text()).items()}


def _seeded(name: str, shape: tuple) -> np.ndarray:
    z = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(shape).astype(np.float32)
    if name.endswith("moving_mean"):
        z = 0.1 * z
    elif name.endswith("moving_variance"):
        z = 1 + 0.1 * np.abs(z)
    elif len(shape) == 4:
        z = z * math.sqrt(2 / math.prod(shape[1:]))
    elif name.endswith("gamma"):
        z = 1 + 0.1 * z
    else:
        z = 0.1 * z
    return z.astype(np.float32)


def write_training(path: Path, state: Dict[str, np.ndarray]) -> None:
    """Write a checkpoint like the model zoo's training: the network in a cell, with the optimizer's arrays."""
    trained = [name for name in state if "moving" not in name]
    moments = {f"{moment}.network.{name}": np.ones_like(state[name]) for moment in ("moment1", "moment2") for name in trained}
    steps = {name: np.float32(0.5) for name in ("beta1_power", "beta2_power", "learning_rate", "global_step")}
    checkpoint.save(path, {**{f"network.{name}": value for name, value in state.items()}, **moments, **steps}, None)


def check(reference: Reference) -> List[Comparison]:
    """Compare each map of each input by the largest absolute difference."""
    rows = []
    with temporary_folder() as folder:
        write_training(folder / "zoo.ckpt", zoo_state(reference.golden))
        convert(f"{folder}/zoo.ckpt", f"{folder}/ours.ckpt")
        model = open_model(f"{folder}/ours.ckpt")
    expected = dict(np.load(reference.golden / "network.npz"))
    for number, seed in enumerate(expected.pop("seed")):
        image = np.random.Generator(np.random.PCG64(seed)).standard_normal(INPUT).astype(np.float32)
        with device.operator_by_operator():
            maps = model.detector.detect.forward({"image": image})
        for name, value in maps.items():
            heatmap = name in ("hm", "hm_hp")
            if heatmap:
                value = np.clip(1 / (1 + np.exp(-value)), 1e-4, 1 - 1e-4)
            case = f"case{number}/{name}"
            tolerance = reference.tolerance("zoo", "heatmaps" if heatmap else "other maps")
            rows.append(Comparison("zoo", case, float(np.abs(value - expected[case]).max()), tolerance))
    return rows
