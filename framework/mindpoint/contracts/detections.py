"""What a decoder finds in one image."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import List, Optional, Sequence

import numpy as np


@dataclass(frozen=True)
class Detections:
    """N objects found in one image, best first; coordinates in pixels of the original image.

    Attributes:
        boxes: ``(N, 4)`` float32: left, top, right, bottom.
        scores: ``(N,)`` float32 in 0..1.
        labels: ``(N,)`` int64, index into the configuration's ``classes``.
        keypoints: ``(N, J, 2)`` float32: x, y.
        keypoint_scores: ``(N, J)`` float32 in 0..1.
        from_heatmap: ``(N, J)`` bool, the joint was taken from the joint heatmap and not from the object's regression.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    keypoints: np.ndarray
    keypoint_scores: np.ndarray
    from_heatmap: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, rows: np.ndarray) -> "Detections":
        """The rows of an index array, slice or mask, in its order."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def to_records(self, classes: Sequence[str], names: Sequence[str]) -> List[dict]:
        """Plain values for JSON, one dictionary an object, with the names of classes and keypoints."""
        return [
            {
                "class": classes[int(self.labels[row])],
                "score": float(self.scores[row]),
                "box": self.boxes[row].tolist(),
                "keypoints": [
                    {"name": name, "x": float(x), "y": float(y), "score": float(score), "from_heatmap": bool(heatmap)}
                    for name, (x, y), score, heatmap in zip(names, self.keypoints[row], self.keypoint_scores[row], self.from_heatmap[row])
                ],
            }
            for row in range(len(self))
        ]

    def to_coco(self, image_id: int, category_ids: Sequence[int], decimals: Optional[int] = None) -> List[dict]:
        """Records of COCO's result format: ``bbox`` is left, top, width, height, ``keypoints`` are x, y, 1 a joint.

        Args:
            category_ids: by label.
            decimals: of all numbers; None: as they are.
        """
        boxes = self.boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        joints = np.concatenate([self.keypoints, np.ones((*self.keypoints.shape[:2], 1))], axis=2)
        joints = joints.reshape(len(self), 3 * joints.shape[1])
        number = float if decimals is None else lambda value: float(f"{value:.{decimals}f}")
        return [
            {
                "image_id": image_id,
                "category_id": category_ids[label],
                "bbox": [number(value) for value in box],
                "score": number(score),
                "keypoints": [number(value) for value in row],
            }
            for label, box, score, row in zip(self.labels.tolist(), boxes.tolist(), self.scores.tolist(), joints.tolist())
        ]

    @staticmethod
    def concatenate(parts: "list[Detections]") -> "Detections":
        """All rows of several detections of the same image. At least one part."""
        return Detections(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Detections)))
