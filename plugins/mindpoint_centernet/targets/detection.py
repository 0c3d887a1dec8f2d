"""Training targets of the detection heads: maps and lists from objects with boxes."""

from __future__ import annotations

from typing import Dict, List, Literal, Mapping, Optional

import numpy as np
from mindpoint.contracts.data import TargetEncoder
from mindpoint.contracts.image import InputSpec, Sample, transform_points
from mindpoint.errors import ConfigError

from mindpoint_centernet.heatmaps import RadiusRule
from mindpoint_centernet.targets.located import box_lists, check_choice, check_encoder, locate, map_boxes
from mindpoint_centernet.targets.maps import center_heatmap, dense_sizes, ignoring, of_nearest

Crowds = Literal["ignore", "objects"]
DenseSizes = Literal["whole", "official"]


class DetectionTargets(TargetEncoder):
    """CenterNet's detection targets. M is ``max_objects``, C the number of classes, ``(H, W)`` the output map's size.

    ================= ============ ===================================================================================
    ``hm``            (C, H, W)    peaks at box centres, 0..1, exactly 1 at the centre's pixel
    ``wh``            (M, 2)       width, height of the box in map pixels; with ``class_sizes`` (M, 2C), in the class's columns
    ``reg``           (M, 2)       unless ``reg: false``: centre minus its pixel
    ``ind``           (M,) int32   the centre's pixel, ``y W + x``
    ``reg_mask``      (M,)         1 where ``wh`` and ``reg`` count
    ``wh_mask``       (M, 2C)      with ``class_sizes``: 1 where ``wh`` counts
    ``dense_wh``      (2, H, W)    with ``dense_sizes``, instead of ``wh``: width, height of the object with the highest peak there
    ``dense_wh_mask`` (2, H, W)    with ``dense_sizes``: weight of ``dense_wh``, the highest peak of all classes, 0..1
    ``hm_weight``     (1, H, W)    with ``crowds: ignore``: 0 where ``hm`` must not train, else 1
    ================= ============ ===================================================================================

    All targets but ``ind`` are float32. Boxes are clipped to the map; only the first M objects are used. In a rotated view, a box becomes
    the axis-aligned box around its rotated inscribed ellipse.

    Args:
        stride: input pixels per map pixel.
        max_objects: M.
        radius: rule for the peaks' radius, see :func:`~mindpoint_centernet.heatmaps.gaussian_radius`.
        crowds: ``ignore``: crowd boxes take no slot, and the heatmap is not trained inside them, except on the peaks of the other objects.
            ``objects`` (official): crowds are treated like other objects.
        class_sizes: encode sizes per class.
        dense_sizes: encode sizes at every pixel of the peaks instead of only at centres. ``whole``: at all of these pixels. ``official``:
            for comparison with the official implementation, whose rounding leaves about half of these pixels at 0 or at another object's
            size.
        center_sigma: fixed standard deviation of the peaks in map pixels, for a mean-squared-error loss (4 suits an input of 512 pixels, 3
            one of 384); the peaks end at three standard deviations. ``None``: from the box.
        reg: encode the centre's sub-pixel offset; it must match the heads.

    Raises:
        ConfigError: a value is out of range, the input size is not a multiple of ``stride``, or ``class_sizes`` and ``dense_sizes`` are
            both set.
    """

    def __init__(
        self,
        classes: List[str],
        input_spec: InputSpec,
        stride: int = 4,
        max_objects: int = 128,
        radius: RadiusRule = "official",
        crowds: Crowds = "ignore",
        class_sizes: bool = False,
        dense_sizes: Optional[DenseSizes] = None,
        center_sigma: Optional[float] = None,
        reg: bool = True,
    ) -> None:
        check_choice("DetectionTargets.radius", radius, RadiusRule)
        check_choice("DetectionTargets.crowds", crowds, Crowds)
        if dense_sizes is not None:
            check_choice("DetectionTargets.dense_sizes", dense_sizes, DenseSizes)
        check_encoder("DetectionTargets", stride, max_objects, input_spec)
        if class_sizes and dense_sizes:
            raise ConfigError("DetectionTargets: set only one of class_sizes (sizes per class) and dense_sizes (sizes at every pixel)")
        if center_sigma is not None and not center_sigma > 0:
            raise ConfigError(f"DetectionTargets.center_sigma: {center_sigma} is not allowed; it must be positive")
        self.classes, self.stride = list(classes), stride
        self.size = (input_spec.size[0] // stride, input_spec.size[1] // stride)
        self.strides = dict.fromkeys(("hm", "wh", "reg") if reg else ("hm", "wh"), stride)
        self.max_objects, self.radius, self.crowds = max_objects, radius, crowds
        self.class_sizes, self.dense_sizes, self.center_sigma, self.reg = class_sizes, dense_sizes, center_sigma, reg

    def __call__(self, sample: Sample) -> Dict[str, np.ndarray]:
        objects = sample.objects
        ignored = objects.crowd if self.crowds == "ignore" else np.zeros(len(objects), bool)
        located = locate(
            sample, np.flatnonzero(~ignored)[: self.max_objects], self.size, self.radius, "ellipse" if sample.view.rotation else "ignore"
        )
        targets = box_lists(located, self.max_objects, self.size[1], np.ones(len(located.boxes)))
        targets["hm"] = center_heatmap(located, len(self.classes), self.size, self.center_sigma)
        if not self.reg:
            del targets["reg"]
        if self.dense_sizes:
            del targets["wh"]
            targets["dense_wh"] = dense_sizes(located, self.size, self.center_sigma, self.dense_sizes == "official")
            targets["dense_wh_mask"] = np.repeat(targets["hm"].max(axis=0, keepdims=True), 2, axis=0)
        if self.class_sizes:
            targets.update(self._by_class(targets["wh"], located.rows, located.labels))
        if self.crowds == "ignore":
            targets["hm_weight"] = ignoring(map_boxes(objects.boxes[ignored], sample.view, self.size, "rotate"), targets["hm"])
        return targets

    def perfect_outputs(self, sample: Sample) -> Dict[str, np.ndarray]:
        """See :class:`TargetEncoder`. All annotated objects except crowds are used, without a limit; boxes are not clipped to the map.

        At each pixel, ``wh`` and ``reg`` have the values of the object with the nearest centre.
        """
        chosen = np.flatnonzero(~sample.objects.crowd)
        located = locate(sample, chosen, self.size, self.radius)
        rows, (height, width) = located.rows, self.size
        corners = transform_points(sample.objects.boxes[chosen[rows]].reshape(-1, 2, 2), sample.view.affine(width, height))
        values = [corners[:, 1] - corners[:, 0], corners.mean(axis=1) - located.pixels[rows]]
        wh, reg = np.split(of_nearest(np.concatenate(values, axis=1), located.pixels[rows], self.size), 2)
        if self.class_sizes:
            wh = np.tile(wh, (len(self.classes), 1, 1))
        maps = {"hm": center_heatmap(located, len(self.classes), self.size, self.center_sigma), "wh": wh, "reg": reg}
        return {name: maps[name] for name in self.strides}

    def pictures(self, sample: Sample, targets: Mapping[str, np.ndarray], details: bool = False) -> Dict[str, np.ndarray]:
        """See :class:`TargetEncoder`."""
        from mindpoint_centernet.targets.pictures import center_pictures  # not needed for training

        return center_pictures(sample, targets, self.stride, self.classes)

    def _by_class(self, wh: np.ndarray, rows: np.ndarray, labels: np.ndarray) -> Dict[str, np.ndarray]:
        """Return sizes in the columns of each slot's class, and the mask of these columns."""
        mask = np.zeros((self.max_objects, len(self.classes), 2), np.float32)
        mask[rows, labels[rows]] = 1
        return {"wh": (mask * wh[:, None]).reshape(len(wh), -1), "wh_mask": mask.reshape(len(wh), -1)}
