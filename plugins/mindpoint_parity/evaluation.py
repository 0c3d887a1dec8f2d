"""Replays the reference's evaluation of a stored result file."""

from __future__ import annotations

import json
from typing import List

import numpy as np
from mindpoint.config import load_config
from mindpoint.contracts.comparison import Comparison
from mindpoint_coco.metrics.coco import CocoMetric

from mindpoint_parity.reference import Reference


def check(reference: Reference) -> List[Comparison]:
    """Evaluate ``detections.json`` against the annotations that ``evaluation.json`` names, and compare with what that holds."""
    expected = json.loads((reference.golden / "evaluation.json").read_text())
    truth = json.loads((reference.coco / "annotations" / expected["annotations"]).read_text())
    results = json.loads((reference.golden / "detections.json").read_text())
    config = load_config("dla34_dcn_coco", [])
    metric = CocoMetric(config.classes, config.vocabulary["keypoints"], types=list(expected["stats"]))
    stats = metric.evaluate(truth, results, [image["id"] for image in truth["images"]])
    tolerance, rows = reference.tolerances["evaluation"]["statistics"], []
    for kind, values in expected["stats"].items():
        found = {name: value for name, value in stats.items() if name.startswith(f"{kind}/")}
        for (name, value), official in zip(found.items(), values):
            undefined = np.isnan(value) and official == -1
            rows.append(Comparison("evaluation", name, 0.0 if undefined else abs(value - official), tolerance))
        if len(found) != len(values):
            rows.append(Comparison("evaluation", f"{kind}: {len(found)} of {len(values)} statistics", float("nan"), tolerance))
    return rows
