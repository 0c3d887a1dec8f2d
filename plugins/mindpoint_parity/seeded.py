"""Weights that are defined by their names, so that a comparison needs no checkpoint."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Dict, Iterable, Sequence, Tuple

import numpy as np


def seeded_state(specs: Iterable[Tuple[str, Sequence[int]]]) -> Dict[str, np.ndarray]:
    """Return arrays by official name, from names and shapes; the first rule that fits a name counts."""
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


def golden_state(golden: Path) -> Dict[str, np.ndarray]:
    """Return the seeded state of the network that a golden folder's ``official_state_dict.json`` lists."""
    return seeded_state(json.loads((golden / "official_state_dict.json").read_text())["params"])
