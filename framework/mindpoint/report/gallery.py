"""The images of a report: pixels, objects and heatmaps, as values for JSON."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Tuple

import cv2
import numpy as np

from mindpoint.contracts.analysis import Analysis, Finding, ImageFindings
from mindpoint.contracts.data import Dataset
from mindpoint.inference.detector import Detector

SIDE = 560  # pixels of the longer side at most
_HEAT_SIDE = 140
_QUALITY = 78
_HEAT_COLOR = (0, 60, 255)  # blue, green, red
_FAINTEST = 0.1  # what an untrained network gives everywhere

Track = Callable[[Iterable, int], Iterable]


def worst_first(analysis: Analysis, dataset: Dataset, limit: int) -> List[int]:
    """Positions in the data set of at most ``limit`` images, the largest error first; without findings in the data set's order."""
    ids = dataset.ids()
    order = sorted(range(len(ids)), key=lambda index: -analysis.images[ids[index]].error if ids[index] in analysis.images else 0.0)
    return order[:limit]


def gallery(analysis: Analysis, dataset: Dataset, detector: Optional[Detector], positions: List[int], track: Track) -> List[dict]:
    """One dictionary an image, coordinates in its pixels.

    Args:
        detector: makes the heatmaps; ``None``: there are none.
        positions: of the images in the data set.
    """
    items = []
    for index in track(positions, len(positions)):
        sample = dataset[index]
        findings = analysis.images.get(sample.image_id, ImageFindings(0.0, [], []))
        height, width = sample.image.shape[:2]
        items.append(
            {
                "id": sample.image_id,
                "name": Path(sample.name).name,
                "width": width,
                "height": height,
                "error": round(findings.error, 4),
                "counts": findings.counts(),
                "src": _jpeg(sample.image),
                "heat": _heatmaps(detector, sample.image) if detector else {},
                "truth": [_object(finding) for finding in findings.truth],
                "found": [_object(finding) for finding in findings.found],
            }
        )
    return items


def _object(finding: Finding) -> dict:
    record = finding.record
    points = [round(float(value), 1) for value in record.get("keypoints", [])]
    values = {"text": finding.text, "kind": finding.kind, "joints": list(finding.joints), "points": points}
    if "bbox" in record:
        values["box"] = [round(float(value), 1) for value in record["bbox"]]
    if "score" in record:
        values["score"] = round(float(record["score"]), 3)
    return values


def _size(image: np.ndarray, side: int) -> Tuple[int, int]:
    """``(width, height)`` that fits into a square of ``side``; never larger than the image."""
    factor = min(1.0, side / max(image.shape[:2]))
    return max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))


def _jpeg(image: np.ndarray) -> str:
    small = cv2.resize(image, _size(image, SIDE), interpolation=cv2.INTER_AREA)
    return _data_uri("jpeg", cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])


def _heatmaps(detector: Detector, image: np.ndarray) -> Dict[str, str]:
    """Transparent pictures that cover the whole image, by name."""
    heatmaps, view = detector.heatmaps(image)
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
        pictures[name] = _data_uri("png", cv2.imencode(".png", color)[1])
    return pictures


def _data_uri(kind: str, data: np.ndarray) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode('ascii')}"
