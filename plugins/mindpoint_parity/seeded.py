"""Weights that are defined by their names, so that a comparison needs no checkpoint."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Dict, Iterable, List, Sequence, Tuple

import numpy as np
from mindpoint.errors import DataError


def seeded_state(specs: Iterable[Tuple[str, Sequence[int]]]) -> Dict[str, np.ndarray]:
    """Return arrays by official name, from names and shapes; the first rule that matches a name is used."""
    return {name: _seeded(name, tuple(shape)) for name, shape in specs}


def _seeded(name: str, shape: Tuple[int, ...]) -> np.ndarray:
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    z = generator.standard_normal(shape).astype(np.float32)
    if "conv_offset_mask.weight" in name:
        z = 0.01 * z
    elif "conv_offset_mask.bias" in name:
        z = 0.5 * z
    elif name.endswith("running_mean"):
        z = 0.1 * z
    elif name.endswith("running_var"):
        z = 1 + 0.1 * np.abs(z)
    elif ".up_" in name:
        z = 0.5 * z
    elif len(shape) == 4:
        z = z * math.sqrt(2 / math.prod(shape[1:]))
    elif len(shape) == 1 and name.endswith(".weight"):
        z = 1 + 0.1 * z
    else:
        z = 0.1 * z
    return z.astype(np.float32)


def read_shapes(golden: Path, variant: str = "") -> List[Tuple[str, List[int]]]:
    """Return names and shapes of the weights of the network that ``official_state_dict.json`` lists, or of a named variant."""
    file = golden / _file("official_state_dict", variant)
    return [(name, shape) for name, shape in json.loads(file.read_text(encoding="utf-8"))["params"]]


def golden_state(golden: Path, variant: str = "") -> Dict[str, np.ndarray]:
    """Return the seeded state of a network of a golden folder.

    Raises:
        DataError: the folder has other values (``seeded_weights_check.json``).
    """
    state = seeded_state(read_shapes(golden, variant))
    if any(name.startswith("kps.") for name in state):  # an hourglass: otherwise the signal grows with each residual, up to 1e6
        state = {name: value * np.float32(0.2) if name.endswith("bn2.weight") else value for name, value in state.items()}
    told = golden / _file("seeded_weights_check", variant)
    for name, values in json.loads(told.read_text(encoding="utf-8")).items() if told.is_file() else ():
        if name not in state or np.abs(state[name].ravel()[: len(values)] - values).max() > 1e-6:
            raise DataError(f"{told}: {name} begins with {values}, which are not the seeded values")
    return state


def _file(name: str, variant: str) -> str:
    return f"{name}-{variant}.json" if variant else f"{name}.json"
