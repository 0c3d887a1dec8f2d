"""The images of a report: pixels, objects and heatmaps, as values for JSON."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

import cv2
import numpy as np

from mindpoint.contracts.analysis import Analysis, Finding, ImageFindings
from mindpoint.contracts.data import Dataset
from mindpoint.contracts.fields import Angles, Field, Points
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.visualizer import Visualizer
from mindpoint.errors import DataError
from mindpoint.inference.detector import Detector
from mindpoint.visual.draw import as_uint8
from mindpoint.visual.html import image_uri

SIDE = 560  # maximum length of the longer side in pixels
LIKELY = 0.3  # smallest score of a shown result, unless the metric gives one
_HEAT_SIDE = 140
_QUALITY = 78
_HEAT_COLOR = (0, 60, 255)  # blue, green, red
_FAINTEST = 0.1  # output of an untrained network

Track = Callable[[Iterable, int], Iterable]


@dataclass(frozen=True)
class Layers:
    """Optional layers that a gallery draws over its images, or shows instead of them.

    Attributes:
        detector: computes the heatmaps; None: no heatmaps.
        visualizer: draws annotated and detected objects; None: only the page draws them.
        detections: detections by image id, for the visualizer.
    """

    detector: Optional[Detector] = None
    visualizer: Optional[Visualizer] = None
    detections: Optional[Mapping[int, Detections]] = None


def with_objects(analysis: Analysis, truth: dict, results: Sequence[dict]) -> Analysis:
    """Return the analysis. If it lacks findings for single images, add all annotated objects, and the likely results as correct ones."""
    if analysis.images:
        return analysis
    annotated, found = defaultdict(list), defaultdict(list)
    for record in truth.get("annotations", []):
        annotated[record["image_id"]].append(Finding(record))
    for record in sorted(results, key=lambda record: -record.get("score", 1.0)):
        if record.get("score", 1.0) >= LIKELY:
            found[record["image_id"]].append(Finding(record))
    images = {image_id: ImageFindings(0.0, annotated[image_id], found[image_id]) for image_id in {*annotated, *found}}
    return replace(analysis, images=images, threshold=LIKELY)


def worst_first(analysis: Analysis, dataset: Dataset, limit: int) -> List[int]:
    """Return the indices in the data set of at most ``limit`` images: largest error first, or in the data set's order if findings are
    missing."""
    ids = dataset.ids()
    return sorted(range(len(ids)), key=lambda index: -_error(analysis.images.get(ids[index])))[:limit]


def _error(findings: Optional[ImageFindings]) -> float:
    return findings.error if findings is not None and math.isfinite(findings.error) else 0.0


def gallery(
    analysis: Analysis, dataset: Dataset, fields: Sequence[Field], positions: Sequence[int], track: Track, layers: Layers = Layers()
) -> List[dict]:
    """Return one dictionary per image, coordinates in its pixels.

    Args:
        fields: the fields of the objects that are shown.
        positions: indices of the images in the data set.
    """
    items = []
    names = {record["id"]: record["name"] for record in dataset.categories()}
    labels = {category_id: label for label, category_id in enumerate(dataset.category_ids())}
    flagged = {field.name for field in dataset.fields if isinstance(field, Points) and field.seen is not None}
    for index in track(positions, len(positions)):
        try:
            sample = dataset[index]
        except DataError:  # the evaluation has already reported it
            continue
        findings = analysis.images.get(sample.image_id, ImageFindings(0.0, [], []))
        height, width = sample.image.shape[:2]
        items.append(
            {
                "id": sample.image_id,
                "name": Path(sample.name).name,
                "width": width,
                "height": height,
                "error": round(_error(findings), 4),
                "counts": findings.counts(),
                "src": _small(sample.image),
                "heat": _heatmaps(layers.detector, sample) if layers.detector else {},
                "drawn": _drawn(layers, sample, analysis.threshold),
                "truth": [_object(finding, fields, names, labels, flagged) for finding in findings.truth],
                "found": [_object(finding, fields, names, labels, set()) for finding in findings.found],
            }
        )
    return items


def _object(finding: Finding, fields: Sequence[Field], names: Mapping[int, str], labels: Mapping[int, int], flagged: Set[str]) -> dict:
    """Return one object without non-finite values. In fields of ``flagged``, the third number of a point is 1 if it is hidden, 0 if it is
    missing."""
    record, label = finding.record, labels.get(finding.record.get("category_id"))
    values = {"class": names.get(record.get("category_id"), ""), "text": finding.text, "kind": finding.kind}
    if "bbox" in record and np.isfinite(record["bbox"]).all():
        values["box"] = _rounded(record["bbox"])
    if "score" in record and math.isfinite(record["score"]):
        values["score"] = round(float(record["score"]), 3)
    known = [field for field in fields if field.of is None and record.get(field.name) is not None]
    points = [field for field in known if isinstance(field, Points)]
    values["points"] = {field.name: _points(record[field.name], field, label, field.name in flagged) for field in points}
    values["parts"] = _spread(points[0], label, list(finding.parts), "") if points and finding.parts else list(finding.parts)
    single = {field: record[field.name] for field in known if not field.shape}
    angles = [float(value) for field, value in single.items() if isinstance(field, Angles)]
    values["angles"] = [round(angle, 3) for angle in angles if math.isfinite(angle)]
    values["values"] = {field.name: f"{value:.4g}" if isinstance(value, float) else str(value) for field, value in single.items()}
    return values


def _points(flat: Sequence[float], field: Points, label: Optional[int], flagged: bool) -> List[float]:
    """Return x, y and visibility of all points of the field: 0 missing, 1 hidden, 2 visible."""
    points = np.array(flat, np.float64).reshape(-1, 3)
    points[~np.isfinite(points).all(axis=1)] = 0
    if not flagged:
        points[:, 2] = 2 * (points[:, 2] > 0)
    return _rounded(np.array(_spread(field, label, points.tolist(), [0.0] * 3)).reshape(-1))


def _spread(field: Points, label: Optional[int], own: List, absent: object) -> List:
    """Return the values of an object's points at their indices among all points."""
    if field.sets is None or label is None:
        return own
    spread = [absent] * len(field.names)
    for place, value in zip(field.sets[label].places, own):
        spread[place] = value
    return spread


def _rounded(values: Iterable[float]) -> List[float]:
    return [round(float(value), 1) for value in values]


def _size(image: np.ndarray, side: int) -> Tuple[int, int]:
    """Return ``(width, height)`` that fits into a square of ``side``; never larger than the image."""
    factor = min(1.0, side / max(image.shape[:2]))
    return max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))


def _small(image: np.ndarray) -> str:
    small = cv2.resize(as_uint8(image), _size(image, SIDE), interpolation=cv2.INTER_AREA)
    return image_uri(small, quality=_QUALITY)


def _drawn(layers: Layers, sample: Sample, threshold: float) -> Dict[str, str]:
    """Return the visualizer's pictures of an image, by name."""
    if layers.visualizer is None:
        return {}
    pictures = {"truth, drawn": _small(layers.visualizer.draw_objects(sample.image, sample.objects))}
    found = (layers.detections or {}).get(sample.image_id)
    if found is not None:
        pictures["predictions, drawn"] = _small(layers.visualizer.draw(sample.image, found, threshold))
    return pictures


def _heatmaps(detector: Detector, sample: Sample) -> Dict[str, str]:
    """Return transparent pictures that cover the whole image, by name."""
    image, (heatmaps, view) = sample.image, detector.heatmaps(sample)
    width, height = _size(image, _HEAT_SIDE)
    pictures = {}
    for name, heat in heatmaps.items():
        matrix = view.affine(heat.shape[1], heat.shape[0]).astype(np.float64)
        matrix[:, 0] *= image.shape[1] / width
        matrix[:, 1] *= image.shape[0] / height
        shown = cv2.warpAffine(heat, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        strength = np.clip((shown - _FAINTEST) / (1 - _FAINTEST), 0, 1)
        color = np.empty((height, width, 4), np.uint8)
        color[:], color[..., 3] = (*_HEAT_COLOR, 0), 220 * np.sqrt(strength)
        pictures[name] = image_uri(color, ".png")
    return pictures
