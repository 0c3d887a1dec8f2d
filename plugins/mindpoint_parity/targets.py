"""Parity of augmented input and training targets: replays ``targets.json`` and ``targets.npz``."""

from __future__ import annotations

import json
from typing import Dict, List

import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint.contracts.image import InputSpec, letterbox_size
from mindpoint_centernet.targets.multi_pose import MultiPoseTargets
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.transforms.view import apply_view, window_view

from mindpoint_parity.reference import Reference

INPUT = InputSpec(size=(512, 512), mean=[0.40789654, 0.44719302, 0.47026115], std=[0.28863828, 0.27408164, 0.27809835])


def replay(case: dict, dataset: CocoDataset, keypoints: Keypoints) -> Dict[str, np.ndarray]:
    """Return all arrays that a case of ``targets.json`` describes, computed by this project."""
    sample = dataset[dataset.image_ids.tolist().index(case["image_id"])]
    height, width = sample.image.shape[:2]
    extent = letterbox_size(width, height, INPUT.size)
    change = case["aug"]
    if change is None:
        view = window_view(width, (width / 2, height / 2), extent)
    else:
        view = window_view(width, change["c"], extent * change["s_factor"], change["rot"], change["flip"])
    sample = apply_view(sample, view, INPUT)
    arrays = MultiPoseTargets(keypoints, dataset.classes, INPUT, dense=True)(sample)
    pixels = INPUT.normalize(sample.image)
    arrays["input_mean_std"] = np.array([pixels.mean(dtype=np.float64), pixels.std(dtype=np.float64)])
    return arrays


def check(reference: Reference) -> List[Comparison]:
    """Compare each array of each case; joints and classes are those of the annotation file."""
    golden, coco, tolerances = reference.golden, reference.coco, reference.tolerances["targets"]
    annotations = coco / "annotations" / "person_keypoints_train2017.json"
    cases = json.loads((golden / "targets.json").read_text())
    category = json.loads(annotations.read_text())["categories"][0]
    keypoints = Keypoints(names=category["keypoints"])
    dataset = CocoDataset(str(annotations), str(coco / "train2017"), [category["name"]], keypoints)
    rows = []
    with np.load(golden / "targets.npz") as expected:
        for case in cases:
            arrays = replay(case, dataset, keypoints)
            for key in (key for key in expected.files if key.startswith(case["key"] + "/")):
                name = key.split("/", 1)[1]
                tolerance = tolerances["mean and deviation of the input" if name == "input_mean_std" else "arrays"]
                rows.append(Comparison("targets", key, deviation(arrays.get(name), expected[key]), tolerance))
    return rows


def deviation(actual: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest absolute difference; NaN if an array is absent, of another shape, or holds NaN."""
    if actual is None or actual.shape != expected.shape:
        return float("nan")
    return float(np.abs(actual.astype(np.float64) - expected.astype(np.float64)).max(initial=0.0))
