"""Replays the reference's test-time geometry."""

from __future__ import annotations

import json
from typing import List

import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint.data.preprocess import inference_view

from mindpoint_parity.reference import Reference


def check(reference: Reference) -> List[Comparison]:
    """Compare every case of ``preprocess.json``: the affine matrix; NaN if the raster has another size."""
    cases = json.loads((reference.golden / "preprocess.json").read_text())
    rows = []
    for case in cases:
        resolution = "keep" if case["keep_res"] else "fixed"
        view, raster = inference_view((case["height"], case["width"]), case["input_hw"], resolution, case["scale"])
        error = np.abs(view.affine(raster[1], raster[0]) - np.array(case["trans"])).max() if list(raster) == case["input_hw"] else np.nan
        name = f"{case['width']}x{case['height']}/{resolution}/{case['scale']}"
        rows.append(Comparison("pre-process", name, float(error), reference.tolerances["preprocess"]["matrix"]))
    return rows
