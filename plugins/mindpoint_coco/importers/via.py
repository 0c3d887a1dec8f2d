"""VGG Image Annotator: JSON, CSV or a saved project of version 2, or a project of version 3."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

from mindpoint.errors import DataError

from mindpoint_coco.importers.document import Item, begins, files, json_file, json_text, named_rows
from mindpoint_coco.importers.form import Labels, Picture, Thing, extent
from mindpoint_coco.importers.grouping import Loose, add_points
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.tool import LabelImporter
from mindpoint_coco.importers.via3 import images_of, is_project, is_via3

Region = Tuple[Item, Item]
"""Shape attributes and region attributes."""


class Via(LabelImporter):
    """An importer of regions that VIA 2 has exported or saved as a project, and of projects of VIA 3, see
    :mod:`~mindpoint_coco.importers.via3`.

    Points belong to the rectangle around them. The format has neither sizes of images nor visibility: all points are visible.

    Args:
        label: the attribute of regions that names the class, or the joint of a point; by default the only attribute.
        lonely: the class of objects that consist of points only.
    """

    def __init__(self, label: Optional[str] = None, lonely: str = "object"):
        self.label, self.lonely = label, lonely

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any(_looks_right(path) for path in files(source, "*.json", "*.csv"))

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels, pictures = Labels(), {}
        found = [path for path in files(source, "*.json", "*.csv") if source.is_file() or _looks_right(path)]
        if len({path.suffix for path in found}) > 1:
            labels.note("CSV files next to JSON files are skipped", str(next(path for path in found if path.suffix == ".csv")))
            found = [path for path in found if path.suffix == ".json"]
        for path in found:
            for name, where, regions in _images(path, labels):
                picture = pictures.setdefault(name, Picture(name, where))
                self._add(picture, regions, labels)
        labels.pictures = list(pictures.values())
        return labels

    def _add(self, picture: Picture, regions: List[Region], labels: Labels) -> None:
        loose: List[Loose] = []
        for shape, said in regions:
            kind, label = shape["name"].text(), self._label(said)
            if label is None:
                labels.note("regions without a label are left out", shape.where)
            elif kind == "point":
                loose.append((label, (shape["cx"].number(), shape["cy"].number(), 2), shape.where))
            else:
                labels.kind(label)
                picture.things.append(Thing(label, shape.where, _box(shape, kind)))
        add_points(labels, picture, loose, list(picture.things), self.lonely)

    def _label(self, said: Item) -> Optional[str]:
        known = {key: value for key, value in said.items() if isinstance(value.value, (str, int)) and str(value.value).strip()}
        if self.label is not None:
            return known[self.label].label() if self.label in known else None
        if len(known) > 1:
            raise DataError(
                f"{said.where}: has several attributes, {', '.join(known)}; name the attribute of the class with --option label=NAME"
            )
        return next((value.label() for value in known.values()), None)


def _looks_right(path: Path) -> bool:
    start = begins(path)
    return (
        "region_shape_attributes" in start
        if path.suffix == ".csv"
        else '"_via_' in start or ('"regions"' in start and '"filename"' in start) or is_via3(start)
    )


def _images(path: Path, labels: Labels) -> Iterator[Tuple[str, str, List[Region]]]:
    """Yield name, location and regions of each image."""
    if path.suffix == ".csv":
        yield from _rows(path)
        return
    content = json_file(path)
    if is_project(content.dict()):
        yield from images_of(content, labels)
        return
    for _, record in (content.get("_via_img_metadata") or content).items():
        regions = record["regions"]
        listed = list(regions) if isinstance(regions.value, list) else [region for _, region in regions.items()]
        yield record["filename"].text(), record.where, [(region["shape_attributes"], region["region_attributes"]) for region in listed]


def _rows(path: Path) -> Iterator[Tuple[str, str, List[Region]]]:
    for row in named_rows(path):
        regions = []
        if row["region_count"].whole():
            shape, said = (row[key] for key in ("region_shape_attributes", "region_attributes"))
            regions = [(json_text(shape.text(), shape.where), json_text(said.text(), said.where))]
        yield row["filename"].text(), row.where, regions


def _box(shape: Item, kind: str) -> List[float]:
    number: Dict[str, float] = {key: value.number() for key, value in shape.items() if key not in ("name", "all_points_x", "all_points_y")}
    try:
        if kind == "rect":
            return [number["x"], number["y"], number["width"], number["height"]]
        if kind in ("circle", "ellipse"):
            across, down = (number["r"], number["r"]) if kind == "circle" else (number["rx"], number["ry"])
            return [number["cx"] - across, number["cy"] - down, 2 * across, 2 * down]
    except KeyError as error:
        raise DataError(f"{shape.where}: a {kind} lacks {error}") from None
    xs, ys = shape["all_points_x"].numbers(), shape["all_points_y"].numbers()
    if not xs or len(xs) != len(ys):
        raise DataError(f"{shape.where}: has {len(xs)} values of x, but {len(ys)} of y")
    return extent(xs, ys)
