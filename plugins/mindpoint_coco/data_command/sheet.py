"""Pictures of one training sample: annotations, mirrored copy, network input with its targets, heatmaps."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Mapping, Sequence, Tuple

import cv2
import numpy as np

from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint_coco.keypoints import Keypoints
from mindpoint.visual.draw import captioned, draw_objects, grid
from mindpoint_coco.transforms.view import mirror_objects

_HEIGHT, _SMALL = 480, 160  # pixels: of a picture, and of one of a single joint
_FIRST, _SECOND, _MIDDLE = (0, 140, 255), (255, 120, 0), (80, 220, 80)  # blue-green-red: orange, blue, green
Pictures = Dict[str, np.ndarray]


def annotated(sample: Sample, keypoints: Keypoints) -> Pictures:
    """The image and its mirrored copy with the annotations in them, by caption. In both the first of each mirrored pair is orange.

    Args:
        sample: as the data set gives it.
    """
    sided = replace(keypoints, colors=_sides(keypoints))
    width = sample.image.shape[1]
    mirrored = replace(sample, image=cv2.flip(sample.image, 1), objects=mirror_objects(sample.objects, width, keypoints))
    drawn = (draw_objects(each.image, each.objects, sided) for each in (sample, mirrored))
    return dict(zip(("annotated: first of a pair orange, second blue", "mirrored, pairs exchanged"), map(_sized, drawn)))


def learnt(sample: Sample, targets: Mapping[str, np.ndarray], stride: int, keypoints: Keypoints) -> Pictures:
    """What the network sees and is to give, by caption; pictures of targets that are not there are left out.

    Args:
        sample: as the transforms leave it.
        targets: of :class:`~mindpoint_centernet.targets.multi_pose.MultiPoseTargets`.
        stride: input pixels per map pixel.
    """
    raster = _sized(_raster(sample))  # before drawing, so that lines stay thin over few pixels
    stride = stride * len(raster) / len(sample.image)
    pictures = {"network input": raster}
    if {"ind", "wh", "reg", "hps", "hm"} <= set(targets):
        pictures["boxes and joints to regress"] = draw_objects(raster, regressed(targets, stride, len(keypoints)), keypoints)
    if "hm" in targets:
        pictures["centre heatmap"] = _overlay(raster, targets["hm"], [_MIDDLE] * len(targets["hm"]))
    if {"hm_hp", "hp_ind", "hp_mask", "hp_offset"} <= set(targets):
        pictures["joint heatmaps and offsets"] = _peaks(_overlay(raster, targets["hm_hp"], keypoints.colors), targets, stride, keypoints)
    if "hm_weight" in targets:
        pictures["ignored: grey"] = _overlay(raster, 1 - targets["hm_weight"], [(160, 160, 160)])
    return pictures


def single_joints(sample: Sample, targets: Mapping[str, np.ndarray], keypoints: Keypoints) -> Pictures:
    """The heatmap of each joint over the network input, by the joint's name."""
    raster, maps = _raster(sample), targets.get("hm_hp", ())
    return {name: _sized(_overlay(raster, one[None], [(0, 255, 255)]), _SMALL) for name, one in zip(keypoints.names, maps)}


def regressed(targets: Mapping[str, np.ndarray], stride: float, joints: int) -> Objects:
    """The objects that the targets describe, in map pixels times ``stride``: pixels of the network input, or of an enlarged one."""
    width = targets["hm"].shape[2]
    used = np.flatnonzero((targets["reg_mask"] > 0) | (targets["hps_mask"] > 0).any(axis=1))
    pixels = np.stack([targets["ind"] % width, targets["ind"] // width], axis=1)[used]
    centers, sizes = pixels + targets["reg"][used], targets["wh"][used]
    points = np.zeros((len(used), joints, 3), np.float32)
    points[..., :2] = (pixels[:, None] + targets["hps"][used].reshape(-1, joints, 2)) * stride
    points[..., 2] = 2 * (targets["hps_mask"][used].reshape(-1, joints, 2)[..., 0] > 0)
    boxes = np.concatenate([centers - sizes / 2, centers + sizes / 2], axis=1) * stride
    none = np.zeros(len(used))
    return Objects(boxes.astype(np.float32), points, none.astype(np.int64), none.astype(np.float32), none.astype(bool))


def sheet(pictures: Pictures, columns: int) -> np.ndarray:
    """The pictures side by side, each below its caption."""
    return grid([captioned(picture, caption) for caption, picture in pictures.items()], columns)


def _raster(sample: Sample) -> np.ndarray:
    """What the network sees, as a picture."""
    pixels = sample.pixels()
    return pixels if pixels.dtype == np.uint8 else np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def _sides(keypoints: Keypoints) -> List[Tuple[int, int, int]]:
    colors = [_MIDDLE] * len(keypoints)
    for first, second in keypoints.flip_pairs:
        colors[first], colors[second] = _FIRST, _SECOND
    return colors


def _overlay(raster: np.ndarray, maps: np.ndarray, colors: Sequence[Tuple[int, int, int]]) -> np.ndarray:
    """Maps ``(C, h, w)`` in 0..1 over the darkened image, each in its colour; map pixels stay visible."""
    light = np.zeros((*maps.shape[1:], 3), np.float32)
    for heatmap, color in zip(maps, colors):
        light = np.maximum(light, heatmap[..., None] * np.array(color, np.float32))
    strength = maps.max(axis=0)
    height, width = raster.shape[:2]
    light, strength = (cv2.resize(each, (width, height), interpolation=cv2.INTER_NEAREST) for each in (light, strength))
    grey = 0.6 * cv2.cvtColor(cv2.cvtColor(raster, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return np.clip(grey * (1 - 0.8 * strength[..., None]) + light, 0, 255).astype(np.uint8)


def _peaks(picture: np.ndarray, targets: Mapping[str, np.ndarray], stride: float, keypoints: Keypoints) -> np.ndarray:
    """Crosses where joint pixel and offset say that the joints are."""
    width = targets["hm_hp"].shape[2]
    for row in np.flatnonzero(targets["hp_mask"]):
        at = np.array([targets["hp_ind"][row] % width, targets["hp_ind"][row] // width]) + targets["hp_offset"][row]
        place = tuple(np.rint(at * stride).astype(int).tolist())
        cv2.drawMarker(picture, place, (255, 255, 255), cv2.MARKER_CROSS, max(5, len(picture) // 60), 1, cv2.LINE_AA)
    return picture


def _sized(picture: np.ndarray, height: int = _HEIGHT) -> np.ndarray:
    """The picture at that height; enlarged, its pixels stay visible."""
    scale = height / len(picture)
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
