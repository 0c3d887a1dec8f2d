"""Replays the reference's test-time geometry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import List

import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint.data.preprocess import inference_view
from mindpoint.registry import registry

from mindpoint_parity.reference import Reference


def check(reference: Reference) -> List[Comparison]:
    """Compare the affine matrix of every case of ``preprocess*.json``. The error is NaN if the raster has another size."""
    return [row for file in sorted(reference.golden.glob("preprocess*.json")) for row in _check_file(reference, file)]


def _check_file(reference: Reference, file: Path) -> List[Comparison]:
    _, _, variant = file.stem.partition("-")
    tolerance = reference.tolerance("preprocess", f"matrix of {variant}" if variant else "matrix")
    backbone = registry("backbones").get(reference.config_of(variant).data["model"]["backbone"]["type"])
    settings = {"divisor": backbone.divisor} if backbone.divisor else {}
    rows = []
    for case in json.loads(file.read_text(encoding="utf-8")):
        resolution = "keep" if case["keep_res"] else "fixed"
        view, raster = inference_view((case["height"], case["width"]), case["input_hw"], resolution, case["scale"], **settings)
        error = np.abs(view.affine(raster[1], raster[0]) - np.array(case["trans"])).max() if list(raster) == case["input_hw"] else np.nan
        name = f"{case['width']}x{case['height']}/{resolution}/{case['scale']}"
        rows.append(Comparison("pre-process", f"{variant}/{name}" if variant else name, float(error), tolerance))
    return rows
