"""Parity of augmented input and training targets: replays ``targets.json`` and ``targets.npz``."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Callable, Dict, List, Mapping, Tuple

import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint.contracts.image import InputSpec, Sample, letterbox_size
from mindpoint.contracts.instances import Objects
from mindpoint_centernet.targets.detection import DetectionTargets
from mindpoint_centernet.targets.located import locate
from mindpoint_centernet.targets.multi_pose import MultiPoseTargets
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.datasets.naming import Naming
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.transforms.view import apply_view, window_view

from mindpoint_parity.reference import Reference

INPUT = InputSpec(size=(512, 512), mean=[0.40789654, 0.44719302, 0.47026115], std=[0.28863828, 0.27408164, 0.27809835])
Arrays = Dict[str, np.ndarray]
Encode = Callable[[dict, Sample, InputSpec], Arrays]
"""A case of ``targets.json``, its sample with the view set, and the input: the targets by the reference's names."""


def check(reference: Reference) -> List[Comparison]:
    """Compare each array of each case. If an array is stored as its non-zero cells, the same cells must be non-zero here."""
    cases = json.loads((reference.golden / "targets.json").read_text())
    dataset, labels, encode = _of_task(reference)
    rows = []
    with np.load(reference.golden / "targets.npz") as expected:
        for case in cases:
            arrays = replay(case, dataset, labels, encode)
            for key in (key for key in expected.files if key.startswith(case["key"] + "/") and not key.endswith("_value")):
                name = key.split("/", 1)[1]
                tolerance = reference.tolerance("targets", "mean and deviation of the input" if name == "input_mean_std" else "arrays")
                if name.endswith("_index"):
                    value = key.replace("_index", "_value")
                    values = expected[value] if value in expected.files else np.ones(len(expected[key]))
                    error = sparse_deviation(arrays.get(name[: -len("_index")]), expected[key], values)
                else:
                    error = deviation(arrays.get(name), expected[key])
                rows.append(Comparison("targets", key, error, tolerance))
    return rows


def _of_task(reference: Reference) -> Tuple[CocoDataset, Dict[int, int], Encode]:
    """Return the training images, labels by category id, and the encoder."""
    config, pose = reference.config, reference.task == "multi_pose"
    file = reference.images / "annotations" / f"{'person_keypoints' if pose else 'instances'}_train2017.json"
    keypoints = config.vocabulary.get("keypoints")
    dataset = CocoDataset(str(file), str(reference.images / "train2017"), config.classes, keypoints)
    labels = Naming(config.classes).labels(json.loads(file.read_text(encoding="utf-8"))["categories"])
    return dataset, labels, pose_encoder(keypoints, config.classes) if pose else detection_encoder(config.classes)


def pose_encoder(keypoints: Keypoints, classes: List[str]) -> Encode:
    return lambda case, sample, spec: MultiPoseTargets(keypoints, classes, spec, dense=True)(sample)


def detection_encoder(classes: List[str]) -> Encode:
    def encode(case: dict, sample: Sample, spec: InputSpec) -> Arrays:
        options = case["options"]
        encoder = DetectionTargets(
            classes,
            spec,
            max_objects=options["max_objs"],
            crowds="objects",
            class_sizes=options["cat_spec_wh"],
            dense_sizes="official" if options["dense_wh"] else None,
            center_sigma=options["hm_gauss"] if options["mse_loss"] else None,
            reg=not options["not_reg_offset"],
        )
        arrays = encoder(sample)
        if options["cat_spec_wh"]:
            arrays.update(cat_spec_wh=arrays.pop("wh"), cat_spec_mask=arrays.pop("wh_mask"))
        located = locate(sample, np.arange(len(sample.objects))[: encoder.max_objects], encoder.size, encoder.radius)
        boxes, centers, labels = (array[located.rows] for array in (located.boxes, located.centers, located.labels))
        half = (boxes[:, 2:] - boxes[:, :2]) / 2
        kept = [centers - half, centers + half, np.ones((len(boxes), 1)), labels[:, None]]
        arrays["gt_det"] = np.concatenate(kept, axis=1) if len(boxes) else np.zeros((1, 6))
        return arrays

    return encode


def replay(case: dict, dataset: CocoDataset, labels: Mapping[int, int], encode: Encode) -> Arrays:
    """Return all arrays that a case of ``targets.json`` describes, computed by this project.

    Args:
        labels: labels by category id.
    """
    sample = dataset[dataset.image_ids.tolist().index(case["image_id"])]
    if "annotations" in case:  # artificial
        boxes = np.array([annotation["bbox"] for annotation in case["annotations"]], np.float64)
        boxes[:, 2:] += boxes[:, :2]
        sample = replace(
            sample, objects=Objects(boxes.astype(np.float32), np.array([labels[each["category_id"]] for each in case["annotations"]]))
        )
    spec = replace(INPUT, size=tuple(case.get("input_hw", INPUT.size)))
    height, width = sample.image.shape[:2]
    keep_resolution = case.get("options", {}).get("keep_res", False)
    extent = spec.size[1] if keep_resolution else letterbox_size(width, height, spec.size)
    change = case["aug"]
    if change is None:
        view = window_view(width, (width / 2, height / 2), extent)
    else:
        view = window_view(width, change["c"], extent * change["s_factor"], change["rot"], change["flip"])
    sample = apply_view(sample, view, spec)
    arrays = encode(case, sample, spec)
    pixels = spec.normalize(sample.image)
    arrays["input_mean_std"] = np.array([pixels.mean(dtype=np.float64), pixels.std(dtype=np.float64)])
    return arrays


def deviation(actual: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest absolute difference; NaN if an array is absent, of another shape, or holds NaN."""
    if actual is None or actual.shape != expected.shape:
        return float("nan")
    return float(np.abs(actual.astype(np.float64) - expected.astype(np.float64)).max(initial=0.0))


def sparse_deviation(actual: np.ndarray, index: np.ndarray, values: np.ndarray) -> float:
    """Return the largest absolute difference from a sparse array, given by its non-zero cells; NaN if other cells are non-zero."""
    if actual is None or not np.array_equal(np.flatnonzero(actual), index):
        return float("nan")
    return deviation(actual.ravel()[index], values)
