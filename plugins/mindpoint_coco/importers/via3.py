"""Projects of VGG Image Annotator 3, in the terms of version 2.

The layout is described under "Structure of VIA Project JSON File" in VIA's own CodeDoc.md,
https://gitlab.com/vgg/via/-/blob/master/via-3.x.y/CodeDoc.md: ``file`` and ``view`` name the images, ``attribute`` the attributes and their
options, and ``metadata`` holds the regions, each a number for its shape with coordinates in pixels.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Dict, Iterator, List, Tuple

import numpy as np
from mindpoint.errors import DataError

from mindpoint_coco.importers.document import Item
from mindpoint_coco.importers.form import Labels

_KEYS = ("project", "config", "attribute", "file", "metadata", "view")
_NAMES = {  # names of the coordinates of each shape by its number
    1: ("point", ("cx", "cy")),
    2: ("rect", ("x", "y", "width", "height")),
    3: ("circle", ("cx", "cy", "r")),
    4: ("ellipse", ("cx", "cy", "rx", "ry")),
}
_VERTICES = {5: "line", 6: "polyline", 7: "polygon", 8: "extreme_rect"}
_RIM = 9  # a circle as three points of its rim
_IMAGE = 2  # type of a file
_CHOICES = (2, 3, 4, 5)  # types of attributes whose values are ids of options


def is_via3(start: str) -> bool:
    """Return whether a file begins like a project."""
    return '"project"' in start and ('"vid_list"' in start or "VGG Image Annotator" in start)


def is_project(content: dict) -> bool:
    """Return whether a JSON file is a project."""
    return all(isinstance(content.get(key), dict) for key in _KEYS)


def images_of(content: Item, labels: Labels) -> Iterator[Tuple[str, str, List[Tuple[Item, Item]]]]:
    """Yield name and location of each image, and its regions with their attributes, as in VIA 2."""
    attributes = {key: (said["aname"].label(), said) for key, said in content["attribute"].items()}
    regions: Dict[str, List[Item]] = {}
    for _, said in content["metadata"].items():
        regions.setdefault(said["vid"].label(), []).append(said)
    files, views = dict(content["file"].items()), dict(content["view"].items())
    for lost in (said for view, own in regions.items() if view not in views for said in own):
        labels.note("regions of views that the project lacks are left out", lost.where)
    for view, shown in views.items():
        ids = [number.label() for number in shown["fid_list"]]
        absent = [number for number in ids if number not in files]
        if absent:
            raise DataError(f"{shown.where}: shows the file {absent[0]}, which 'file' lacks")
        if len(ids) != 1 or files[ids[0]]["type"].whole() != _IMAGE:
            labels.note("views of videos, sounds and several files are left out", shown.where)
            continue
        file = files[ids[0]]
        own = [said for said in regions.get(view, ()) if said["xy"].list()]
        if len(own) < len(regions.get(view, ())):
            labels.note("descriptions of whole images are left out", shown.where)
        yield _name(file), shown.where, [(_shape(said["xy"]), _attributes(said["av"], attributes)) for said in own]


def _name(file: Item) -> str:
    """Return the path of an image, or the name if its content is part of the project."""
    source, name = file.get("src"), file["fname"].text()
    path = source.text().split("?")[0] if source is not None and source.value else ""
    return path if PurePosixPath(path.replace("\\", "/")).name.lower() == PurePosixPath(name).name.lower() else name


def _shape(said: Item) -> Item:
    number, values = said[0].whole(), said.numbers()[1:]
    if number in _NAMES and len(values) >= len(_NAMES[number][1]):
        kind, names = _NAMES[number]
        return Item({"name": kind, **dict(zip(names, values))}, said.where)
    if number in _VERTICES and len(values) >= 4 and not len(values) % 2:
        return Item({"name": _VERTICES[number], "all_points_x": values[0::2], "all_points_y": values[1::2]}, said.where)
    if number == _RIM and len(values) == 6:
        return Item({"name": "circle", **_circle(values, said.where)}, said.where)
    raise DataError(f"{said.where}: is not a shape of VIA 3 with its coordinates: {[number, *values[:8]]}")


def _circle(values: List[float], where: str) -> Dict[str, float]:
    """Return centre and radius of the circle through three points; all three have the same distance from the centre."""
    first, second, third = np.reshape(values, (3, 2))
    sides = np.array([second - first, third - first])
    if abs(np.linalg.det(sides)) < 1e-9:
        raise DataError(f"{where}: the three points of a circle lie on a line")
    middle = np.linalg.solve(sides, (sides**2).sum(axis=1) / 2)
    return dict(zip(("cx", "cy", "r"), [*(first + middle).tolist(), float(np.hypot(*middle))]))


def _attributes(said: Item, known: Dict[str, Tuple[str, Item]]) -> Item:
    """Return the values of attributes by their names, with the texts of chosen options."""
    found = {}
    for key, value in said.items():
        name, attribute = known.get(key, (key, None))
        if value.value in ("", None):
            continue
        options = attribute.get("options") if attribute is not None and attribute["type"].whole() in _CHOICES else None
        found[name] = value.value if options is None else _chosen(value.label(), options)
    return Item(found, said.where)


def _chosen(ids: str, options: Item) -> str:
    """Return the texts of the options with these ids, which commas separate. An id without a text is kept."""
    return ",".join(str(options.dict().get(one) or one) for one in ids.split(","))
