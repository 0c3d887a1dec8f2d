"""AlphaTracker: a JSON list of images, each a flat list of boxes and the points that follow them."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List

from mindpoint.errors import DataError

from mindpoint_coco.importers.document import Item, begins, files, json_file
from mindpoint_coco.importers.form import Labels, Picture, Point, Thing
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.joint_sets import named_joints
from mindpoint_coco.importers.tool import LabelImporter


class AlphaTracker(LabelImporter):
    """An importer of AlphaTracker: boxes, each followed by its joints in order.

    Args:
        joints: names of the joints, which the format lacks; by default 0, 1, 2, ...
    """

    def __init__(self, joints: List[str] = ()):
        self.joints = named_joints(joints, "AlphaTracker")

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any(_looks_right(path) for path in files(source, "*.json"))

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels = Labels()
        for path in files(source, "*.json"):
            if source.is_file() or _looks_right(path):
                for record in json_file(path):
                    picture = Picture(record["filename"].text(), record.where)
                    self._add(record["annotations"], picture, labels)
                    labels.pictures.append(picture)
        return labels

    def _add(self, marks: Item, picture: Picture, labels: Labels) -> None:
        points: Dict[str, Point] = {}
        for mark in marks:
            label, x, y = mark["class"].label(), mark["x"].number(), mark["y"].number()
            if label != "point":
                picture.things.append(Thing(label, mark.where, [x, y, mark["width"].number(), mark["height"].number()]))
                labels.kind(label)
                points = {}
                continue
            if not picture.things or (self.joints and len(points) == len(self.joints)):
                raise DataError(f"{mark.where}: a point without a box before it, or more points than joints")
            points[self.joints[len(points)] if self.joints else str(len(points))] = (x, y, 2)
            picture.things[-1].points = labels.kind(picture.things[-1].kind).points(points)


def _looks_right(path: Path) -> bool:
    start = begins(path)
    return start.lstrip().startswith("[") and '"class"' in start and '"point"' in start
