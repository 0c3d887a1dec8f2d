"""Detections of a whole data set and their quality."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Tuple

from mindpoint.contracts.data import Dataset, Metric
from mindpoint.contracts.detections import Detections
from mindpoint.engine.files import write_text
from mindpoint.engine.detector import Detector


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation.

    Attributes:
        data: what was evaluated on, in words.
        statistics: by name, e.g. ``keypoints/AP``; NaN where undefined.
        detections: by image id.
        results: the same as COCO result records.
        table: the statistics as text, and below what may be wrong.
    """

    data: str
    statistics: Dict[str, float]
    detections: Dict[int, Detections]
    results: List[dict]
    table: str


Track = Callable[[Iterable, int], Iterable]


def detect_all(detector: Detector, dataset: Dataset, track: Track) -> Dict[int, Detections]:
    """Detections of every image by id. ``track(iterable, total)`` shows the progress over images."""
    found: Dict[int, Detections] = {}
    waiting: List[Tuple[int, object]] = []
    size = detector.settings.batch_size
    for index in track(range(len(dataset)), len(dataset)):
        sample = dataset[index]
        waiting.append((sample.image_id, sample.image))
        if len(waiting) == size or index == len(dataset) - 1:
            for (image_id, _), detections in zip(waiting, detector([image for _, image in waiting])):
                found[image_id] = detections
            waiting = []
    return found


def evaluate(detector: Detector, dataset: Dataset, metric: Metric, track: Track) -> Evaluation:
    """Detect in every image of a data set and compare with its ground truth."""
    detections = detect_all(detector, dataset, track)
    truth = dataset.ground_truth()
    results = metric.results(detections, truth)
    statistics = metric.evaluate(truth, results, list(detections))
    table = "\n".join([str(dataset), metric.table(statistics), *metric.diagnose(truth, results, list(detections))])
    return Evaluation(str(dataset), statistics, detections, results, table)


def save_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write ``statistics.json`` and ``results.json``.

    The first holds ``data``, what was evaluated on, and ``statistics``, undefined ones null; the second has COCO's result format.
    """
    statistics = {name: value if math.isfinite(value) else None for name, value in evaluation.statistics.items()}
    write_text(folder / "statistics.json", json.dumps({"data": evaluation.data, "statistics": statistics}, indent=2) + "\n")
    write_text(folder / "results.json", json.dumps(evaluation.results))
