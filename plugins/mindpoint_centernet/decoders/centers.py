"""The base class of CenterNet's decoders: objects are peaks of the centre heatmap, with a box around each."""

from __future__ import annotations

from abc import abstractmethod
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from mindpoint.contracts.decoder import MindSporeDecoder, OnnxDecoder, check_maps
from mindpoint.contracts.image import View
from mindpoint.contracts.instances import Detections
from mindpoint.errors import ConfigError
from mindpoint_coco.nms import soft_nms

from mindpoint_centernet.heatmaps import peaks

Maps = Mapping[str, np.ndarray]
NO_JOINTS = np.zeros(0, np.int64)
FAR = 1e30  # distance or cost of an excluded candidate
TINY = 1e-6  # keeps quotients and logarithms finite


class CenterDecoder(OnnxDecoder, MindSporeDecoder):
    """A decoder from the maps of CenterNet's heads to detections.

    Args:
        top_k: maximum number of detections per image and scale.
        nms_sigma, nms_threshold: see :func:`~mindpoint_coco.nms.soft_nms`.
        stale_tail: keep the rows that the official implementation fails to remove in ``merge``.
        activated: names of the maps that a sigmoid turns into scores.
        flip_index: index of the mirrored joint for each joint.
    """

    def __init__(
        self,
        top_k: int,
        nms_sigma: float,
        nms_threshold: float,
        stale_tail: bool,
        activated: Tuple[str, ...] = ("hm",),
        flip_index: np.ndarray = NO_JOINTS,
    ) -> None:
        name = type(self).__name__
        if top_k < 1:
            raise ConfigError(f"{name}: top_k is {top_k}; it must be at least 1")
        if nms_sigma <= 0:
            raise ConfigError(f"{name}: nms_sigma is {nms_sigma}; it must be positive")
        self._top_k, self._stale_tail = top_k, stale_tail
        self._nms = dict(sigma=nms_sigma, threshold=nms_threshold)
        self._activated, self._flip_index = activated, flip_index

    @abstractmethod
    def decode(self, maps: Dict[str, np.ndarray]) -> Detections:
        """Decode the activated maps ``(channels, H, W)`` of one image; detections are in pixels of the maps, best first."""

    def suppress(self, group: Detections) -> Detections:
        """Suppress overlapping detections of one class at several scales by soft non-maximum suppression."""
        rows, joint_rows, scores, live = soft_nms(group.boxes, group.scores, **self._nms)
        count = len(scores) if self._stale_tail else live
        others = group.select(joint_rows[:count])
        return others.replace(boxes=group.boxes[rows[:count]], scores=scores[:count])

    def __call__(self, maps: Maps, views: Sequence[View], mirrored: Optional[Maps] = None) -> List[Detections]:
        """See :class:`Decoder`. At most ``top_k`` detections per image.

        Raises:
            ConfigError: a needed map is missing or has the wrong number of channels.
        """
        check_maps(self, {name: values.shape[1] for name, values in maps.items()})
        active = activate(maps, self._activated)
        if mirrored is not None:
            active = average_mirrored(active, activate(mirrored, self._activated), self._flip_index)
        height, width = maps["hm"].shape[2:]
        found = []
        for row, view in enumerate(views):
            detections = self.decode({name: values[row] for name, values in active.items()})
            found.append(detections.transform(view.motion_to_image(width, height)))
        return found

    def merge(self, parts: Sequence[Detections]) -> Detections:
        """Suppress overlapping detections within each class and return all that remain, best first."""
        everything = Detections.concatenate(list(parts))
        groups = [everything.select(everything.labels == label) for label in np.unique(everything.labels)]
        merged = Detections.concatenate([self.suppress(group) for group in groups] or [everything])
        return merged.select(np.argsort(-merged.scores, kind="stable"))

    def to_logits(self, active: Maps) -> Dict[str, np.ndarray]:
        """See :class:`Decoder`. Heatmaps are clipped to ``1e-7 .. 1 - 1e-7``, so that logits stay finite."""
        logits = {}
        for name, values in active.items():
            if name in self._activated:
                inside = np.clip(np.asarray(values, np.float64), 1e-7, 1 - 1e-7)
                values = np.log(inside / (1 - inside))
            logits[name] = np.asarray(values, np.float32)
        return logits

    def mirror(self, maps: Maps) -> Dict[str, np.ndarray]:
        """See :class:`Decoder`."""
        return mirror_maps(maps, self._flip_index)

    def heatmaps(self, maps: Maps) -> Dict[str, np.ndarray]:
        """See :class:`Decoder`. ``centres`` is the highest score of all classes, ``joints`` that of all joints."""
        active = activate({name: maps[name] for name in ("hm", "hm_hp") if name in maps}, self._activated)
        return {{"hm": "centres", "hm_hp": "joints"}[name]: np.clip(values.max(axis=1), 0, 1) for name, values in active.items()}


class Centers(NamedTuple):
    """Objects of one image, best first.

    Attributes:
        boxes: ``(N, 4)`` left, top, right, bottom in pixels of the maps.
        scores: ``(N,)`` in 0..1. labels: ``(N,)`` class indices.
        pixels: ``(N, 2)`` float32 x, y of the pixel of each centre.
        rows, columns: ``(N,)`` row and column of that pixel.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    pixels: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


def decode_centers(maps: Maps, top_k: int) -> Centers:
    """Return at most ``top_k`` peaks of the centre heatmap with their boxes (CenterNet ``models/decode.py``).

    Among equal scores, the lower class comes first, then the upper row, then the left column. No two peaks share class and pixel.

    Args:
        maps: activated maps ``(channels, H, W)`` float32; ``wh`` has two channels, or two per class. Scores above 1 are clipped to 1 in the
            result.
    """
    scores, labels, rows, columns = peaks(maps["hm"], top_k, above=0.0)
    pixels = np.stack([columns, rows], axis=1).astype(np.float32)
    sizes = maps["wh"][:, rows, columns].T
    if sizes.shape[1] > 2:
        sizes = np.take_along_axis(sizes.reshape(len(sizes), -1, 2), labels[:, None, None], axis=1)[:, 0]
    half = sizes / 2
    centers = pixels + offsets(maps.get("reg"), rows, columns)
    boxes = np.concatenate([centers - half, centers + half], axis=1)
    return Centers(boxes, np.minimum(scores, np.float32(1)), labels, pixels, rows, columns)


def offsets(offset: Optional[np.ndarray], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return sub-pixel offsets ``(N, 2)`` at the pixels; without the map, the offset of a pixel's centre."""
    return offset[:, rows, columns].T if offset is not None else np.full((len(rows), 2), 0.5, np.float32)


def activate(maps: Maps, names: Sequence[str] = ("hm", "hm_hp")) -> Dict[str, np.ndarray]:
    """Return the maps in float32, with an unclamped sigmoid applied to the named ones, so that low scores stay distinct."""
    active = {name: np.asarray(values, np.float32) for name, values in maps.items()}
    # exp(88) is just below float32's largest value; there the sigmoid is 0 to 38 digits.
    return {name: 1 / (1 + np.exp(np.minimum(-v, 88))) if name in names else v for name, v in active.items()}


def average_mirrored(maps: Maps, mirrored: Maps, flip_index: np.ndarray) -> Dict[str, np.ndarray]:
    """Return the mean of activated maps ``(B, C, H, W)`` and those of the mirrored images (flip test, CenterNet
    ``detectors/multi_pose.py``).

    The offsets ``reg`` and ``hp_offset`` are taken from the original image, since a mirrored sub-pixel offset belongs to another pixel.
    """
    back = mirror_maps({name: mirrored[name] for name in ("hm", "wh", "hps", "hm_hp") if name in maps}, flip_index)
    return {name: (values + back[name]) / 2 if name in back else values for name, values in maps.items()}


def mirror_maps(maps: Maps, flip_index: np.ndarray) -> Dict[str, np.ndarray]:
    """Convert maps ``(B, C, H, W)`` of images to those of the mirrored images: positions, sign of x in ``hps``, left and right joints."""
    mirrored = {name: values[..., ::-1] for name, values in maps.items()}
    if "hps" in mirrored:
        batch, channels, height, width = mirrored["hps"].shape
        joints = mirrored["hps"].reshape(batch, channels // 2, 2, height, width)[:, flip_index]
        mirrored["hps"] = (joints * np.array([-1, 1], np.float32)[:, None, None]).reshape(batch, channels, height, width)
    if "hm_hp" in mirrored:
        mirrored["hm_hp"] = mirrored["hm_hp"][:, flip_index]
    return mirrored
