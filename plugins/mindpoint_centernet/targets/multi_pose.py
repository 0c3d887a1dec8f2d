"""Persons and their joints to the maps and lists that the multi-pose heads learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Literal, Optional, Tuple

import numpy as np

from mindpoint.contracts.data import TargetEncoder
from mindpoint.contracts.image import InputSpec, Sample, View, transform_points
from mindpoint_coco.keypoints import Keypoints
from mindpoint.errors import ConfigError
from mindpoint_centernet.targets.gaussian import RADIUS_RULES, gaussian, gaussian32, gaussian_radius, sigma_of, stamp, window

# What the official implementation fills the centre heatmap with where boxes are unknown: neither a centre nor background.
_UNKNOWN = 0.9999


@dataclass
class _Located:
    """Up to ``max_objects`` objects on the output map; an object's row is its slot.

    Attributes:
        rows: slots of the objects that train anything.
        boxes: ``(N, 4)`` float32, clipped to the map.
        centers: ``(N, 2)`` float32. pixels: ``(N, 2)`` int64, the map pixels that they lie in.
        joints: ``(N, J, 2)`` float32; 0 unless seen. joint_pixels: likewise int64.
        joint_seen: ``(N, J)`` bool: labelled, on the map, and of an object in ``rows``.
        labelled: ``(N,)`` bool, has a labelled joint.
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


class MultiPoseTargets(TargetEncoder):
    """CenterNet's multi-pose targets. M is ``max_objects``, J the number of joints, C that of classes, ``(H, W)`` the output map's size.

    ========================== ============= ===================================================================================
    ``hm``                     (C, H, W)     peaks at box centres, 0..1, exactly 1 at the centre's pixel
    ``wh``                     (M, 2)        width, height of the box in map pixels
    ``reg``                    (M, 2)        centre minus its pixel
    ``ind``                    (M,) int32    the centre's pixel, ``y W + x``
    ``reg_mask``               (M,)          1 where ``wh`` and ``reg`` count
    ``hps``, ``hps_mask``      (M, 2J)       joint minus the centre's pixel, x before y; 1 where it counts
    ``hm_hp``                  (J, H, W)     peaks at joints
    ``hp_offset``              (MJ, 2)       joint minus its pixel
    ``hp_ind``, ``hp_mask``    (MJ,)         the joint's pixel, int32; 1 where it counts
    ``dense_hps``              (2J, H, W)    with ``dense``: joint minus the pixel itself, around each centre
    ``dense_hps_mask``         (2J, H, W)    with ``dense``: weight of that, 0..1
    ``hm_weight``              (1, H, W)     with ``unlabelled: ignore``: 0 where ``hm`` must not train, else 1
    ``hm_hp_weight``           (1, H, W)     with ``unlabelled: ignore``: the same for ``hm_hp``
    ========================== ============= ===================================================================================

    All else is float32. Boxes are clipped to the map, joints outside it are left out; only the first M objects count.

    Args:
        stride: input pixels per map pixel.
        max_objects: M.
        radius: rule for the peaks' radius, see :func:`~mindpoint_centernet.targets.gaussian.gaussian_radius`.
        dense: also encode dense pose regression.
        unlabelled: persons without a labelled joint, and crowd boxes. ``parity``: centres like any other, whose ``wh`` and ``reg`` do
            not count (what the official implementation comes to). ``ignore``: take no slot; inside their boxes the
            heatmaps do not train, except on the peaks of the other objects.
        rotated_boxes: boxes in a turned view. ``ignore`` (official): nothing is learnt of centres, boxes and ``hps``, only joint
            heatmaps and offsets. ``rotate``: the upright box around the turned one's corners.
        joint_sigma: fixed standard deviation of the joints' peaks in map pixels, for a mean-squared-error loss (4 suits an input
            of 512, 3 one of 384). ``None``: from the box, like the centre's peak.

    Raises:
        ConfigError: a value out of range, or an input size that is no multiple of ``stride``.
    """

    def __init__(
        self,
        keypoints: Keypoints,
        classes: List[str],
        input_spec: InputSpec,
        stride: int = 4,
        max_objects: int = 32,
        radius: Literal["official", "model_zoo", "corrected"] = "official",
        dense: bool = False,
        unlabelled: Literal["parity", "ignore"] = "parity",
        rotated_boxes: Literal["ignore", "rotate"] = "ignore",
        joint_sigma: Optional[float] = None,
    ) -> None:
        for name, value, choices in (
            ("radius", radius, RADIUS_RULES),
            ("unlabelled", unlabelled, ("parity", "ignore")),
            ("rotated_boxes", rotated_boxes, ("ignore", "rotate")),
        ):
            if value not in choices:
                raise ConfigError(f"MultiPoseTargets.{name}: '{value}' is none of {', '.join(choices)}")
        if stride < 1 or max_objects < 1:
            raise ConfigError(f"MultiPoseTargets: stride {stride} and max_objects {max_objects} must be at least 1")
        if joint_sigma is not None and joint_sigma <= 0:
            raise ConfigError(f"MultiPoseTargets.joint_sigma: {joint_sigma} must be positive")
        if any(side % stride for side in input_spec.size):
            raise ConfigError(f"input.size: {list(input_spec.size)} is no multiple of the targets' stride {stride}")
        self.joints, self.classes, self.max_objects = len(keypoints), len(classes), max_objects
        self.strides = dict.fromkeys(("hm", "wh", "reg", "hps", "hm_hp", "hp_offset"), stride)
        self.height, self.width = (side // stride for side in input_spec.size)
        self.radius, self.dense, self.joint_sigma = radius, dense, joint_sigma
        self.ignores_unlabelled, self.rotates_boxes = unlabelled == "ignore", rotated_boxes == "rotate"

    def __call__(self, sample: Sample) -> Dict[str, np.ndarray]:
        boxes_unknown = sample.view.rotation != 0 and not self.rotates_boxes
        objects = sample.objects
        labelled = (objects.keypoints[:, :, 2] > 0).any(1)
        ignored = (objects.crowd | ~labelled) & self.ignores_unlabelled
        chosen = np.flatnonzero(~ignored)[: self.max_objects]
        located = self._locate(sample, chosen, labelled[chosen], boxes_unknown)
        targets = self._lists(located)
        targets["hm_hp"] = self._joint_heatmap(located)
        targets.update(self._centre_heatmap(located))
        if self.ignores_unlabelled:
            targets.update(self._weights(self._map_boxes(objects.boxes[ignored], sample.view, True), targets["hm"], targets["hm_hp"]))
        if boxes_unknown:
            targets["hm"].fill(_UNKNOWN)
            targets["reg_mask"].fill(0)
            targets["hps_mask"].fill(0)
        return targets

    def perfect_outputs(self, sample: Sample) -> Dict[str, np.ndarray]:
        """See :class:`TargetEncoder`. All annotated objects but crowds count, however many; boxes are not clipped to the map.

        ``wh``, ``reg`` and ``hps`` have at each pixel what belongs to the object with the nearest centre, ``hp_offset`` to the nearest
        joint, so that they serve peaks which lie beside the true ones too.
        """
        chosen = np.flatnonzero(~sample.objects.crowd)
        located = self._locate(sample, chosen, np.ones(len(chosen), bool), False)
        rows, size = located.rows, (self.height, self.width)
        corners = transform_points(sample.objects.boxes[chosen[rows]].reshape(-1, 2, 2), sample.view.affine(self.width, self.height))
        joints = np.where(located.joint_seen[rows, :, None], located.joints[rows], np.nan)
        values = [corners[:, 1] - corners[:, 0], corners.mean(axis=1) - located.pixels[rows], joints.reshape(-1, 2 * self.joints)]
        wh, reg, places = np.split(_of_nearest(np.concatenate(values, axis=1), located.pixels[rows], size), (2, 4))
        seen = np.nonzero(located.joint_seen)
        return {
            "hm": self._centre_heatmap(located)["hm"],
            "hm_hp": self._joint_heatmap(located),
            "wh": wh,
            "reg": reg,
            "hps": places - np.tile(np.mgrid[: self.height, : self.width][::-1], (self.joints, 1, 1)).astype(np.float32),
            "hp_offset": _of_nearest(located.joints[seen] - located.joint_pixels[seen], located.joint_pixels[seen], size),
        }

    def _map_boxes(self, boxes: np.ndarray, view: View, rotated: bool) -> np.ndarray:
        """Boxes ``(N, 4)`` of the image on the map, float32, clipped to its pixels. ``rotated``: the upright boxes around the turned."""
        matrix = view.affine(self.width, self.height, rotated=rotated)
        if rotated:
            corners = transform_points(boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2), matrix)
            corners = np.stack([corners.min(1), corners.max(1)], 1).astype(np.float32)
        else:
            corners = transform_points(boxes.reshape(-1, 2, 2), matrix).astype(np.float32)
        return np.clip(corners, 0, np.array([self.width - 1, self.height - 1], np.float32)).reshape(-1, 4)

    def _locate(self, sample: Sample, chosen: np.ndarray, labelled: np.ndarray, boxes_unknown: bool) -> _Located:
        boxes = self._map_boxes(sample.objects.boxes[chosen], sample.view, self.rotates_boxes)
        sizes = boxes[:, 2:] - boxes[:, :2]
        # the official implementation keeps boxes outside a turned view, since their joints may still be inside
        kept = (sizes > 0).all(1) | boxes_unknown
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2
        points = sample.objects.keypoints[chosen]
        joints = transform_points(points[..., :2], sample.view.affine(self.width, self.height)).astype(np.float32)
        seen = (points[..., 2] > 0) & (joints >= 0).all(2) & (joints < (self.width, self.height)).all(2) & kept[:, None]
        joints[~seen] = 0
        return _Located(
            rows=np.flatnonzero(kept),
            boxes=boxes,
            centers=centers,
            pixels=centers.astype(np.int64),
            joints=joints,
            joint_pixels=joints.astype(np.int64),
            joint_seen=seen,
            labelled=labelled,
            labels=sample.objects.labels[chosen],
            radii=[gaussian_radius(height, width, self.radius) for width, height in np.ceil(np.maximum(sizes, 0)).tolist()],
        )

    def _lists(self, located: _Located) -> Dict[str, np.ndarray]:
        """The targets with one row an object or joint."""
        slots, joints = self.max_objects, self.joints
        targets = {
            "wh": np.zeros((slots, 2), np.float32),
            "reg": np.zeros((slots, 2), np.float32),
            "ind": np.zeros(slots, np.int32),
            "reg_mask": np.zeros(slots, np.float32),
            "hps": np.zeros((slots, joints, 2), np.float32),
            "hps_mask": np.zeros((slots, joints, 2), np.float32),
            "hp_offset": np.zeros((slots, joints, 2), np.float32),
            "hp_ind": np.zeros((slots, joints), np.int32),
            "hp_mask": np.zeros((slots, joints), np.float32),
        }
        rows, boxes, pixels = located.rows, located.boxes, located.pixels
        targets["wh"][rows] = (boxes[:, 2:] - boxes[:, :2])[rows]
        targets["reg"][rows] = (located.centers - pixels)[rows]
        targets["ind"][rows] = (pixels[:, 1] * self.width + pixels[:, 0])[rows]
        targets["reg_mask"][rows] = located.labelled[rows]
        seen = np.nonzero(located.joint_seen)
        at = located.joint_pixels[seen]
        targets["hps"][seen] = located.joints[seen] - pixels[seen[0]]
        targets["hps_mask"][seen] = 1
        targets["hp_offset"][seen] = located.joints[seen] - at
        targets["hp_ind"][seen] = at[:, 1] * self.width + at[:, 0]
        targets["hp_mask"][seen] = 1
        shapes = {"hps": (slots, 2 * joints), "hps_mask": (slots, 2 * joints), "hp_offset": (-1, 2), "hp_ind": (-1,), "hp_mask": (-1,)}
        return {name: array.reshape(shapes.get(name, array.shape)) for name, array in targets.items()}

    def _joint_heatmap(self, located: _Located) -> np.ndarray:
        heatmap = np.zeros((self.joints, self.height, self.width), np.float32)
        if self.joint_sigma is None:
            kernels = [gaussian32(radius, sigma_of(radius)) for radius in located.radii]
        else:
            kernels = [gaussian32(int(3 * self.joint_sigma), self.joint_sigma)] * len(located.radii)
        rows, joints = np.nonzero(located.joint_seen)
        pixels = located.joint_pixels[rows, joints].tolist()
        for row, joint, (x, y) in zip(rows.tolist(), joints.tolist(), pixels):
            stamp(heatmap[joint], x, y, kernels[row])
        return heatmap

    def _centre_heatmap(self, located: _Located) -> Dict[str, np.ndarray]:
        """The centres' heatmap, and dense regression, which compares each peak with the heatmap of the objects before it."""
        targets = {"hm": np.zeros((self.classes, self.height, self.width), np.float32)}
        if self.dense:
            dense = np.zeros((self.joints, 2, self.height, self.width), np.float32)
            weight = np.zeros((self.joints, self.height, self.width), np.float32)
        for row in located.rows.tolist():
            heatmap, radius = targets["hm"][located.labels[row]], located.radii[row]
            x, y = located.pixels[row].tolist()
            if self.dense:
                self._stamp_dense(dense, weight, heatmap, located, row)
            stamp(heatmap, x, y, gaussian32(radius, sigma_of(radius)))
        if self.dense:
            targets["dense_hps"] = dense.reshape(2 * self.joints, self.height, self.width)
            targets["dense_hps_mask"] = np.repeat(weight, 2, axis=0)
        return targets

    def _stamp_dense(self, dense: np.ndarray, weight: np.ndarray, heatmap: np.ndarray, located: _Located, row: int) -> None:
        """Write the displacements of one object's joints around its centre, in place, where its peak reaches ``heatmap``."""
        seen, radius = located.joint_seen[row], located.radii[row]
        x, y = located.pixels[row].tolist()
        (rows, columns), in_kernel = window(x, y, radius, self.width, self.height)
        peak = gaussian(radius, sigma_of(radius))[in_kernel]
        wins = peak >= heatmap[rows, columns]
        steps = np.mgrid[columns, rows].transpose(0, 2, 1) - located.pixels[row][:, None, None]
        values = (located.joints[row, seen] - located.pixels[row]).astype(np.float32)[:, :, None, None] - steps
        part = dense[:, :, rows, columns]
        part[seen] = np.where(wins, values, part[seen])
        part = weight[:, rows, columns]
        part[seen] = np.maximum(part[seen], peak)

    def _weights(self, ignored_boxes: np.ndarray, hm: np.ndarray, hm_hp: np.ndarray) -> Dict[str, np.ndarray]:
        weight = np.ones((1, self.height, self.width), np.float32)
        for left, top, right, bottom in ignored_boxes.tolist():
            if left < right and top < bottom:
                weight[0, int(top) : int(bottom) + 1, int(left) : int(right) + 1] = 0
        return {
            "hm_weight": np.maximum(weight, (hm > 0).any(0, keepdims=True)),
            "hm_hp_weight": np.maximum(weight, (hm_hp > 0).any(0, keepdims=True)),
        }


def _of_nearest(values: np.ndarray, pixels: np.ndarray, size: Tuple[int, int]) -> np.ndarray:
    """Maps ``(C, *size)`` float32 that show at each pixel the row of ``values`` ``(N, C)`` of the nearest of ``pixels`` ``(N, 2)``
    x, y; NaN without any."""
    if not len(pixels):
        return np.full((values.shape[1], *size), np.nan, np.float32)
    across = (pixels[:, 0, None] - np.arange(size[1])) ** 2
    down = (pixels[:, 1, None] - np.arange(size[0])) ** 2
    nearest = (down[:, :, None] + across[:, None, :]).argmin(axis=0)
    return values.astype(np.float32)[nearest].transpose(2, 0, 1)
