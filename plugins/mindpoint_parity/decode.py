"""Replays the reference's decoding: maps to detections, flip test, mapping back to the image."""

from __future__ import annotations

from typing import List, Mapping

import numpy as np
from mindpoint.config import load_config
from mindpoint.contracts.comparison import Comparison
from mindpoint.contracts.image import View
from mindpoint.contracts.instances import Detections
from mindpoint_centernet.decoders.centers import average_mirrored
from mindpoint_centernet.decoders.multi_pose import decode_maps

from mindpoint_parity.reference import Reference

_SAME_SCORE = 1e-4
Arrays = Mapping[str, np.ndarray]
_MAPS = ("hm", "wh", "hps", "reg", "hm_hp", "hp_offset")
# What each stored result was decoded without, and with how many candidates.
_VARIANTS = {
    "dets": ((), 100),
    "dets_no_hm_hp": (("hm_hp",), 100),
    "dets_no_hp_offset": (("hp_offset",), 100),
    "dets_no_reg": (("reg",), 100),
    "dets_k20": ((), 20),
}


def check(reference: Reference) -> List[Comparison]:
    """Compare every case of ``decode.npz``."""
    with np.load(reference.golden / "decode.npz") as file:
        arrays = {name: file[name] for name in file.files}
    flip_index = load_config("dla34_dcn_coco", []).vocabulary["keypoints"].flip_index
    cases = sorted({name.split("/")[0] for name in arrays if name.startswith("case")})
    rows = []
    for case in cases:
        stored = {name.split("/", 1)[1]: values for name, values in arrays.items() if name.startswith(case + "/")}
        rows += _check_case(case, stored, flip_index, reference.tolerances["decode"])
    return rows


def _check_case(case: str, stored: Arrays, flip_index: np.ndarray, tolerances: Mapping[str, float]) -> List[Comparison]:
    maps = {name: stored[name] for name in _MAPS if name in stored}
    rows = []
    for name, (without, top_k) in _VARIANTS.items():
        if name in stored:
            found = decode_maps({k: v for k, v in maps.items() if k not in without}, top_k=top_k)
            rows.append(Comparison("decode", f"{case}/{name}", row_error(columns(found, True), stored[name][0]), tolerances["rows"]))
    height, width = maps["hm"].shape[1:]
    if "post" in stored:
        view = View(crop_center=tuple(stored["post_center"].tolist()), crop_size=float(stored["post_scale"]))
        placed = columns(decode_maps(maps).transform(view.motion_to_image(width, height)))
        rows.append(Comparison("post-process", f"{case}/post", row_error(placed, stored["post"]), tolerances["rows in the image"]))
    if "dets_flip" in stored:
        mirrored = {name: stored[f"flipped_{name}"][None] for name in maps}
        merged = average_mirrored({name: values[None] for name, values in maps.items()}, mirrored, flip_index)
        errors = [np.abs(merged[name][0] - stored[f"flipmerged_{name}"]).max() for name in maps if f"flipmerged_{name}" in stored]
        rows.append(Comparison("flip merge", f"{case}/maps", float(max(errors)), tolerances["averaged maps"]))
        found = decode_maps({name: values[0] for name, values in merged.items()})
        error = row_error(columns(found, True), stored["dets_flip"][0])
        rows.append(Comparison("flip merge", f"{case}/dets_flip", error, tolerances["rows"]))
    return rows


def columns(detections: Detections, with_class: bool = False) -> np.ndarray:
    """Return detections in the reference's columns: box, score, joints x, y, and the class if wanted."""
    joints = detections.keypoints.reshape(len(detections), 2 * detections.keypoints.shape[1])
    parts = [detections.boxes, detections.scores[:, None], joints]
    return np.concatenate([*parts, detections.labels[:, None]] if with_class else parts, axis=1)


def row_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference between the rows of two tables ``(N, 5 + ...)`` with the score in column 4, best first.

    Rows of the same score (to 0.0001) may come in another order: each is compared with its nearest. Rows of score 0, which the
    reference adds to fill its table, are left out. NaN if the numbers of rows differ.
    """
    expected = expected[expected[:, 4] > 0]
    if found.shape != expected.shape:
        return float("nan")
    free = np.ones(len(found), bool)
    errors = []
    for row in expected:
        rivals = np.flatnonzero(free & (np.abs(found[:, 4] - row[4]) <= _SAME_SCORE))
        if len(rivals) == 0:
            return float("nan")
        differences = np.abs(found[rivals] - row).max(axis=1)
        free[rivals[differences.argmin()]] = False
        errors.append(differences.min())
    return float(np.max(errors, initial=0.0))
