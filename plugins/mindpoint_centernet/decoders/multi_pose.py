"""Maps of the multi-pose heads to people (or whatever has keypoints), by the rules of the official implementation.

Symbols: B images, C classes, J joints, H and W size of the maps, N detections.

Each stage is a function of its own:

    raw maps -> activate -> (average_mirrored) -> decode_maps, one image at a time -> pixels of the image -> (merge of several scales)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, Literal, Mapping, Optional, Sequence

import numpy as np
from mindpoint.contracts.decoder import OnnxDecoder, check_maps
from mindpoint.contracts.fields import Field
from mindpoint.contracts.image import View
from mindpoint.contracts.instances import Detections
from mindpoint.errors import ConfigError
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.nms import oks_nms, soft_nms

from mindpoint_centernet.decoders.multi_pose_onnx import decode_nodes
from mindpoint_centernet.heatmaps import peaks

if TYPE_CHECKING:
    from mindpoint.contracts.onnx_graph import OnnxGraph

Maps = Mapping[str, np.ndarray]


class MultiPoseDecoder(OnnxDecoder):
    """Objects are peaks of the centre heatmap; their joints are regressed and, where a joint heatmap has a peak near by, moved to it.

    The maps ``hm`` (C), ``wh`` (2) and ``hps`` (2J) are needed; ``reg`` (2), ``hm_hp`` (J) and ``hp_offset`` (2) are used if they
    are there.

    Args:
        keypoints: the joints; provided by the run.
        classes: class names; provided by the run.
        top_k: most detections an image and scale, and most candidates a joint.
        joint_threshold: joint heatmap peaks up to this score are not considered.
        distance_factor: a peak counts as near within this share of the box's longer side.
        box_margin: a peak must lie in the box, widened on each side by this share of its width and height.
        joint_activation: what turns ``hm_hp`` into scores; ``none`` for networks trained with squared error on the joint heatmaps.
        suppression: what ``merge`` does with overlapping detections: ``soft`` lowers the scores of overlapping boxes (:func:`soft_nms`),
            ``oks`` removes those whose keypoints are alike (:func:`oks_nms`).
        oks_threshold: object keypoint similarity, 0..1, above which ``oks`` removes the weaker of two.
        nms_sigma: width of the soft suppression in ``merge``; larger suppresses less.
        nms_threshold: ``merge`` drops overlapping detections whose score falls below it.
        stale_tail: ``merge`` returns also the rows that the official implementation fails to remove: copies of good boxes with the
            keypoints of dropped detections. For comparison with its results only.
    """

    def __init__(
        self,
        keypoints: Keypoints,
        classes: Sequence[str],
        top_k: int = 100,
        joint_threshold: float = 0.1,
        distance_factor: float = 0.3,
        box_margin: float = 0.0,
        joint_activation: Literal["sigmoid", "none"] = "sigmoid",
        suppression: Literal["soft", "oks"] = "soft",
        oks_threshold: float = 0.9,
        nms_sigma: float = 0.5,
        nms_threshold: float = 0.001,
        stale_tail: bool = False,
    ) -> None:
        if top_k < 1:
            raise ConfigError(f"MultiPoseDecoder: top_k is {top_k}; it must be at least 1")
        if nms_sigma <= 0:
            raise ConfigError(f"MultiPoseDecoder: nms_sigma is {nms_sigma}; it must be positive")
        if suppression not in ("soft", "oks"):
            raise ConfigError(f"MultiPoseDecoder: suppression is '{suppression}'; it must be 'soft' or 'oks'")
        if not 0 < oks_threshold <= 1:
            raise ConfigError(f"MultiPoseDecoder: oks_threshold is {oks_threshold}; it must be above 0 and at most 1")
        if joint_activation not in ("sigmoid", "none"):
            raise ConfigError(f"MultiPoseDecoder: joint_activation is '{joint_activation}'; it must be 'sigmoid' or 'none'")
        self._keypoints = keypoints
        self.fields = keypoints.found()
        self.needs_maps = {"hm": len(classes), "wh": 2, "hps": 2 * len(keypoints)}
        self.optional_maps = {"reg": 2, "hm_hp": len(keypoints), "hp_offset": 2}
        self._activated = ("hm", "hm_hp") if joint_activation == "sigmoid" else ("hm",)
        self._limits = dict(top_k=top_k, joint_threshold=joint_threshold, distance_factor=distance_factor, box_margin=box_margin)
        self._nms = dict(sigma=nms_sigma, threshold=nms_threshold)
        self._stale_tail = stale_tail
        self._suppression, self._oks_threshold = suppression, oks_threshold

    def __call__(self, maps: Maps, views: Sequence[View], mirrored: Optional[Maps] = None) -> List[Detections]:
        """See :class:`Decoder`. At most ``top_k`` detections an image.

        Raises:
            ConfigError: a needed map is missing or has the wrong number of channels.
        """
        check_maps(self, {name: values.shape[1] for name, values in maps.items()})
        active = activate(maps, self._activated)
        if mirrored is not None:
            active = average_mirrored(active, activate(mirrored, self._activated), self._keypoints.flip_index)
        height, width = maps["hm"].shape[2:]
        found = []
        for row, view in enumerate(views):
            detections = decode_maps({name: values[row] for name, values in active.items()}, self.fields, **self._limits)
            found.append(detections.transform(view.motion_to_image(width, height)))
        return found

    def merge(self, parts: Sequence[Detections]) -> Detections:
        """Return all detections after suppression among those of the same class, best first; how is said by ``suppression``."""
        everything = Detections.concatenate(list(parts))
        groups = [everything.select(everything.labels == label) for label in np.unique(everything.labels)]
        suppress = self._soften if self._suppression == "soft" else self._keep_dissimilar
        merged = Detections.concatenate([suppress(group) for group in groups] or [everything])
        return merged.select(np.argsort(-merged.scores, kind="stable"))

    def onnx_nodes(self, graph: "OnnxGraph", maps: Mapping[str, str], strides: Mapping[str, int]) -> Dict[str, str]:
        """See :class:`OnnxDecoder`."""
        found = decode_nodes(graph, maps, len(self._keypoints), self._activated, **self._limits)
        return {**found, **{name: graph.add("Mul", found[name], float(strides["hm"])) for name in ("boxes", "keypoints")}}

    def to_logits(self, active: Maps) -> Dict[str, np.ndarray]:
        """See :class:`Decoder`. Heatmaps are held at ``1e-7`` from 0 and 1, whose logits are infinite."""
        logits = {}
        for name, values in active.items():
            if name in self._activated:
                inside = np.clip(np.asarray(values, np.float64), 1e-7, 1 - 1e-7)
                values = np.log(inside / (1 - inside))
            logits[name] = np.asarray(values, np.float32)
        return logits

    def mirror(self, maps: Maps) -> Dict[str, np.ndarray]:
        """See :class:`Decoder`."""
        return mirror_maps(maps, self._keypoints.flip_index)

    def heatmaps(self, maps: Maps) -> Dict[str, np.ndarray]:
        """See :class:`Decoder`. The highest score of all classes as ``centres``, of all joints as ``joints``."""
        active = activate({name: maps[name] for name in ("hm", "hm_hp") if name in maps}, self._activated)
        return {{"hm": "centres", "hm_hp": "joints"}[name]: np.clip(values.max(axis=1), 0, 1) for name, values in active.items()}

    def _soften(self, group: Detections) -> Detections:
        rows, joint_rows, scores, live = soft_nms(group.boxes, group.scores, **self._nms)
        count = len(scores) if self._stale_tail else live
        joints = group.select(joint_rows[:count])
        return joints.replace(boxes=group.boxes[rows[:count]], scores=scores[:count])

    def _keep_dissimilar(self, group: Detections) -> Detections:
        return group.select(oks_nms(group.keypoints, group.boxes, group.scores, self._keypoints.sigmas, self._oks_threshold))


def activate(maps: Maps, names: Sequence[str] = ("hm", "hm_hp")) -> Dict[str, np.ndarray]:
    """Return the maps in float32, those named through a sigmoid. It is not clamped: low scores stay apart."""
    active = {name: np.asarray(values, np.float32) for name, values in maps.items()}
    # exp(88) is the last power below float32's largest value; the sigmoid is 1 to 38 digits there.
    return {name: 1 / (1 + np.exp(np.minimum(-v, 88))) if name in names else v for name, v in active.items()}


def average_mirrored(maps: Maps, mirrored: Maps, flip_index: np.ndarray) -> Dict[str, np.ndarray]:
    """Flip test: mean of activated maps ``(B, C, H, W)`` and those of the mirrored images (CenterNet ``detectors/multi_pose.py``).

    The offsets ``reg`` and ``hp_offset`` are those of the original image: a mirrored sub-pixel offset belongs to another pixel.
    """
    back = mirror_maps({name: mirrored[name] for name in ("hm", "wh", "hps", "hm_hp") if name in maps}, flip_index)
    return {name: (values + back[name]) / 2 if name in back else values for name, values in maps.items()}


def mirror_maps(maps: Maps, flip_index: np.ndarray) -> Dict[str, np.ndarray]:
    """Maps ``(B, C, H, W)`` of images to those of the mirrored images: place, the sign of x in ``hps``, left and right joints."""
    mirrored = {name: values[..., ::-1] for name, values in maps.items()}
    if "hps" in mirrored:
        batch, channels, height, width = mirrored["hps"].shape
        joints = mirrored["hps"].reshape(batch, channels // 2, 2, height, width)[:, flip_index]
        mirrored["hps"] = (joints * np.array([-1, 1], np.float32)[:, None, None]).reshape(batch, channels, height, width)
    if "hm_hp" in mirrored:
        mirrored["hm_hp"] = mirrored["hm_hp"][:, flip_index]
    return mirrored


def decode_maps(
    maps: Maps,
    fields: Optional[Sequence[Field]] = None,
    top_k: int = 100,
    joint_threshold: float = 0.1,
    distance_factor: float = 0.3,
    box_margin: float = 0.0,
) -> Detections:
    """Decode one image (CenterNet ``models/decode.py``, ``multi_pose_decode``).

    Args:
        maps: activated maps ``(channels, H, W)`` float32; heatmaps in 0..1, the rest in pixels of the maps.
        fields: those of :meth:`Keypoints.found <mindpoint_coco.keypoints.Keypoints.found>`; joints without names if not given.
        top_k, joint_threshold, distance_factor, box_margin: see :class:`MultiPoseDecoder`.

    Returns:
        At most ``top_k`` detections in pixels of the maps, best first. Of equal scores, the lower class, then the upper row, then
        the left column comes first. No two detections share class and pixel, but two may share a joint's peak.
    """
    joints = maps["hps"].shape[0] // 2
    fields = fields or Keypoints(list(map(str, range(joints)))).found()
    scores, labels, rows, columns = peaks(maps["hm"], top_k, above=0.0)
    pixels = np.stack([columns, rows], axis=1).astype(np.float32)
    half = maps["wh"][:, rows, columns].T / 2
    centers = pixels + _offsets(maps.get("reg"), rows, columns)
    boxes = np.concatenate([centers - half, centers + half], axis=1)
    # Joints are relative to the centre's pixel, not to the centre: the sub-pixel offset is not added.
    regressed = maps["hps"][:, rows, columns].T.reshape(-1, joints, 2) + pixels[:, None]
    joint_scores = np.repeat(scores[:, None], joints, axis=1)
    values = {"keypoints": regressed, "keypoint_scores": joint_scores, "from_heatmap": np.zeros(joint_scores.shape, bool)}
    detections = Detections(boxes, scores, labels, fields, values)
    if "hm_hp" not in maps:
        return detections
    for joint, heat in enumerate(maps["hm_hp"]):
        peak_scores, _, rows, columns = peaks(heat[None], top_k, above=joint_threshold)
        points = np.stack([columns, rows], axis=1).astype(np.float32) + _offsets(maps.get("hp_offset"), rows, columns)
        _take_peaks(detections, joint, points, peak_scores, distance_factor, box_margin)
    return detections


def _offsets(offset: Optional[np.ndarray], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Sub-pixel offsets ``(N, 2)`` at the pixels; the pixel's middle if the network has no such map."""
    return offset[:, rows, columns].T if offset is not None else np.full((len(rows), 2), 0.5, np.float32)


def _take_peaks(
    detections: Detections, joint: int, points: np.ndarray, scores: np.ndarray, distance_factor: float, box_margin: float
) -> None:
    """Move a joint of all detections, in place, to the nearest of the peaks if that lies in the box and near enough."""
    if len(points) == 0 or len(detections) == 0:
        return
    regressed = detections.keypoints[:, joint]
    across = regressed[:, None, 0] - points[None, :, 0]
    down = regressed[:, None, 1] - points[None, :, 1]
    distances = np.sqrt(across * across + down * down)
    nearest = distances.argmin(axis=1)
    first, last = detections.boxes[:, :2], detections.boxes[:, 2:]
    sides = last - first
    margin = box_margin * sides
    candidates = points[nearest]
    inside = ((candidates >= first - margin) & (candidates <= last + margin)).all(axis=1)
    near = distances[np.arange(len(nearest)), nearest] <= distance_factor * sides.max(axis=1)
    taken = np.flatnonzero(inside & near)
    detections.keypoints[taken, joint] = candidates[taken]
    detections.keypoint_scores[taken, joint] = scores[nearest[taken]]
    detections.from_heatmap[taken, joint] = True
