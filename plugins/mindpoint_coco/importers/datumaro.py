"""Datumaro's JSON."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

from mindpoint.errors import DataError

from mindpoint_coco.importers.document import Item, begins, files, json_file
from mindpoint_coco.importers.form import Labels, Picture, Thing, extent
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.tool import LabelImporter


class Datumaro(LabelImporter):
    """An importer of boxes, polygons, polylines and skeletons of a data set (a folder with ``annotations/*.json``) or of one file.

    Captions, image labels, masks, loose points and objects without a class are left out.
    """

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any(_looks_right(path) for path in files(source, "annotations/*.json", "*.json"))

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels = Labels()
        for path in files(source, "annotations/*.json", "*.json"):
            if source.is_file() or _looks_right(path):
                _File(json_file(path), path.stem, labels).read()
        return labels


def _looks_right(path: Path) -> bool:
    start = begins(path, 1 << 16)
    return start.lstrip().startswith("{") and '"categories"' in start and '"items"' in start and '"images"' not in start


class _File:
    def __init__(self, content: Item, subset: str, labels: Labels):
        self.content, self.subset, self.labels = content, subset, labels
        categories = content["categories"]
        self.names: List[str] = [label["name"].label() for label in categories["label"]["labels"]]
        self.skeletons = {}
        points = categories.get("points")
        for entry in points["items"] if points is not None else ():
            self.skeletons[entry["label_id"].whole()] = entry

    def read(self) -> None:
        for item in self.content["items"]:
            image = item.get("image")
            if image is None:
                self.labels.note("items without an image are left out", item.where)
                continue
            picture = Picture(f"{self.subset}/{image['path'].text()}", item.where)
            size = image.get("size")
            if size is not None:
                height, width = (side.whole(1) for side in size)
                picture.size = width, height
            for said in item["annotations"]:
                thing = self._thing(said)
                if thing is not None:
                    picture.things.append(thing)
            self.labels.pictures.append(picture)

    def _thing(self, said: Item) -> Optional[Thing]:
        kind, number = said["type"].text(), said.get("label_id")
        if kind not in ("bbox", "polygon", "polyline", "skeleton"):
            self.labels.note(f"annotations of the type '{kind}' are left out", said.where)
            return None
        if number is None or number.whole() >= len(self.names):
            self.labels.note("objects without a known class are left out", said.where)
            return None
        thing = Thing(self.names[number.whole()], said.where)
        own = self.labels.kind(thing.kind)
        if kind == "bbox":
            thing.box = said["bbox"].numbers(4)
        elif kind == "skeleton":
            if not own.joints:
                self._declare(own, number.whole(), said.where)
            values = said["points"].numbers(3 * len(own.joints))
            seen = [value if value in (1, 2) else 0 for value in values[2::3]]
            rows = [(x, y, int(flag)) if flag else (0, 0, 0) for x, y, flag in zip(values[0::3], values[1::3], seen)]
            thing.points = [value for row in rows for value in row]
        else:
            values = said["points"].numbers()
            if not values or len(values) % 2:
                raise DataError(f"{said.where}: has {len(values)} numbers; positions need an even number")
            thing.box = extent(values[0::2], values[1::2])
        return thing

    def _declare(self, kind, number: int, where: str) -> None:
        entry = self.skeletons.get(number)
        if entry is None:
            raise DataError(f"{where}: the file does not name the joints of '{kind.name}'")
        kind.joints = [label.label() for label in entry["labels"]]
        lines = [line.numbers(2) for line in entry.get("joints") or ()]
        if all(1 <= end <= len(kind.joints) for line in lines for end in line):
            kind.skeleton = [(int(first) - 1, int(second) - 1) for first, second in lines if first != second]
        else:
            self.labels.note(f"{entry.where}: lines between missing joints are left out")
