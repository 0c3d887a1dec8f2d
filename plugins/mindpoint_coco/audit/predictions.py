"""A model's detections in annotated images, with the classes and joints of the annotations."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Dict, Iterator, List, Optional, Sequence

import numpy as np
from mindpoint import Predictor
from mindpoint.contracts.fields import Points
from mindpoint.contracts.instances import Detections
from mindpoint.errors import ConfigError, DataError
from mindpoint.runtime.progress import track

from mindpoint_coco.audit.compare import Compared, compare
from mindpoint_coco.data_command.source import Source
from mindpoint_coco.datasets.rules import few
from mindpoint_coco.keypoints import Keypoints

log = logging.getLogger("mindpoint")


class Translation:
    """Converts the model's detections to records with the category ids and joints of a source.

    Classes and joints are matched by name. If only the model has a class or joint, it is left out. Joints that the model lacks are NaN.

    Args:
        content: COCO's dictionary, valid.
        keypoints: the joints of the annotations; None to ignore joints.

    Raises:
        ConfigError: the model and the source have no class in common.
    """

    def __init__(self, predictor: Predictor, content: dict, keypoints: Optional[Keypoints]) -> None:
        ids = {record["name"]: record["id"] for record in content["categories"]}
        self.ids = {label: ids[name] for label, name in enumerate(predictor.classes) if name in ids}
        if not self.ids:
            raise ConfigError(f"the model finds {few(predictor.classes)}, but the annotated classes are {few(list(ids))}")
        field = next((field for field in predictor.fields if isinstance(field, Points) and field.name == "keypoints"), None)
        names = list(field.names) if field is not None else []
        self.joints = None if keypoints is None else [names.index(name) if name in names else -1 for name in keypoints.names]

    def records(self, found: Detections) -> List[dict]:
        """Return ``category_id``, ``bbox``, ``score``, and ``keypoints (J, 3)`` (x, y, score) if the annotations have joints."""
        boxes = found.boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        records = []
        for row, label in enumerate(found.labels.tolist()):
            if label in self.ids:
                records.append({"category_id": self.ids[label], "bbox": boxes[row].tolist(), "score": float(found.scores[row])})
                if self.joints is not None:
                    records[-1]["keypoints"] = self._points(found, row)
        return records

    def _points(self, found: Detections, row: int) -> np.ndarray:
        unknown = np.full((1, 3), np.nan, np.float32)
        if "keypoints" not in found.values:
            return np.repeat(unknown, len(self.joints), axis=0)
        places, scores = found.values["keypoints"][row][:, :2], found.values.get("keypoint_scores")
        scores = np.ones(len(places)) if scores is None else scores[row]
        return np.concatenate([np.column_stack([places, scores]), unknown]).astype(np.float32)[self.joints]  # index -1 selects the last row


def compared(predictor: Predictor, source: Source, content: dict) -> Iterator[Compared]:
    """Yield the readable images of a source, with their annotations and detections.

    Args:
        content: content of the source, valid and completed.
    """
    translation = Translation(predictor, content, source.keypoints)
    known = set(translation.ids.values())
    own: Dict[int, List[dict]] = defaultdict(list)
    for record in content["annotations"]:
        if record["category_id"] in known:
            own[record["image_id"]].append(record)
    read: List[dict] = []
    sigmas = None if source.keypoints is None else source.keypoints.sigmas
    for number, prediction in enumerate(predictor.stream(_images(source, content["images"], read), ahead=True)):
        yield compare(read[number], own[read[number]["id"]], translation.records(prediction.detections), sigmas)


def _images(source: Source, records: Sequence[dict], read: List[dict]) -> Iterator[np.ndarray]:
    """Yield the readable images. Before an image is yielded, its record is appended to ``read``."""
    for record in track(records, len(records), f"looking at {source.name}"):
        try:
            image = source.image(record)
        except DataError as error:
            log.warning("image left out of the audit: %s", error)
            continue
        read.append(record)
        yield image
