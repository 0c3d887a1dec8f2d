"""OpenPose: a JSON file of detections for each image."""

from __future__ import annotations

from pathlib import Path
from typing import List

from mindpoint.errors import DataError

from mindpoint_coco.importers.document import begins, files, json_file
from mindpoint_coco.importers.form import Labels, Picture, Thing
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.joint_sets import describe
from mindpoint_coco.importers.tool import LabelImporter

_SETS = {18: "openpose18", 25: "openpose25"}
_SUFFIX = "_keypoints.json"


class OpenPose(LabelImporter):
    """An importer of bodies in files ``*_keypoints.json``, with 18 or 25 joints. Joints with a confidence of 0 are not labelled. Faces and
    hands are left out.

    Args:
        confidence: joints with a lower confidence are also unlabelled; 0..1.
    """

    def __init__(self, confidence: float = 0.0):
        self.confidence = confidence

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any('"pose_keypoints' in begins(path) for path in _files(source))

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels = Labels()
        for path in _files(source):
            picture = Picture(path.name[: -len(_SUFFIX)] if path.name.endswith(_SUFFIX) else path.stem, str(path))
            for person in json_file(path)["people"]:
                said = person.get("pose_keypoints_2d") or person["pose_keypoints"]
                values = said.numbers()
                kind = labels.kind("person")
                if len(values) not in [3 * count for count in _SETS]:
                    raise DataError(f"{said.where}: has {len(values)} numbers, neither 54 (18 joints) nor 75 (25 joints)")
                if kind.joints and len(values) != 3 * len(kind.joints):
                    raise DataError(
                        f"{said.where}: has {len(values) // 3} joints, but others have {len(kind.joints)}; import them one by one"
                    )
                if not kind.joints:
                    describe(kind, _SETS[len(values) // 3])
                picture.things.append(Thing("person", person.where, points=self._points(values)))
            labels.pictures.append(picture)
        labels.note("these are predictions of a network, not manual labels")
        return labels

    def _points(self, values: List[float]) -> List[float]:
        points: List[float] = []
        for place in range(0, len(values), 3):
            seen = values[place + 2] > 0 and values[place + 2] >= self.confidence
            points += [*values[place : place + 2], 2] if seen else [0, 0, 0]
        return points


def _files(source: Path) -> List[Path]:
    return [source] if source.is_file() and source.suffix == ".json" else files(source, "*_keypoints.json")
