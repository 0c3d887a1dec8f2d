"""Replays the reference's soft suppression, order and leftover rows included."""

from __future__ import annotations

from pathlib import Path
from typing import List

import numpy as np

from mindpoint_coco.nms import soft_nms
from mindpoint_parity.comparison import Comparison

TOLERANCE = 1e-4


def check(golden: Path) -> List[Comparison]:
    """Compare every pair ``softnms*/in``, ``softnms*/out`` of ``decode.npz`` in the folder ``golden``: sigma 0.5, threshold 0.001."""
    with np.load(Path(golden) / "decode.npz") as file:
        arrays = {name: file[name] for name in file.files if name.startswith("softnms")}
    return [
        Comparison("soft-NMS", name[: -len("/in")], _error(table, arrays[name[: -len("in")] + "out"]), TOLERANCE)
        for name, table in sorted(arrays.items())
        if name.endswith("/in")
    ]


def _error(table: np.ndarray, expected: np.ndarray) -> float:
    result = soft_nms(table[:, :4], table[:, 4])
    found = np.concatenate([table[result.rows, :4], result.scores[:, None], table[result.joint_rows, 5:]], axis=1)
    return float(np.abs(found - expected).max()) if found.shape == expected.shape else float("nan")
