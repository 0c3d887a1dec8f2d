"""Decoding of the multi-pose heads' maps to people (or other objects with keypoints), by the rules of the official implementation.

Symbols: B images, C classes, J joints, H and W size of the maps, N detections.

Each stage is a function:

    raw maps -> activate -> (average_mirrored) -> decode_maps, one image at a time -> pixels of the image -> (merge of several scales)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Literal, Mapping, Optional, Sequence

import numpy as np
from mindpoint.contracts.fields import Field
from mindpoint.contracts.instances import Detections
from mindpoint.errors import ConfigError
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.nms import oks_nms

from mindpoint_centernet.decoders.centers import TINY, CenterDecoder, Maps, decode_centers, offsets
from mindpoint_centernet.decoders.multi_pose_onnx import decode_nodes
from mindpoint_centernet.heatmaps import peaks

if TYPE_CHECKING:
    from mindpoint.contracts.onnx_graph import OnnxGraph
    from mindspore import nn


class MultiPoseDecoder(CenterDecoder):
    """A decoder of poses: objects are peaks of the centre heatmap. Their joints are regressed and moved to a nearby peak of the joint
    heatmap. Joints that an object's class lacks are NaN, with score 0.

    The maps ``hm`` (C), ``wh`` (2) and ``hps`` (2J) are needed; ``reg`` (2), ``hm_hp`` (J) and ``hp_offset`` (2) are optional.

    Args:
        keypoints: the joints; provided by the run.
        classes: class names; provided by the run.
        top_k: maximum number of detections per image and scale, and of candidates per joint.
        joint_threshold: joint heatmap peaks up to this score are ignored.
        joint_choice: the peak that a joint moves to. ``nearest`` (official): the nearest one, if it is in the box and near enough.
            ``likely``: of those in the box, the one with the largest product of its score and a normal density around the regressed
            joint; better where regression is weaker than the heatmaps.
        distance_factor: with ``nearest``, largest distance to a peak; with ``likely``, standard deviation of the density; as a share of
            the box's longer side.
        box_margin: a peak must lie in the box, widened on each side by this share of its width and height.
        joint_activation: activation that turns ``hm_hp`` into scores; ``none`` for networks trained with squared error on the joint
            heatmaps.
        suppression: treatment of overlapping detections in ``merge``: ``soft`` lowers the scores of overlapping boxes (:func:`soft_nms`),
            ``oks`` removes those with similar keypoints (:func:`oks_nms`).
        oks_threshold: object keypoint similarity, 0..1, above which ``oks`` removes the weaker of two detections.
        nms_sigma: width of the soft suppression in ``merge``; larger values suppress less.
        nms_threshold: ``merge`` drops overlapping detections whose score falls below it.
        stale_tail: keep the rows that the official implementation fails to remove in ``merge``: copies of good boxes with the
            keypoints of dropped detections. Only for comparison with its results.
    """

    def __init__(
        self,
        keypoints: Keypoints,
        classes: Sequence[str],
        top_k: int = 100,
        joint_threshold: float = 0.1,
        joint_choice: Literal["nearest", "likely"] = "nearest",
        distance_factor: float = 0.3,
        box_margin: float = 0.0,
        joint_activation: Literal["sigmoid", "none"] = "sigmoid",
        suppression: Literal["soft", "oks"] = "soft",
        oks_threshold: float = 0.9,
        nms_sigma: float = 0.5,
        nms_threshold: float = 0.001,
        stale_tail: bool = False,
    ) -> None:
        activated = ("hm", "hm_hp") if joint_activation == "sigmoid" else ("hm",)
        super().__init__(top_k, nms_sigma, nms_threshold, stale_tail, activated, keypoints.flip_index)
        if suppression not in ("soft", "oks"):
            raise ConfigError(f"MultiPoseDecoder: suppression is '{suppression}'; it must be 'soft' or 'oks'")
        if not 0 < oks_threshold <= 1:
            raise ConfigError(f"MultiPoseDecoder: oks_threshold is {oks_threshold}; it must be above 0 and at most 1")
        if joint_choice not in ("nearest", "likely"):
            raise ConfigError(f"MultiPoseDecoder: joint_choice is '{joint_choice}'; it must be 'nearest' or 'likely'")
        if joint_activation not in ("sigmoid", "none"):
            raise ConfigError(f"MultiPoseDecoder: joint_activation is '{joint_activation}'; it must be 'sigmoid' or 'none'")
        self._keypoints, self._classes = keypoints, list(classes)
        self.fields = keypoints.found(classes)
        self.needs_maps = {"hm": len(classes), "wh": 2, "hps": 2 * len(keypoints)}
        self.optional_maps = {"reg": 2, "hm_hp": len(keypoints), "hp_offset": 2}
        self._limits = dict(top_k=top_k, joint_threshold=joint_threshold, distance_factor=distance_factor, box_margin=box_margin)
        self._limits["likely"] = joint_choice == "likely"
        self._suppression, self._oks_threshold = suppression, oks_threshold

    def decode(self, maps: Dict[str, np.ndarray]) -> Detections:
        """See :func:`decode_maps`."""
        return decode_maps(maps, self.fields, **self._limits)

    def suppress(self, group: Detections) -> Detections:
        """Apply ``suppression`` to overlapping detections of one class at several scales."""
        if self._suppression == "soft":
            return super().suppress(group)
        label = int(group.labels[0])
        own, sigmas = self.fields[0].set_of(label).places, self._keypoints.of(self._classes[label]).sigmas
        if not len(own):
            return super().suppress(group)
        return group.select(oks_nms(group.keypoints[:, list(own)], group.boxes, group.scores, sigmas, self._oks_threshold))

    def onnx_nodes(self, graph: "OnnxGraph", maps: Mapping[str, str], strides: Mapping[str, int]) -> Dict[str, str]:
        """See :class:`OnnxDecoder`."""
        found = decode_nodes(graph, maps, len(self._keypoints), self._activated, owned=self.fields[0].owned, **self._limits)
        return {**found, **{name: graph.add("Mul", found[name], float(strides["hm"])) for name in ("boxes", "keypoints")}}

    def cell(self, maps: Sequence[str], strides: Mapping[str, int]) -> "nn.Cell":
        """See :class:`MindSporeDecoder`."""
        from mindpoint_centernet.decoders.multi_pose_cell import MultiPoseCell

        joints, owned = len(self._keypoints), self.fields[0].owned
        return MultiPoseCell(maps, self._activated, stride=strides["hm"], joints=joints, owned=owned, **self._limits)


def decode_maps(
    maps: Maps,
    fields: Optional[Sequence[Field]] = None,
    top_k: int = 100,
    joint_threshold: float = 0.1,
    distance_factor: float = 0.3,
    box_margin: float = 0.0,
    likely: bool = False,
) -> Detections:
    """Decode one image (CenterNet ``models/decode.py``, ``multi_pose_decode``).

    Args:
        maps: activated maps ``(channels, H, W)`` float32; heatmaps in 0..1, the rest in pixels of the maps.
        fields: the result of :meth:`Keypoints.found <mindpoint_coco.keypoints.Keypoints.found>`; by default joints without names.
        top_k, joint_threshold, distance_factor, box_margin: see :class:`MultiPoseDecoder`.
        likely: choose joints' peaks as ``joint_choice: likely`` does.

    Returns:
        At most ``top_k`` detections in pixels of the maps, best first. Among equal scores, the lower class comes first, then the upper row,
        then the left column. No two detections share class and pixel, but two may share a joint's peak.
    """
    joints = maps["hps"].shape[0] // 2
    fields = fields or Keypoints(list(map(str, range(joints)))).found()
    boxes, scores, labels, pixels, rows, columns = decode_centers(maps, top_k)
    # Joints are relative to the centre's pixel, not to the centre: the sub-pixel offset is not added.
    regressed = maps["hps"][:, rows, columns].T.reshape(-1, joints, 2) + pixels[:, None]
    joint_scores = np.repeat(scores[:, None], joints, axis=1)
    values = {"keypoints": regressed, "keypoint_scores": joint_scores, "from_heatmap": np.zeros(joint_scores.shape, bool)}
    detections = Detections(boxes, scores, labels, fields, values)
    for joint, heat in enumerate(maps.get("hm_hp", ())):
        peak_scores, _, rows, columns = peaks(heat[None], top_k, above=joint_threshold)
        points = np.stack([columns, rows], axis=1).astype(np.float32) + offsets(maps.get("hp_offset"), rows, columns)
        _take_peaks(detections, joint, points, peak_scores, distance_factor, box_margin, likely)
    if fields[0].sets is not None:
        absent = ~fields[0].owned[detections.labels]
        for name, value in (("keypoints", np.nan), ("keypoint_scores", 0), ("from_heatmap", False)):
            detections.values[name][absent] = value
    return detections


def _take_peaks(
    detections: Detections, joint: int, points: np.ndarray, scores: np.ndarray, distance_factor: float, box_margin: float, likely: bool
) -> None:
    """Move a joint of all detections, in place, to the chosen peak if there is one."""
    if len(points) == 0 or len(detections) == 0:
        return
    regressed = detections.keypoints[:, joint]
    across = regressed[:, None, 0] - points[None, :, 0]
    down = regressed[:, None, 1] - points[None, :, 1]
    distances = np.sqrt(across * across + down * down)
    first, last = detections.boxes[:, :2], detections.boxes[:, 2:]
    sides = last - first
    low, high = first - box_margin * sides, last + box_margin * sides
    reach = distance_factor * sides.max(axis=1, keepdims=True)
    x, y = points.T
    inside = (x >= low[:, :1]) & (x <= high[:, :1]) & (y >= low[:, 1:]) & (y <= high[:, 1:])
    if likely:
        costs = np.where(inside, (distances / np.maximum(reach, TINY)) ** 2 / 2 - np.log(np.maximum(scores, TINY)), np.inf)
    else:
        costs, inside = distances, inside & (distances <= reach)
    chosen = costs.argmin(axis=1)
    taken = np.flatnonzero(inside[np.arange(len(chosen)), chosen])
    detections.keypoints[taken, joint] = points[chosen[taken]]
    detections.keypoint_scores[taken, joint] = scores[chosen[taken]]
    detections.from_heatmap[taken, joint] = True
