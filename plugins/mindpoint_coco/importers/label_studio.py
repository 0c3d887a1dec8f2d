"""Label Studio: JSON and JSON-MIN."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Dict, List, Optional, Tuple
from urllib.parse import parse_qs, unquote, urlsplit

from mindpoint.errors import DataError

from mindpoint_coco.importers.document import Item, begins, files, json_file, xml_file
from mindpoint_coco.importers.form import Labels, Picture, Point, Thing, extent
from mindpoint_coco.importers.grouping import Loose, add_points
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.tool import LabelImporter

_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")  # prefix of the names of uploaded files


class LabelStudio(LabelImporter):
    """An importer of Label Studio's tasks, exported as JSON or JSON-MIN.

    Keypoints belong to the rectangle that ``parentID`` or a relation names (JSON-MIN has neither), or else to the rectangle that contains
    them. If a task has several annotations, the one marked as ground truth is used, or else the first that was not cancelled. The order
    of joints comes from the labelling configuration (an XML file next to the export), or else from their first occurrence. The format
    lacks visibility: all points count as visible.

    Args:
        lonely: the class of objects that consist of points only.
    """

    def __init__(self, lonely: str = "object"):
        self.lonely = lonely

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any(_looks_right(path) for path in files(source, "*.json"))

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels = Labels()
        found = [path for path in files(source, "*.json") if source.is_file() or _looks_right(path)]
        contents = {path: json_file(path) for path in found}
        whole = [path for path, content in contents.items() if any("annotations" in task.dict() for task in content)]
        for path in found:
            if whole and path not in whole:
                labels.note("JSON-MIN files next to a full export are skipped", str(path))
                continue
            order = _joint_order(path.parent)
            for task in contents[path]:
                picture = self._picture(task, order, labels)
                if picture is not None:
                    labels.pictures.append(picture)
        return labels

    def _picture(self, task: Item, order: List[str], labels: Labels) -> Optional[Picture]:
        if "annotations" in task.dict():
            regions = [region for region in _chosen(task, labels) if _is_region(region)]
            relations = [region for region in _chosen(task) if region.get("type") and region["type"].value == "relation"]
            name = _image_name(task["data"])
        else:
            regions = [
                Item({"value": region.value, **region.dict()}, region.where)
                for key, value in task.items()
                if isinstance(value.value, list)
                for region in value
                if isinstance(region.value, dict) and "x" in region.value
            ]
            relations, name = [], _image_name(task)
        picture, points, things = Picture(name, task.where), [], {}
        loose: List[Loose] = []
        for region in regions:
            width, height = region["original_width"].whole(1), region["original_height"].whole(1)
            picture.size = width, height
            value, label = region["value"], _label(region["value"])
            if label is None:
                labels.note("regions without a label are left out", region.where)
                continue
            x_unit, y_unit = width / 100, height / 100
            if "points" not in value.dict() and "height" not in value.dict() and "radiusX" not in value.dict():
                points.append((label, (value["x"].number() * x_unit, value["y"].number() * y_unit, 2), region))
                continue
            thing = Thing(label, region.where, _box(value, x_unit, y_unit))
            labels.kind(label)
            picture.things.append(thing)
            things[_id(region)] = thing
        owners = _owners(points, relations, things)
        named: Dict[int, Dict[str, Point]] = {}
        for label, point, region in points:
            owner = owners.get(_id(region))
            if owner is None:
                loose.append((label, point, region.where))
            elif named.setdefault(id(owner), {}).setdefault(label, point) != point:
                raise DataError(f"{region.where}: its object has two points '{label}'")
        for thing in picture.things:
            if order and (id(thing) in named or loose):
                labels.kind(thing.kind).points(dict.fromkeys(order, (0, 0, 0)))
            if id(thing) in named:
                thing.points = labels.kind(thing.kind).points(named[id(thing)])
        if not picture.things and order and loose:
            labels.kind(self.lonely).points(dict.fromkeys(order, (0, 0, 0)))
        add_points(labels, picture, loose, [thing for thing in picture.things if id(thing) not in named], self.lonely)
        return picture


def _looks_right(path: Path) -> bool:
    start = begins(path, 1 << 16)
    return start.lstrip().startswith("[") and (
        '"original_width"' in start or ('"annotations"' in start and '"data"' in start and '"id"' in start)
    )


def _chosen(task: Item, labels: Optional[Labels] = None) -> List[Item]:
    """Return the regions of the annotation to use."""
    usable = [item for item in task["annotations"] if not (item.get("was_cancelled") and item["was_cancelled"].value)]
    sure = [item for item in usable if item.get("ground_truth") and item["ground_truth"].value]
    if len(usable) > 1 and labels is not None:
        labels.note("tasks with several annotations: the ground truth is used, or else the first", task.where)
    return list((sure or usable)[0]["result"]) if usable else []


def _is_region(region: Item) -> bool:
    value = region.get("value")
    return value is not None and isinstance(value.value, dict) and ("x" in value.value or "points" in value.value)


def _id(region: Item) -> object:
    found = region.get("id")
    return found.label() if found is not None else region.where


def _label(value: Item) -> Optional[str]:
    """Return the first label of a region, whichever control it belongs to."""
    for key, labels in value.items():
        if key.endswith("labels") and isinstance(labels.value, list) and labels.value:
            return labels[0].label()
    return None


def _owners(points: List[Tuple[str, Point, Item]], relations: List[Item], things: Dict[object, Thing]) -> Dict[object, Thing]:
    """Return the object of each key point, by the point's id."""
    found, keys = {}, {_id(region) for _, _, region in points}
    for relation in relations:
        ends = relation["from_id"].label(), relation["to_id"].label()
        for point, thing in (ends, ends[::-1]):
            if point in keys and thing in things:
                found[point] = things[thing]
    for _, _, region in points:
        parent = region.get("parentID")
        if parent is not None and parent.label() in things:
            found[_id(region)] = things[parent.label()]
    return found


def _box(value: Item, x_unit: float, y_unit: float) -> List[float]:
    """Return the axis-aligned box around a rectangle, ellipse or polygon in percent of the image; a rectangle is rotated about its
    corner."""
    if "points" in value.dict():
        places = [place.numbers(2) for place in value["points"]]
        if not places:
            raise DataError(f"{value.where}: has no points")
        return extent([x * x_unit for x, _ in places], [y * y_unit for _, y in places])
    x, y = value["x"].number() * x_unit, value["y"].number() * y_unit
    turn = value.get("rotation")
    angle = math.radians(turn.number()) if turn is not None else 0.0
    if "radiusX" in value.dict():
        across, down = value["radiusX"].number() * x_unit, value["radiusY"].number() * y_unit
        half = math.hypot(across * math.cos(angle), down * math.sin(angle)), math.hypot(across * math.sin(angle), down * math.cos(angle))
        return [x - half[0], y - half[1], 2 * half[0], 2 * half[1]]
    across, down = value["width"].number() * x_unit, value["height"].number() * y_unit
    places = [(i * across, j * down) for i in (0, 1) for j in (0, 1)]
    turned = [(x + a * math.cos(angle) - b * math.sin(angle), y + a * math.sin(angle) + b * math.cos(angle)) for a, b in places]
    return extent([a for a, _ in turned], [b for _, b in turned]) if angle else [x, y, across, down]


def _image_name(data: Item) -> str:
    """Return the path of a task's image: in a URL, the path or the value of ``?d=``."""
    texts = [value for key, value in data.items() if isinstance(value.value, str)]
    named = data.get("image") or data.get("img") or next(iter(texts), None)
    if named is None:
        raise DataError(f"{data.where}: names no image")
    address = urlsplit(named.text().replace("\\", "/"))
    path = parse_qs(address.query).get("d", [address.path])[0]
    folder, slash, name = unquote(path).rpartition("/")
    return f"{folder}{slash}{_UPLOADED.sub('', name)}"


def _joint_order(folder: Path) -> List[str]:
    """Return the joints of the labelling configuration in the folder, ordered by ``model_index`` where given; empty without such a file."""
    for path in files(folder, "*.xml"):
        if "<View" in begins(path):
            found = [label for control in xml_file(path).iter("KeyPointLabels") for label in control.iter("Label")]
            numbered = sorted(
                found, key=lambda label: int(label.get("model_index")) if (label.get("model_index") or "").isdecimal() else 10**9
            )
            return list(dict.fromkeys(label.get("value") for label in numbered if label.get("value")))
    return []
