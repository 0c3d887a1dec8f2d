"""Labelme and X-AnyLabeling: a JSON file of shapes for each image."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Dict, List, Sequence

from mindpoint.errors import DataError

from mindpoint_coco.importers.document import Item, begins, files, json_file
from mindpoint_coco.importers.form import Labels, Picture, Thing, corners, extent
from mindpoint_coco.importers.grouping import Loose, add_points
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.tool import LabelImporter


class Labelme(LabelImporter):
    """An importer of shapes of the files ``*.json`` in a folder and its subfolders.

    Every shape except a point is an object with the box around it; shapes with the same ``group_id`` are one object. Points belong to the
    object of their group, or else to the rectangle that they lie in. The format has no visibility: points are visible.

    Args:
        lonely: the class of objects that consist of points only.
    """

    def __init__(self, lonely: str = "object"):
        self.lonely = lonely

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any('"shapes"' in begins(path, 1 << 16) for path in _files(source)[:3])

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels = Labels()
        for path in _files(source):
            if '"shapes"' not in begins(path, 1 << 16) and source.is_dir():
                labels.note("JSON files without shapes are skipped", str(path))
                continue
            picture = self._picture(json_file(path), path, labels)
            if source.is_dir():
                picture.name = (path.parent.relative_to(source) / picture.name).as_posix()
            labels.pictures.append(picture)
        return labels

    def _picture(self, content: Item, path: Path, labels: Labels) -> Picture:
        name = content.get("imagePath")
        picture = Picture(name.text() if name is not None else path.stem, content.where)
        width, height = content.get("imageWidth"), content.get("imageHeight")
        if width is not None and height is not None:
            picture.size = width.whole(1), height.whole(1)
        groups: Dict[object, List[Item]] = {}
        loose: List[Loose] = []
        rectangles: List[Thing] = []
        for shape in content["shapes"]:
            label, kind = shape["label"].label(), _kind(shape)
            group = shape.get("group_id")
            if label.startswith("__"):
                labels.note(f"shapes '{label}' are marks of the tool, not objects", shape.where)
            elif group is not None:
                groups.setdefault(group.label(), []).append(shape)
            elif kind == "point":
                loose.append((label, (*_places(shape)[0], 2), shape.where))
            else:
                thing = Thing(label, shape.where, _box(shape, kind))
                labels.kind(label)
                picture.things.append(thing)
                rectangles += [thing] if kind in ("rectangle", "rotation") else []
        for shapes in groups.values():
            picture.things.append(self._grouped(shapes, labels))
        add_points(labels, picture, loose, rectangles or [thing for thing in picture.things if not thing.points], self.lonely)
        return picture

    def _grouped(self, shapes: Sequence[Item], labels: Labels) -> Thing:
        """Return the object that the shapes of a group form. A rectangle gives it its class, or else the first shape that is not a
        point."""
        outlines = sorted((shape for shape in shapes if _kind(shape) != "point"), key=lambda shape: _kind(shape) != "rectangle")
        thing = Thing(outlines[0]["label"].label() if outlines else self.lonely, shapes[0].where)
        kind = labels.kind(thing.kind)
        own = [_box(shape, _kind(shape)) for shape in outlines if shape["label"].label() == thing.kind]
        if own:
            thing.box = corners(*(f(box[i] + box[i + 2] * far for box in own) for f, far in ((min, 0), (max, 1)) for i in (0, 1)))
        points = {}
        for shape in shapes:
            if _kind(shape) == "point":
                name = shape["label"].label()
                if name in points:
                    raise DataError(f"{shape.where}: the group {shape['group_id'].value} has two points '{name}'")
                points[name] = (*_places(shape)[0], 2)
        thing.points = kind.points(points)
        return thing


def _files(source: Path) -> List[Path]:
    return files(source, "**/*.json")


def _kind(shape: Item) -> str:
    kind = shape.get("shape_type")
    return kind.text() if kind is not None else "polygon"


def _places(shape: Item) -> List[List[float]]:
    places = [place.numbers(2) for place in shape["points"]]
    if not places:
        raise DataError(f"{shape.where}: has no points")
    return places


def _box(shape: Item, kind: str) -> List[float]:
    places = _places(shape)
    if kind == "circle":
        if len(places) != 2:
            raise DataError(f"{shape.where}: a circle needs 2 points (centre and rim), got {len(places)}")
        (x, y), (rim_x, rim_y) = places
        radius = math.hypot(rim_x - x, rim_y - y)
        return [x - radius, y - radius, 2 * radius, 2 * radius]
    return extent([x for x, _ in places], [y for _, y in places])
