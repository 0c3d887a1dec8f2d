"""A metric: the share of detected objects, and of correct detections."""

from typing import Dict, List, Mapping, Optional, Sequence

from mindpoint.contracts.instances import Detections
from mindpoint.contracts.metric import Metric
from mindpoint.contracts.records import to_coco


class AcmeMetric(Metric):
    """``recall`` and ``precision`` of detections above a score. A detection is correct if it overlaps an object of its class that no better
    detection has matched.

    Args:
        score: least score of a detection that counts.
        overlap: smallest intersection over union.
    """

    statistics = ("recall", "precision")
    main = "recall"

    def __init__(self, classes: List[str], score: float = 0.3, overlap: float = 0.5) -> None:
        self.classes, self.score, self.overlap = classes, score, overlap

    def results(self, detections: Mapping[int, Detections], ground_truth: Optional[dict] = None) -> List[dict]:
        numbers = {name: label + 1 for label, name in enumerate(self.classes)}
        if ground_truth is not None:
            numbers = {record["name"]: record["id"] for record in ground_truth["categories"]}
        ids = [numbers[name] for name in self.classes]
        return [record for image_id, found in detections.items() for record in to_coco(found, image_id, ids)]

    def evaluate(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> Dict[str, float]:
        wanted = set(image_ids)
        left = [record for record in ground_truth["annotations"] if record["image_id"] in wanted and not record["iscrowd"]]
        objects = len(left)
        found = [record for record in results if record["image_id"] in wanted and record["score"] >= self.score]
        for record in sorted(found, key=lambda record: -record["score"]):
            rivals = [other for other in left if _same(record, other) and overlap(record["bbox"], other["bbox"]) >= self.overlap]
            if rivals:
                left.remove(max(rivals, key=lambda other: overlap(record["bbox"], other["bbox"])))
        right = objects - len(left)
        return {"recall": _share(right, objects), "precision": _share(right, len(found))}


def overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the intersection over union of two boxes: left, top, width, height."""
    shared = 1.0
    for axis in (0, 1):
        end = min(first[axis] + first[axis + 2], second[axis] + second[axis + 2])
        shared *= max(0.0, end - max(first[axis], second[axis]))
    return shared / max(first[2] * first[3] + second[2] * second[3] - shared, 1e-9)


def _same(first: dict, second: dict) -> bool:
    return first["image_id"] == second["image_id"] and first["category_id"] == second["category_id"]


def _share(count: int, total: int) -> float:
    return count / total if total else float("nan")
