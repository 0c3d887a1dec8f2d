"""Positions of a sample's objects and joints on the output map, and the box targets of each object's slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Literal, Tuple, get_args

import numpy as np
from mindpoint.contracts.image import InputSpec, Sample, View, transform_points
from mindpoint.errors import ConfigError

from mindpoint_centernet.heatmaps import RadiusRule, gaussian_radius

Size = Tuple[int, int]
"""Height and width of a map in map pixels."""

Turned = Literal["ignore", "rotate", "ellipse"]
"""Boxes in a rotated view. ``ignore``: leave the rotation out, as the official implementation does. ``rotate``: take the axis-aligned box
around the corners of the rotated one. ``ellipse``: take the axis-aligned box around the rotated inscribed ellipse of the box, which is
closer to the box that a person would draw (Kalra et al. 2021, Towards Rotation Invariance in Object Detection)."""


@dataclass
class Located:
    """Up to ``max_objects`` objects on the output map; an object's row is its slot.

    Attributes:
        rows: slots of the objects that contribute to training.
        boxes: ``(N, 4)`` float32, clipped to the map.
        centers: ``(N, 2)`` float32. pixels: ``(N, 2)`` int64, the map pixels that contain them.
        joints: ``(N, J, 2)`` float32, J = 0 for objects without joints; 0 unless seen. joint_pixels: ``(N, J, 2)`` int64, the map pixels
            that contain them.
        joint_seen: ``(N, J)`` bool: labelled, on the map, and of an object in ``rows``.
        labelled: ``(N,)`` bool, whether any joint of the object is labelled.
        labels: ``(N,)`` class indices.
        radii: peak radius by slot, meaningful for ``rows``.
    """

    rows: np.ndarray
    boxes: np.ndarray
    centers: np.ndarray
    pixels: np.ndarray
    joints: np.ndarray
    joint_pixels: np.ndarray
    joint_seen: np.ndarray
    labelled: np.ndarray
    labels: np.ndarray
    radii: List[int]


def check_choice(key: str, value: object, choices: object) -> None:
    """Raise ConfigError unless the value of a key is one of the ``choices``, a ``Literal``."""
    if value not in get_args(choices):
        raise ConfigError(f"{key}: '{value}' is not one of {', '.join(get_args(choices))}")


def check_encoder(name: str, stride: int, max_objects: int, input_spec: InputSpec) -> None:
    """Raise ConfigError if a target encoder's sizes are out of range or do not fit the input."""
    if stride < 1 or max_objects < 1:
        raise ConfigError(f"{name}: stride {stride} and max_objects {max_objects} must be at least 1")
    if any(side % stride for side in input_spec.size):
        raise ConfigError(f"input.size: {list(input_spec.size)} is not a multiple of the targets' stride {stride}")


def map_boxes(boxes: np.ndarray, view: View, size: Size, turned: Turned) -> np.ndarray:
    """Return boxes ``(N, 4)`` of the image on the map, float32, clipped to its pixels.

    Args:
        turned: see :data:`Turned`.
    """
    height, width = size
    matrix = view.affine(width, height, rotated=turned != "ignore")
    if turned == "ellipse":
        middles = transform_points((boxes[:, :2] + boxes[:, 2:]) / 2, matrix)
        halves = np.sqrt(((boxes[:, 2:] - boxes[:, :2]) / 2) ** 2 @ (matrix[:, :2] ** 2).T)
        corners = np.stack([middles - halves, middles + halves], 1).astype(np.float32)
    elif turned == "rotate":
        corners = transform_points(boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2), matrix)
        corners = np.stack([corners.min(1), corners.max(1)], 1).astype(np.float32)
    else:
        corners = transform_points(boxes.reshape(-1, 2, 2), matrix).astype(np.float32)
    return np.clip(corners, 0, np.array([width - 1, height - 1], np.float32)).reshape(-1, 4)


def locate(
    sample: Sample, rows: np.ndarray, size: Size, radius: RadiusRule, turned: Turned = "ignore", boxes_known: bool = True
) -> Located:
    """Return the positions of the objects in these rows on a map.

    Args:
        sample: a sample whose ``view`` is set; its objects may have ``keypoints``.
        rows: rows of the objects, which get the slots in this order.
        radius: rule of :func:`~mindpoint_centernet.heatmaps.gaussian_radius`.
        turned: see :data:`Turned`.
        boxes_known: False also keeps objects whose boxes are off the map.
    """
    height, width = size
    objects = sample.objects.select(rows)
    boxes = map_boxes(objects.boxes, sample.view, size, turned)
    sizes = boxes[:, 2:] - boxes[:, :2]
    # the official implementation keeps boxes outside a rotated view, since their joints may be inside
    kept = (sizes > 0).all(1) | (not boxes_known)
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    keypoints = objects.values.get("keypoints", np.zeros((len(objects), 0, 3), np.float32))
    joints = transform_points(keypoints[..., :2], sample.view.affine(width, height)).astype(np.float32)
    labelled = keypoints[..., 2] > 0
    seen = labelled & (joints >= 0).all(2) & (joints < (width, height)).all(2) & kept[:, None]
    joints[~seen] = 0
    return Located(
        rows=np.flatnonzero(kept),
        boxes=boxes,
        centers=centers,
        pixels=centers.astype(np.int64),
        joints=joints,
        joint_pixels=joints.astype(np.int64),
        joint_seen=seen,
        labelled=labelled.any(1),
        labels=objects.labels,
        radii=[gaussian_radius(height, width, radius) for width, height in np.ceil(np.maximum(sizes, 0)).tolist()],
    )


def box_lists(located: Located, slots: int, width: int, counted: np.ndarray) -> Dict[str, np.ndarray]:
    """Return ``wh`` and ``reg`` ``(slots, 2)``, ``ind`` int32 and ``reg_mask`` ``(slots,)``; see the target encoders.

    Args:
        width: width of the map in pixels.
        counted: ``(N,)`` bool, whether ``wh`` and ``reg`` of each object count.
    """
    rows, boxes, pixels = located.rows, located.boxes, located.pixels
    targets = {
        "wh": np.zeros((slots, 2), np.float32),
        "reg": np.zeros((slots, 2), np.float32),
        "ind": np.zeros(slots, np.int32),
        "reg_mask": np.zeros(slots, np.float32),
    }
    targets["wh"][rows] = (boxes[:, 2:] - boxes[:, :2])[rows]
    targets["reg"][rows] = (located.centers - pixels)[rows]
    targets["ind"][rows] = (pixels[:, 1] * width + pixels[:, 0])[rows]
    targets["reg_mask"][rows] = counted[rows]
    return targets
