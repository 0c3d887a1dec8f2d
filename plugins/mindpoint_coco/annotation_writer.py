"""Predictions as a COCO annotation file, to be corrected in an annotation tool."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

import numpy as np
from mindpoint.contracts.fields import Points
from mindpoint.contracts.prediction import Prediction, Source
from mindpoint.inference.writers import TextWriter

_SURE = 0.3  # lowest score of a joint that is marked as visible


class AnnotationWriter(TextWriter):
    """A writer of ``annotations.json``: predictions as annotations, for import into CVAT ("COCO Keypoints 1.0"), Label Studio and Roboflow.

    File names are relative to their common folder; a frame of a video is named ``VIDEO_000012.png``. Boxes are clipped to the
    image. Joints with a low score are marked as hidden, joints outside the image as not labelled.
    """

    file_name = "annotations.json"

    def __init__(self, sources: Sequence[Source]) -> None:
        super().__init__(sources)
        self._folder = _common_folder([source.name for source in sources if source.kind != "camera"])

    def start(self) -> None:
        """Write the text before the annotations; images and categories follow them."""
        self._images: List[dict] = []
        self._count = 0
        self._joints = next((field for field in self.vocabulary.fields if isinstance(field, Points) and field.name == "keypoints"), None)
        self.file.write('{"annotations": [')

    def add(self, prediction: Prediction, image_id: int) -> None:
        """See :class:`PredictionWriter`."""
        height, width = prediction.image.shape[:2]
        name = os.path.relpath(prediction.source, self._folder) if self._folder else str(prediction.source)
        frame = {} if prediction.frame is None else {"video": name, "frame": prediction.frame}
        name = f"{name}_{prediction.frame:06d}.png" if frame else name
        self._images.append({"id": image_id, "file_name": name, "width": width, "height": height, **frame})
        for row in range(len(prediction)):
            record = self._record(prediction, row, width, height)
            if record is not None:
                self._count += 1
                self.file.write(",\n" * (self._count > 1) + json.dumps({"id": self._count, "image_id": image_id, **record}))

    def end(self) -> None:
        """Write images and categories."""
        categories = [{"id": number, "name": name} for number, name in zip(self.vocabulary.category_ids, self.vocabulary.classes)]
        for label, record in enumerate(categories if self._joints is not None else ()):
            own = self._joints.set_of(label)
            record.update(keypoints=list(own.names), skeleton=[[int(first) + 1, int(second) + 1] for first, second in own.lines])
        self.file.write(f'],\n"images": {json.dumps(self._images)},\n"categories": {json.dumps(categories)}}}\n')

    def _record(self, prediction: Prediction, row: int, width: int, height: int) -> Optional[Dict[str, object]]:
        found = prediction.detections
        left, top, right, bottom = found.boxes[row].astype(np.float64)
        joints = {}
        if self._joints is not None:
            label = int(found.labels[row])
            places = self._joints.own(found.values["keypoints"][row], label)[:, :2]
            scores = found.values.get("keypoint_scores")
            sure = np.ones(len(places)) if scores is None else self._joints.own(scores[row], label)
            joints["keypoints"] = np.column_stack([places, sure])
        values = annotation_values({"bbox": [left, top, right - left, bottom - top], **joints}, {"width": width, "height": height})
        if values is None:
            return None
        category = self.vocabulary.category_ids[int(found.labels[row])]
        return {"category_id": category, **values, "score": round(float(found.scores[row]), 4)}


def annotation_values(found: Mapping[str, object], image: Mapping[str, object]) -> Optional[Dict[str, object]]:
    """Return box, area and, if there are joints, joints of an annotation, in hundredths of a pixel; None if the box is outside the image.

    Args:
        found: ``bbox`` left, top, width, height, and perhaps ``keypoints (J, 3)``: x, y, score; NaN where they are unknown.
        image: the image record, with ``width`` and ``height``.
    """
    limits = np.array([image["width"], image["height"]], np.float64)
    left, top, across, down = found["bbox"]
    left, top, right, bottom = np.clip([[left, top], [left + across, top + down]], 0, limits).round(2).ravel().tolist()
    if right <= left or bottom <= top:
        return None
    box = [left, top, round(right - left, 2), round(bottom - top, 2)]
    values: Dict[str, object] = {"bbox": box, "area": box[2] * box[3], "iscrowd": 0}
    if "keypoints" in found:
        points = np.asarray(found["keypoints"], np.float64)
        places = points[:, :2].round(2)
        inside = ((places >= 0) & (places <= limits)).all(axis=1)
        seen = np.where(inside, np.where(points[:, 2] >= _SURE, 2, 1), 0)
        values["keypoints"] = [
            number for (x, y), flag in zip(places.tolist(), seen.tolist()) for number in ((x, y, flag) if flag else (0, 0, 0))
        ]
        values["num_keypoints"] = int(inside.sum())
    return values


def _common_folder(names: Sequence[str]) -> str:
    """Return the folder that holds all files; an empty path without files, and for URLs."""
    if not names or any("://" in name for name in names):
        return ""
    return os.path.commonpath([os.path.abspath(Path(name).parent) for name in names])
