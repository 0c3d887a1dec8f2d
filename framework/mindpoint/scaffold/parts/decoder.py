"""Decoding of the head's maps to detections."""

from typing import Dict, List, Mapping, Optional, Sequence

import numpy as np

from mindpoint.contracts.decoder import Decoder
from mindpoint.contracts.image import View
from mindpoint.contracts.instances import Detections

Maps = Mapping[str, np.ndarray]


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Return ``1 / (1 + exp(-x))`` without an overflow."""
    return 0.5 * (1 + np.tanh(0.5 * values))


def suppressed(found: Detections, overlap: float) -> Detections:
    """Drop detections that overlap a better one of the same class by more than ``overlap`` (intersection over union)."""
    left, kept = found.select(np.argsort(-found.scores, kind="stable")), []
    while len(left):
        best = left.select(slice(0, 1))
        kept.append(best)
        sides = np.minimum(left.boxes[:, 2:], best.boxes[:, 2:]) - np.maximum(left.boxes[:, :2], best.boxes[:, :2])
        shared = np.prod(np.maximum(sides, 0), axis=1)
        areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (left.boxes, best.boxes)]
        rival = (shared > overlap * (areas[0] + areas[1] - shared)) & (left.labels == best.labels)
        rival[0] = True
        left = left.select(~rival)
    return Detections.concatenate(kept) if kept else found


class AcmeDecoder(Decoder):
    """A decoder that returns the best cells, without those that overlap a better one.

    Args:
        top_k: number of best cells to consider.
        overlap: intersection over union above which the weaker one is dropped.
    """

    def __init__(self, classes: List[str], top_k: int = 100, overlap: float = 0.5) -> None:
        self.top_k, self.overlap = top_k, overlap
        self.needs_maps = {"cls": len(classes), "sides": 4}

    def __call__(self, maps: Maps, views: Sequence[View], mirrored: Optional[Maps] = None) -> List[Detections]:
        scores, sides = sigmoid(maps["cls"]), maps["sides"]
        if mirrored is not None:
            back = self.mirror(mirrored)
            scores, sides = (scores + sigmoid(back["cls"])) / 2, (sides + back["sides"]) / 2
        return [self._decode(*one) for one in zip(scores, sides, views)]

    def _decode(self, scores: np.ndarray, sides: np.ndarray, view: View) -> Detections:
        best = np.argsort(-scores.reshape(-1), kind="stable")[: self.top_k]
        labels, rows, columns = np.unravel_index(best, scores.shape)
        left, top, right, bottom = sides[:, rows, columns]
        x, y = columns + 0.5, rows + 0.5
        boxes = np.stack([x - left, y - top, x + right, y + bottom], axis=1).astype(np.float32)
        sound = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        found = Detections(boxes[sound], scores.reshape(-1)[best][sound], labels[sound])
        height, width = scores.shape[1:]
        return suppressed(found.transform(view.motion_to_image(width, height)), self.overlap)

    def to_logits(self, active: Maps) -> Dict[str, np.ndarray]:
        logits = dict(active)
        if "cls" in logits:
            inside = np.clip(logits["cls"], 1e-4, 1 - 1e-4)
            logits["cls"] = np.log(inside / (1 - inside))
        return logits

    def mirror(self, maps: Maps) -> Dict[str, np.ndarray]:
        back = {name: values[..., ::-1] for name, values in maps.items()}
        if "sides" in back:
            back["sides"] = back["sides"][:, [2, 1, 0, 3]]
        return back

    def heatmaps(self, maps: Maps) -> Dict[str, np.ndarray]:
        return {"objects": sigmoid(maps["cls"].max(axis=1))}

    def merge(self, parts: Sequence[Detections]) -> Detections:
        return suppressed(Detections.concatenate(list(parts)), self.overlap)
