"""Replays the reference's evaluation of a stored result file."""

from __future__ import annotations

import json
from typing import List, Optional

import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint_coco.metrics.coco import CocoMetric

from mindpoint_parity.reference import Reference

_BY_CLASS = {"AP": "ap_per_category", "AR": "ar100_per_category"}


def check(reference: Reference) -> List[Comparison]:
    """Evaluate ``detections.json`` against the annotations that ``evaluation.json`` names, and compare with its statistics."""
    expected = json.loads((reference.golden / "evaluation.json").read_text())
    truth = json.loads((reference.images / "annotations" / expected["annotations"]).read_text())
    results = json.loads((reference.golden / "detections.json").read_text())
    config = reference.config
    metric = CocoMetric(config.classes, config.vocabulary.get("keypoints"), types=list(expected["stats"]), per_class=True)
    stats = metric.evaluate(truth, results, [image["id"] for image in truth["images"]])
    tolerance, rows = reference.tolerance("evaluation", "statistics"), []
    for kind, values in expected["stats"].items():
        found = {name: value for name, value in stats.items() if name.startswith(f"{kind}/") and name.count("/") == 1}
        for (name, value), official in zip(found.items(), values):
            rows.append(Comparison("evaluation", name, _error(value, None if official == -1 else official), tolerance))
        if len(found) != len(values):
            rows.append(Comparison("evaluation", f"{kind}: {len(found)} of {len(values)} statistics", float("nan"), tolerance))
    for short, key in _BY_CLASS.items():
        for label, official in expected.get(key, {}).items():
            name = f"bbox/{short}/{label}"
            rows.append(Comparison("evaluation", name, _error(stats[name], official), tolerance))
    return rows


def _error(value: float, official: Optional[float]) -> float:
    """Return the difference; 0 if both are undefined, NaN if one is."""
    return 0.0 if np.isnan(value) and official is None else abs(value - (np.nan if official is None else official))
