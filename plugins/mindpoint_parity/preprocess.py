"""Replays the reference's test-time geometry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import List

import numpy as np

from mindpoint.data.preprocess import inference_view
from mindpoint_parity.comparison import Comparison

TOLERANCE = 1e-4


def check(golden: Path) -> List[Comparison]:
    """Compare every case of ``preprocess.json`` in the folder ``golden``: raster size exactly, affine matrix to 1e-4."""
    cases = json.loads((Path(golden) / "preprocess.json").read_text())
    rows = []
    for case in cases:
        resolution = "keep" if case["keep_res"] else "fixed"
        view, raster = inference_view((case["height"], case["width"]), case["input_hw"], resolution, case["scale"])
        error = np.abs(view.affine(raster[1], raster[0]) - np.array(case["trans"])).max() if list(raster) == case["input_hw"] else np.nan
        rows.append(Comparison("pre-process", f"{case['width']}x{case['height']}/{resolution}/{case['scale']}", float(error), TOLERANCE))
    return rows
