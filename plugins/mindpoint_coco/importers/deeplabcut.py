"""DeepLabCut's tables, of one animal or several, and tables of this form that Anipose writes."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Tuple

import yaml
from mindpoint.errors import DataError

from mindpoint_coco.importers.document import Item, begins, files, nearest, table_rows, text_file
from mindpoint_coco.importers.form import Labels, Picture, Point, Thing
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.tool import LabelImporter

_HEADS = ("scorer", "individuals", "bodyparts", "coords")


class DeepLabCut(LabelImporter):
    """An importer of tables ``CollectedData_*.csv``: a project, a folder or a single file. (The ``.h5`` file next to each has the same
    content and is ignored.)

    An image has one object, or one per individual. Empty cells are unlabelled joints; all others are visible. Boxes are
    missing in the format; they become the bounding boxes of the joints with a margin. The lines between joints come from the project's
    ``config.yaml``.

    Args:
        kind: the class of the objects, which the format lacks.
    """

    def __init__(self, kind: str = "animal"):
        self.kind = kind

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any(begins(path, 20).startswith("scorer,") for path in _tables(source))

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels = Labels()
        for path in _tables(source):
            if source.is_file() or begins(path, 20).startswith("scorer,"):
                self._read(path, labels)
        if labels.pictures:
            self._skeleton(source, labels)
        return labels

    def _read(self, path: Path, labels: Labels) -> None:
        rows = table_rows(path)
        heads: Dict[str, List[str]] = {}
        while rows and rows[0][0] in _HEADS and rows[0][0] not in heads:
            head = rows.pop(0)
            heads[head[0]] = head
        width = len(heads.get("coords", ()))
        if not {"scorer", "bodyparts", "coords"} <= set(heads) or any(len(head) != width for head in heads.values()):
            raise DataError(
                f"{path}: is not a DeepLabCut table: it must begin with rows 'scorer', 'bodyparts' and 'coords' of the same length"
            )
        if "likelihood" in heads["coords"]:
            raise DataError(f"{path}: holds a network's predictions ('likelihood'), not labels; name CollectedData_*.csv")
        first = next(column for column in range(1, width + 1) if column == width or heads["coords"][column] in ("x", "y"))
        columns = self._columns(path, heads, first)
        for number, row in enumerate(rows, len(heads) + 1):
            where = f"{path}: row {number}"
            if len(row) != width:
                raise DataError(f"{where}: has {len(row)} cells, but the first rows have {width}; is the file truncated?")
            picture = Picture("/".join(cell for cell in row[:first] if cell), where)
            for parts in columns.values():
                points = {part: _point(row, places, f"{where}: {part}") for part, places in parts.items()}
                thing = Thing(self.kind, where, points=labels.kind(self.kind).points(points))
                if any(thing.points[2::3]):
                    picture.things.append(thing)
            labels.pictures.append(picture)

    def _columns(self, path: Path, heads: Dict[str, List[str]], first: int) -> Dict[str, Dict[str, Tuple[int, int]]]:
        """Return the columns of x and y by body part and individual."""
        found: Dict[str, Dict[str, Dict[str, int]]] = {}
        people = heads.get("individuals")
        for column in range(first, len(heads["coords"])):
            part, axis = heads["bodyparts"][column], heads["coords"][column]
            axes = found.setdefault(people[column] if people else "", {}).setdefault(part, {})
            if axis not in ("x", "y") or axis in axes or not part:
                raise DataError(f"{path}: column {column + 1}: '{part} {axis}' is repeated, or is not the x or y of a body part")
            axes[axis] = column
        for parts in found.values():
            for part, axes in parts.items():
                if len(axes) != 2:
                    raise DataError(f"{path}: '{part}' lacks x or y")
        return {who: {part: (axes["x"], axes["y"]) for part, axes in parts.items()} for who, parts in found.items()}

    def _skeleton(self, source: Path, labels: Labels) -> None:
        """Read the lines from the project's configuration, in the folder of the tables or one of the two folders above it."""
        path = nearest(source if source.is_dir() else source.parent, "config.yaml")
        if path is None:
            return
        kind = labels.kind(self.kind)
        try:
            lines = (yaml.safe_load(text_file(path)) or {}).get("skeleton") or []
            kind.skeleton = [(kind.joints.index(first), kind.joints.index(second)) for first, second in lines if first != second]
        except (yaml.YAMLError, AttributeError, TypeError, ValueError, RecursionError):
            labels.note(f"{path}: its skeleton is ignored, since it is not a list of pairs of body parts")


def _tables(source: Path) -> List[Path]:
    return files(source, "labeled-data/*/*.csv", "*.csv")


def _point(row: List[str], places: Tuple[int, int], where: str) -> Point:
    x, y = (row[place].strip() for place in places)
    if x.lower() in ("", "nan") or y.lower() in ("", "nan"):
        return (0, 0, 0)
    return (Item(x, where).number(), Item(y, where).number(), 2)
