"""Replays the reference's soft-NMS, including order and leftover rows."""

from __future__ import annotations

from typing import List

import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint_coco.nms import soft_nms

from mindpoint_parity.reference import Reference


def check(reference: Reference) -> List[Comparison]:
    """Compare every pair ``softnms*/in``, ``softnms*/out`` of ``decode.npz``: sigma 0.5, threshold 0.001; and, if given, the number of
    ``live`` rows."""
    with np.load(reference.golden / "decode.npz") as file:
        arrays = {name: file[name] for name in file.files if name.startswith("softnms")}
    tolerance = reference.tolerance("soft_nms", "rows")
    rows = []
    for case in sorted({name.split("/")[0] for name in arrays}):
        table, expected = arrays[f"{case}/in"], arrays[f"{case}/out"]
        result = soft_nms(table[:, :4], table[:, 4])
        found = np.concatenate([table[result.rows, :4], result.scores[:, None], table[result.joint_rows, 5:]], axis=1)
        error = np.abs(found - expected).max(initial=0.0) if found.shape == expected.shape else np.nan
        rows.append(Comparison("soft-NMS", case, float(error), tolerance))
        if f"{case}/live" in arrays:
            rows.append(Comparison("soft-NMS", f"{case}/live rows", float(abs(result.live - arrays[f"{case}/live"])), tolerance))
    return rows
