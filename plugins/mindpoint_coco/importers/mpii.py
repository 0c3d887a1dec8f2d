"""MPII Human Pose: its Matlab file, or JSON with a record for each person."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List

from mindpoint.errors import DataError

from mindpoint_coco.importers.document import Item, begins, files, json_file
from mindpoint_coco.importers.form import Labels, Picture, Thing
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.joint_sets import describe
from mindpoint_coco.importers.matlab import first_variable
from mindpoint_coco.importers.mpii_matlab import VARIABLE, pictures
from mindpoint_coco.importers.tool import LabelImporter


class Mpii(LabelImporter):
    """An importer of MPII: its own ``.mat`` file, see :mod:`~mindpoint_coco.importers.mpii_matlab`, and its usual conversions to JSON:
    the files of HRNet and others (``joints``, ``joints_vis``) and of convolutional pose machines (``joint_self``).

    In the ``.mat`` file and the first kind of JSON, coordinates are counted from 1, as in Matlab, and are converted to start at 0. In that
    JSON, joints without visibility are not labelled. In the second kind, coordinates and visibilities are used unchanged. Boxes are missing
    in the format; they become the extent of the joints with a margin.

    Args:
        one_based: the coordinates of the ``.mat`` file and of the first kind of JSON are counted from 1.
    """

    def __init__(self, one_based: bool = True):
        self.one_based = one_based

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any(_looks_right(path) for path in files(source, "*.json", "*.mat"))

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels = Labels()
        describe(labels.kind("person"), "mpii")
        found: Dict[str, Picture] = {}
        for path in files(source, "*.json", "*.mat"):
            if path.suffix == ".mat" and (source.is_file() or _looks_right(path)):
                labels.pictures += pictures(path, 1 if self.one_based else 0, labels)
            elif source.is_file() or _looks_right(path):
                for record in json_file(path):
                    self._add(record, found)
        labels.pictures += found.values()
        return labels

    def _add(self, record: Item, found: Dict[str, Picture]) -> None:
        older = "joint_self" in record.dict()
        name = record["img_paths" if older else "image"].text()
        picture = found.setdefault(name, Picture(name, record.where))
        if older:
            picture.size = record["img_width"].whole(1), record["img_height"].whole(1)
            points = _older(record["joint_self"])
            for other in record.get("joint_others") or ():
                picture.things.append(Thing("person", other.where, points=_older(other)))
        else:
            points = self._points(record)
        picture.things.append(Thing("person", record.where, points=points))

    def _points(self, record: Item) -> List[float]:
        shift = 1 if self.one_based else 0
        places, seen = [place.numbers(2) for place in record["joints"]], record["joints_vis"].numbers(16)
        if len(places) != 16:
            raise DataError(f"{record.where}: has {len(places)} joints, not 16")
        rows = [(x - shift, y - shift, 2) if flag else (0, 0, 0) for (x, y), flag in zip(places, seen)]
        return [number for row in rows for number in row]


def _older(said: Item) -> List[float]:
    rows = [row.numbers(3) for row in said]
    if len(rows) != 16:
        raise DataError(f"{said.where}: has {len(rows)} joints, not 16")
    visibility = {1: 2, 0: 1}  # 2 means outside the image
    rows = [(x, y, visibility.get(seen, 0)) if (x, y) != (0, 0) else (0, 0, 0) for x, y, seen in rows]
    return [number for row in rows for number in row]


def _looks_right(path: Path) -> bool:
    if path.suffix == ".mat":
        return first_variable(path) == VARIABLE
    start = begins(path)
    return start.lstrip().startswith("[") and ('"joints_vis"' in start or '"joint_self"' in start)
