"""Replays the reference's decoding: maps to detections, flip test, mapping back to the image."""

from __future__ import annotations

import re
from typing import Callable, List, Mapping, Optional

import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint.contracts.image import View
from mindpoint.contracts.instances import Detections
from mindpoint_centernet.decoders.centers import NO_JOINTS, average_mirrored, decode_centers
from mindpoint_centernet.decoders.multi_pose import decode_maps

from mindpoint_parity.reference import Reference

COUNT = 100
_SAME_SCORE = 1e-4
Arrays = Mapping[str, np.ndarray]
Decode = Callable[[Arrays, int], Detections]
"""Function from the activated maps of one image and the maximum number of detections to the detections."""
_MAPS = ("hm", "wh", "hps", "reg", "hm_hp", "hp_offset")
_VARIANT = re.compile(r"dets(_no_(?P<without>\w+)|_k(?P<count>\d+))?")
"""Name of a stored result: the map it was decoded without, or the maximum number of candidates (100 by default)."""


def check(reference: Reference) -> List[Comparison]:
    """Compare every case of ``decode.npz``."""
    with np.load(reference.golden / "decode.npz") as file:
        arrays = {name: file[name] for name in file.files}
    keypoints = reference.config.vocabulary.get("keypoints")
    flip_index, decode = (NO_JOINTS, _boxes) if keypoints is None else (keypoints.flip_index, _poses)
    cases = sorted({name.split("/")[0] for name in arrays if name.startswith("case")})
    rows = []
    for case in cases:
        stored = {name.split("/", 1)[1]: values for name, values in arrays.items() if name.startswith(case + "/")}
        rows += _check_case(case, stored, flip_index, decode, reference)
    return rows


def _poses(maps: Arrays, count: int) -> Detections:
    return decode_maps(maps, top_k=count)


def _boxes(maps: Arrays, count: int) -> Detections:
    return Detections(*decode_centers(maps, count)[:3])


def _check_case(case: str, stored: Arrays, flip_index: np.ndarray, decode: Decode, reference: Reference) -> List[Comparison]:
    maps = {name: stored[name] for name in _MAPS if name in stored}
    of_rows = reference.tolerance("decode", "rows")
    rows = []
    for name in stored:
        variant = _VARIANT.fullmatch(name)
        if variant:
            used = {key: values for key, values in maps.items() if key != variant["without"]}
            found = columns(decode(used, int(variant["count"] or COUNT)), labels=True)
            rows.append(Comparison("decode", f"{case}/{name}", row_error(found, stored[name][0]), of_rows))
    height, width = maps["hm"].shape[1:]
    if "post" in stored:
        view = View(crop_center=tuple(stored["post_center"].tolist()), crop_size=float(stored["post_scale"].flat[0]))
        placed = decode(maps, COUNT).transform(view.motion_to_image(width, height))
        expected = with_class(stored["post"], stored.get("post_class"))
        error = row_error(columns(placed, labels="post_class" in stored), expected)
        rows.append(Comparison("post-process", f"{case}/post", error, reference.tolerance("decode", "rows in the image")))
    if "dets_flip" in stored:
        mirrored = {name: stored[f"flipped_{name}"][None] for name in maps}
        merged = average_mirrored({name: values[None] for name, values in maps.items()}, mirrored, flip_index)
        errors = [np.abs(merged[name][0] - stored[f"flipmerged_{name}"]).max() for name in maps if f"flipmerged_{name}" in stored]
        rows.append(Comparison("flip merge", f"{case}/maps", float(max(errors)), reference.tolerance("decode", "averaged maps")))
        found = decode({name: values[0] for name, values in merged.items()}, COUNT)
        error = row_error(columns(found, labels=True), stored["dets_flip"][0])
        rows.append(Comparison("flip merge", f"{case}/dets_flip", error, of_rows))
    return rows


def columns(detections: Detections, labels: bool = False) -> np.ndarray:
    """Return detections in the reference's columns: box, score, joints x, y if they have some, and the class if wanted."""
    parts = [detections.boxes, detections.scores[:, None]]
    if "keypoints" in detections.values:
        parts.append(detections.keypoints.reshape(len(detections), 2 * detections.keypoints.shape[1]))
    return np.concatenate([*parts, detections.labels[:, None]] if labels else parts, axis=1)


def with_class(table: np.ndarray, classes: Optional[np.ndarray]) -> np.ndarray:
    """Return the reference's rows with their classes (from 1) as a last column of labels (from 0); rows without classes are unchanged."""
    return table if classes is None else np.concatenate([table, classes[:, None] - 1], axis=1)


def row_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference between the rows of two tables ``(N, 5 + ...)`` with the score in column 4, best first.

    Rows of equal scores (to 0.0001) may be in another order: each is compared with the nearest one. Rows of score 0, which the
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
