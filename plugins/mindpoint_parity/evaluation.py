"""Replays the reference's evaluation of a stored result file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import List

import numpy as np

from mindpoint.config import load_config
from mindpoint_coco.metrics.coco import CocoMetric
from mindpoint_parity.comparison import Comparison

TOLERANCE = 1e-6


def check(golden: Path, coco: Path) -> List[Comparison]:
    """Evaluate ``detections.json`` of the folder ``golden`` against the annotations in ``coco``, and compare with ``evaluation.json``."""
    expected = json.loads((Path(golden) / "evaluation.json").read_text())
    truth = json.loads((Path(coco) / "annotations" / expected["annotations"]).read_text())
    results = json.loads((Path(golden) / "detections.json").read_text())
    config = load_config("dla34_dcn_coco", [])
    metric = CocoMetric(config.classes, config.keypoints, types=list(expected["stats"]))
    stats = metric.evaluate(truth, results, [image["id"] for image in truth["images"]])
    rows = []
    for kind, values in expected["stats"].items():
        found = {name: value for name, value in stats.items() if name.startswith(f"{kind}/")}
        for (name, value), reference in zip(found.items(), values):
            undefined = np.isnan(value) and reference == -1
            rows.append(Comparison("evaluation", name, 0.0 if undefined else abs(value - reference), TOLERANCE))
        if len(found) != len(values):
            rows.append(Comparison("evaluation", f"{kind}: {len(found)} of {len(values)} statistics", float("nan"), TOLERANCE))
    return rows
