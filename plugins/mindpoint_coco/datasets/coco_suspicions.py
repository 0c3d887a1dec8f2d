"""Suspicious properties of a keypoint data set as a whole: swapped sides, unsuitable sigmas."""

from __future__ import annotations

import contextlib
from typing import Iterator, Sequence

import numpy as np

from mindpoint_coco.datasets.rules import few
from mindpoint_coco.keypoints import AnnotatedJoints, Keypoints
from mindpoint_coco.sides import unpaired

_FEWEST = 20  # minimum number of people behind a remark
_ALIKE = 0.35  # minimum share of people in whom a pair is on the side of the other pairs
_FACING = 0.3  # minimum share of people facing the viewer with the left shoulder on the right


def joint_array(annotations: Sequence[dict], joints: AnnotatedJoints) -> np.ndarray:
    """Return the usable joints of annotations that are not crowds: ``(N, J, 3)``, x, y, visibility."""
    points = []
    for record in annotations:
        if isinstance(record, dict) and not record.get("iscrowd") and isinstance(record.get("keypoints"), list):
            with contextlib.suppress(ValueError):
                points.append(joints.from_coco(record))
    return np.array(points, joints.dtype).reshape(-1, *joints.shape)


def swapped_sides(points: np.ndarray, keypoints: Keypoints) -> Iterator[str]:
    """Yield pairs whose left and right seem to be swapped.

    In a picture of a person, the left joints lie mostly on one side and the right ones on the other. A pair that is mostly opposite
    to the other pairs of the same person is suspicious. If nose and both eyes of a person are visible, the face is turned to the viewer,
    and the left shoulder should lie on the right of the picture. If it mostly does not, all sides are suspicious.

    Args:
        points: ``(N, J, 3)``: x, y, visibility.
    """
    pairs = list(keypoints.flip_pairs)
    if not pairs:
        return
    side = np.stack([_side(points, first, second) for first, second in pairs], axis=1)
    total = side.sum(axis=1, keepdims=True)
    others = np.sign(total - side)
    for number, (first, second) in enumerate(pairs):
        both = (side[:, number] != 0) & (others[:, number] != 0)
        share = float((side[both, number] == others[both, number]).mean()) if both.any() else 1.0
        if both.sum() >= _FEWEST and share < _ALIKE:
            yield (
                f"'{keypoints.names[first]}' and '{keypoints.names[second]}' lie on the side of the other pairs in only {share:.0%} of "
                f"{both.sum()} people; are they swapped in the annotations or in keypoints.names?"
            )
    names = list(keypoints.names)
    face = [names.index(name) for name in ("nose", "left_eye", "right_eye") if name in names]
    shoulders = [names.index(name) for name in ("left_shoulder", "right_shoulder") if name in names]
    if len(face) == 3 and len(shoulders) == 2:
        facing = (points[:, face, 2] == 2).all(axis=1)
        across = _side(points, *shoulders)[facing]
        across = across[across != 0]
        share = float((across > 0).mean()) if across.size else 1.0
        if across.size >= _FEWEST and share < _FACING:
            yield (
                f"of {across.size} people with visible nose and eyes, only {share:.0%} have the left shoulder on the right, as "
                "people facing the viewer do; are all left and right joints swapped?"
            )


def _side(points: np.ndarray, left: int, right: int) -> np.ndarray:
    """Return 1 where the left joint lies farther right in the picture, -1 where farther left, 0 where unknown."""
    labelled = (points[:, [left, right], 2] > 0).all(axis=1)
    return np.sign(points[:, left, 0] - points[:, right, 0]) * labelled


def never_labelled(points: np.ndarray, keypoints: Keypoints) -> Iterator[str]:
    """Yield joints that are not labelled in any person."""
    if len(points) >= _FEWEST:
        for joint in np.flatnonzero(~(points[:, :, 2] > 0).any(axis=0)):
            yield f"'{keypoints.names[joint]}' is not labelled in any of {len(points)} people, so it cannot be learnt"


def lone_sides(keypoints: Keypoints) -> Iterator[str]:
    """Yield joints whose names have a side but that are in no pair of the configuration."""
    lone = unpaired(keypoints.names, keypoints.flip_pairs)
    if lone:
        yield f"{few(lone, 30)} are not in keypoints.flip_pairs, so mirrored images teach the wrong side"


def sigma_table(areas: Sequence[float], keypoints: Keypoints) -> str:
    """Return a sentence with each joint's sigma in pixels for the median person."""
    side = float(np.sqrt(np.median(areas)))
    pixels = ", ".join(f"{name} {sigma * side:.1f}" for name, sigma in zip(keypoints.names, keypoints.sigmas))
    return (
        f"sigmas in pixels at the median of {len(areas)} people, whose area is {side:.0f} x {side:.0f} (twice this error lowers "
        f"a joint's OKS to 0.61): {pixels}"
    )


def strange_sigmas(areas: Sequence[float], keypoints: Keypoints) -> Iterator[str]:
    """Yield sigmas so small or large that every detection is wrong or right."""
    side = float(np.sqrt(np.median(areas)))
    if not keypoints.sigmas_given:
        yield "keypoints.sigmas is not set, so every joint has 0.05; joints that are hard to locate, such as hips, need up to 0.1"
    for name, sigma in zip(keypoints.names, keypoints.sigmas):
        if sigma * side < 0.5:
            yield f"the sigma of '{name}', {sigma:g}, is {sigma * side:.2f} px at the median person; no network is that precise"
        elif sigma > 0.2:
            yield f"the sigma of '{name}', {sigma:g}, is {sigma:.0%} of a person's size; nearly every detection will count as correct"
