"""Replays the reference's soft suppression, order and leftover rows included."""

from __future__ import annotations

from typing import List

import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint_coco.nms import soft_nms

from mindpoint_parity.reference import Reference


def check(reference: Reference) -> List[Comparison]:
    """Compare every pair ``softnms*/in``, ``softnms*/out`` of ``decode.npz``: sigma 0.5, threshold 0.001."""
    with np.load(reference.golden / "decode.npz") as file:
        arrays = {name: file[name] for name in file.files if name.startswith("softnms")}
    return [
        Comparison(
            "soft-NMS", name[: -len("/in")], _error(table, arrays[name[: -len("in")] + "out"]), reference.tolerances["soft_nms"]["rows"]
        )
        for name, table in sorted(arrays.items())
        if name.endswith("/in")
    ]


def _error(table: np.ndarray, expected: np.ndarray) -> float:
    result = soft_nms(table[:, :4], table[:, 4])
    found = np.concatenate([table[result.rows, :4], result.scores[:, None], table[result.joint_rows, 5:]], axis=1)
    return float(np.abs(found - expected).max()) if found.shape == expected.shape else float("nan")
