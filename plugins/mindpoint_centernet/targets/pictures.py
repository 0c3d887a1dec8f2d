"""Pictures of targets over the network's input, for visual inspection."""

from __future__ import annotations

from typing import Dict, Mapping, Sequence, Tuple

import cv2
import numpy as np
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.visual.draw import GREY, canvas_of
from mindpoint.visual.objects import ObjectVisualizer
from mindpoint_coco.keypoints import Keypoints

Targets = Mapping[str, np.ndarray]
Pictures = Dict[str, np.ndarray]
Color = Tuple[int, int, int]

HEIGHT, DETAIL = 480, 160  # heights in pixels: of a picture, and of a picture of one joint
_CENTER, _JOINT, _MARK = (80, 220, 80), (0, 255, 255), (255, 255, 255)  # blue, green, red


def center_pictures(sample: Sample, targets: Targets, stride: int, classes: Sequence[str]) -> Pictures:
    """Return pictures of boxes and centre heatmap, drawn from only the targets, over the network's input.

    Pictures are BGR uint8, 480 pixels high, by caption.

    Args:
        sample: a sample whose image is the network's input.
        targets: the result of :class:`~mindpoint_centernet.targets.detection.DetectionTargets`.
        stride: input pixels per map pixel.
    """
    raster, scale = _raster(sample)
    objects = Objects(*described_boxes(targets, stride * scale, np.flatnonzero(targets["reg_mask"])))
    boxes = ObjectVisualizer(classes, names=len(classes) > 1).draw_objects(raster, objects)
    return {"boxes to regress": boxes, "centre heatmap": _centers(raster, targets), **_ignored(raster, targets)}


def described_boxes(targets: Targets, stride: float, used: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Return boxes ``(N, 4)`` and labels ``(N,)`` of the targets in these slots.

    Args:
        stride: factor from map pixels to pixels of the result.
    """
    width = targets["hm"].shape[2]
    columns, rows = targets["ind"][used] % width, targets["ind"][used] // width
    offsets = targets["reg"][used] if "reg" in targets else 0.5
    centers = np.stack([columns, rows], axis=1) + offsets
    wh = targets["dense_wh"][:, rows, columns].T if "dense_wh" in targets else targets["wh"][used]
    sizes = np.stack([wh[:, 0::2].sum(axis=1), wh[:, 1::2].sum(axis=1)], axis=1)  # 0 except for the object's class
    boxes = np.concatenate([centers - sizes / 2, centers + sizes / 2], axis=1) * stride
    labels = targets["hm"][:, rows, columns].argmax(axis=0)  # 1 on the channel of the object's class
    return boxes.astype(np.float32), labels


def target_pictures(sample: Sample, targets: Targets, stride: int, keypoints: Keypoints, classes: Sequence[str]) -> Pictures:
    """Return pictures of the desired output, drawn from only the targets, over the network's input.

    Pictures are BGR uint8, 480 pixels high, by caption.

    Args:
        sample: a sample whose image is the network's input.
        targets: the result of :class:`~mindpoint_centernet.targets.multi_pose.MultiPoseTargets`.
        stride: input pixels per map pixel.
    """
    raster, scale = _raster(sample)
    objects = described_objects(targets, stride * scale, keypoints)
    joints = _overlay(raster, targets["hm_hp"], keypoints.colors)
    return {
        "boxes and joints to regress": ObjectVisualizer(classes, names=len(classes) > 1).draw_objects(raster, objects),
        "centre heatmap": _centers(raster, targets),
        "joint heatmaps and offsets": _mark_joints(joints, targets, stride * scale),
        **_ignored(raster, targets),
    }


def _raster(sample: Sample) -> Tuple[np.ndarray, float]:
    """Return the network's input at the pictures' height, and the enlargement factor."""
    raster = _sized(canvas_of(sample.pixels()), HEIGHT)  # resized before drawing, so that lines stay thin
    return raster, len(raster) / len(sample.image)


def _centers(raster: np.ndarray, targets: Targets) -> np.ndarray:
    return _overlay(raster, targets["hm"], [_CENTER] * len(targets["hm"]))


def _ignored(raster: np.ndarray, targets: Targets) -> Pictures:
    return {"ignored: grey": _overlay(raster, 1 - targets["hm_weight"], [GREY])} if "hm_weight" in targets else {}


def joint_pictures(sample: Sample, targets: Targets, keypoints: Keypoints) -> Pictures:
    """Return the heatmap of each joint over the network's input, 160 pixels high, by the joint's name."""
    raster = canvas_of(sample.pixels())
    return {name: _sized(_overlay(raster, heat[None], [_JOINT]), DETAIL) for name, heat in zip(keypoints.names, targets["hm_hp"])}


def described_objects(targets: Targets, stride: float, keypoints: Keypoints) -> Objects:
    """Return the objects that the targets describe; masked joints are not labelled.

    Args:
        stride: factor from map pixels to pixels of the result.
    """
    width = targets["hm"].shape[2]
    used = np.flatnonzero((targets["reg_mask"] > 0) | (targets["hps_mask"] > 0).any(axis=1))
    boxes, labels = described_boxes(targets, stride, used)
    pixels = np.stack([targets["ind"][used] % width, targets["ind"][used] // width], axis=1)
    shape = (len(used), len(keypoints), 2)
    points = np.zeros((*shape[:2], 3), np.float32)
    points[..., :2] = (pixels[:, None] + targets["hps"][used].reshape(shape)) * stride
    points[..., 2] = 2 * (targets["hps_mask"][used].reshape(shape)[..., 0] > 0)
    return Objects(boxes, labels, fields=[keypoints.annotated()], values={"keypoints": points})


def _overlay(raster: np.ndarray, maps: np.ndarray, colors: Sequence[Color]) -> np.ndarray:
    """Return maps ``(C, h, w)`` in 0..1 over the darkened image, each in its colour; map pixels stay visible."""
    light = np.zeros((*maps.shape[1:], 3), np.float32)
    for heatmap, color in zip(maps, colors):
        light = np.maximum(light, heatmap[..., None] * np.array(color, np.float32))
    strength = maps.max(axis=0)
    height, width = raster.shape[:2]
    light, strength = (cv2.resize(each, (width, height), interpolation=cv2.INTER_NEAREST) for each in (light, strength))
    grey = 0.6 * cv2.cvtColor(cv2.cvtColor(raster, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return np.clip(grey * (1 - 0.8 * strength[..., None]) + light, 0, 255).astype(np.uint8)


def _mark_joints(picture: np.ndarray, targets: Targets, stride: float) -> np.ndarray:
    """Draw a cross, in place, at each joint's pixel plus offset."""
    width = targets["hm_hp"].shape[2]
    for row in np.flatnonzero(targets["hp_mask"]):
        at = np.array([targets["hp_ind"][row] % width, targets["hp_ind"][row] // width]) + targets["hp_offset"][row]
        place = tuple(np.rint(at * stride).astype(int).tolist())
        cv2.drawMarker(picture, place, _MARK, cv2.MARKER_CROSS, max(5, len(picture) // 60), 1, cv2.LINE_AA)
    return picture


def _sized(picture: np.ndarray, height: int) -> np.ndarray:
    """Return the picture scaled to a height; enlarging keeps pixels sharp."""
    scale = height / len(picture)
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
