"""Training targets of the multi-pose heads: maps and lists from persons and their joints."""

from __future__ import annotations

from typing import Dict, List, Literal, Mapping, Optional

import numpy as np
from mindpoint.contracts.data import TargetEncoder
from mindpoint.contracts.image import InputSpec, Sample, transform_points
from mindpoint.errors import ConfigError
from mindpoint_coco.keypoints import Keypoints

from mindpoint_centernet.heatmaps import RadiusRule
from mindpoint_centernet.targets.located import Located, Turned, box_lists, check_choice, check_encoder, locate, map_boxes
from mindpoint_centernet.targets.maps import center_heatmap, dense_joints, ignoring, joint_heatmap, of_nearest

Unlabelled = Literal["parity", "ignore"]

# The official implementation's value of the centre heatmap where boxes are unknown: neither a centre nor background.
_UNKNOWN = 0.9999


class MultiPoseTargets(TargetEncoder):
    """CenterNet's multi-pose targets. M is ``max_objects``, J the number of joints, C the number of classes, ``(H, W)`` the output map's
    size.

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
    ``dense_hps_mask``         (2J, H, W)    with ``dense``: weight of ``dense_hps``, 0..1
    ``hm_weight``              (1, H, W)     with ``unlabelled: ignore``: 0 where ``hm`` must not train, else 1
    ``hm_hp_weight``           (J, H, W)     with ``unlabelled: ignore``: 0 where ``hm_hp`` must not train, else 1
    ========================== ============= ===================================================================================

    All targets but ``ind`` and ``hp_ind`` are float32. Boxes are clipped to the map, joints outside it are left out; only the first M
    objects are used.

    Args:
        stride: input pixels per map pixel.
        max_objects: M.
        radius: rule for the peaks' radius, see :func:`~mindpoint_centernet.heatmaps.gaussian_radius`.
        dense: also encode dense pose regression.
        unlabelled: treatment of crowd boxes, and of persons without a labelled joint although their class has joints. ``parity``: encode
            centres, but mask ``wh`` and ``reg`` (as the official implementation does). ``ignore``: use no slot, and do not train the
            heatmaps inside their boxes, except on the peaks of other objects. If an object's data set lacks a joint, the heatmap of
            this joint trains only on its peaks in the object's image.
        rotated_boxes: treatment of boxes in a rotated view. ``ignore`` (official): do not learn centres, boxes and ``hps``, only joint
            heatmaps and offsets. ``rotate``, ``ellipse``: see :data:`~mindpoint_centernet.targets.located.Turned`.
        joint_sigma: fixed standard deviation of the joints' peaks in map pixels, for a mean-squared-error loss (4 suits an input
            of 512 pixels, 3 one of 384). ``None``: from the box, like the centre's peak.

    Raises:
        ConfigError: a value is out of range, or the input size is not a multiple of ``stride``.
    """

    def __init__(
        self,
        keypoints: Keypoints,
        classes: List[str],
        input_spec: InputSpec,
        stride: int = 4,
        max_objects: int = 32,
        radius: RadiusRule = "official",
        dense: bool = False,
        unlabelled: Unlabelled = "parity",
        rotated_boxes: Turned = "ignore",
        joint_sigma: Optional[float] = None,
    ) -> None:
        check_choice("MultiPoseTargets.radius", radius, RadiusRule)
        check_choice("MultiPoseTargets.unlabelled", unlabelled, Unlabelled)
        check_choice("MultiPoseTargets.rotated_boxes", rotated_boxes, Turned)
        check_encoder("MultiPoseTargets", stride, max_objects, input_spec)
        if joint_sigma is not None and joint_sigma <= 0:
            raise ConfigError(f"MultiPoseTargets.joint_sigma: {joint_sigma} is not allowed; it must be positive")
        self.keypoints, self.classes = keypoints, list(classes)
        self.stride, self.size = stride, (input_spec.size[0] // stride, input_spec.size[1] // stride)
        self.strides = dict.fromkeys(("hm", "wh", "reg", "hps", "hm_hp", "hp_offset"), stride)
        self.max_objects, self.radius, self.joint_sigma, self.dense = max_objects, radius, joint_sigma, dense
        self.unlabelled, self.rotated_boxes = unlabelled, rotated_boxes
        self._jointless = np.array([not len(keypoints.of(name)) for name in classes], bool)

    def __call__(self, sample: Sample) -> Dict[str, np.ndarray]:
        objects = sample.objects
        boxes_known = sample.view.rotation == 0 or self.rotated_boxes != "ignore"
        ignored = np.zeros(len(objects), bool)
        if self.unlabelled == "ignore":
            ignored = objects.crowd | ~((objects.keypoints[:, :, 2] > 0).any(1) | self._jointless[objects.labels])
        located = locate(sample, np.flatnonzero(~ignored)[: self.max_objects], self.size, self.radius, self.rotated_boxes, boxes_known)
        targets = self._lists(located)
        targets["hm"] = center_heatmap(located, len(self.classes), self.size)
        targets["hm_hp"] = joint_heatmap(located, self.size, self.joint_sigma)
        if self.dense:
            targets["dense_hps"], targets["dense_hps_mask"] = dense_joints(located, len(self.classes), self.size)
        if self.unlabelled == "ignore":
            boxes = map_boxes(objects.boxes[ignored], sample.view, self.size, "rotate")
            targets["hm_weight"], weight = ignoring(boxes, targets["hm"]), ignoring(boxes, targets["hm_hp"])
            never = (objects.keypoints[:, :, 2] < 0).any(0)[:, None, None]
            targets["hm_hp_weight"] = np.where(never, targets["hm_hp"] > 0, weight).astype(np.float32)
        if not boxes_known:
            targets["hm"].fill(_UNKNOWN)
            targets["reg_mask"].fill(0)
            targets["hps_mask"].fill(0)
        return targets

    def perfect_outputs(self, sample: Sample) -> Dict[str, np.ndarray]:
        """See :class:`TargetEncoder`. All annotated objects except crowds are used, without a limit; boxes are not clipped to the map.

        At each pixel, ``wh``, ``reg`` and ``hps`` have the values of the object with the nearest centre, ``hp_offset`` those of the nearest
        joint. So they also fit peaks next to the true ones.
        """
        chosen = np.flatnonzero(~sample.objects.crowd)
        located = locate(sample, chosen, self.size, self.radius)
        rows, (height, width), count = located.rows, self.size, len(self.keypoints)
        corners = transform_points(sample.objects.boxes[chosen[rows]].reshape(-1, 2, 2), sample.view.affine(width, height))
        joints = np.where(located.joint_seen[rows, :, None], located.joints[rows], np.nan)
        values = [corners[:, 1] - corners[:, 0], corners.mean(axis=1) - located.pixels[rows], joints.reshape(-1, 2 * count)]
        wh, reg, places = np.split(of_nearest(np.concatenate(values, axis=1), located.pixels[rows], self.size), (2, 4))
        seen = np.nonzero(located.joint_seen)
        return {
            "hm": center_heatmap(located, len(self.classes), self.size),
            "hm_hp": joint_heatmap(located, self.size, self.joint_sigma),
            "wh": wh,
            "reg": reg,
            "hps": places - np.tile(np.mgrid[:height, :width][::-1], (count, 1, 1)).astype(np.float32),
            "hp_offset": of_nearest(located.joints[seen] - located.joint_pixels[seen], located.joint_pixels[seen], self.size),
        }

    def pictures(self, sample: Sample, targets: Mapping[str, np.ndarray], details: bool = False) -> Dict[str, np.ndarray]:
        """See :class:`TargetEncoder`. ``details`` adds the heatmap of each joint, under the joint's name."""
        from mindpoint_centernet.targets.pictures import joint_pictures, target_pictures  # not needed for training

        shown = target_pictures(sample, targets, self.stride, self.keypoints, self.classes)
        return {**shown, **joint_pictures(sample, targets, self.keypoints)} if details else shown

    def _lists(self, located: Located) -> Dict[str, np.ndarray]:
        """Return the targets with one row per object or joint."""
        slots, joints, width = self.max_objects, len(self.keypoints), self.size[1]
        targets = {
            **box_lists(located, slots, width, located.labelled | self._jointless[located.labels]),
            "hps": np.zeros((slots, joints, 2), np.float32),
            "hps_mask": np.zeros((slots, joints, 2), np.float32),
            "hp_offset": np.zeros((slots, joints, 2), np.float32),
            "hp_ind": np.zeros((slots, joints), np.int32),
            "hp_mask": np.zeros((slots, joints), np.float32),
        }
        seen = np.nonzero(located.joint_seen)
        at = located.joint_pixels[seen]
        targets["hps"][seen] = located.joints[seen] - located.pixels[seen[0]]
        targets["hps_mask"][seen] = 1
        targets["hp_offset"][seen] = located.joints[seen] - at
        targets["hp_ind"][seen] = at[:, 1] * width + at[:, 0]
        targets["hp_mask"][seen] = 1
        shapes = {"hps": (slots, 2 * joints), "hps_mask": (slots, 2 * joints), "hp_offset": (-1, 2), "hp_ind": (-1,), "hp_mask": (-1,)}
        return {name: array.reshape(shapes.get(name, array.shape)) for name, array in targets.items()}
