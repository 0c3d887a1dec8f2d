"""CVAT's own XML, of images and of videos."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Dict, List, Optional, Tuple
from xml.etree import ElementTree

from mindpoint.errors import DataError

from mindpoint_coco.importers.document import Item, attributes, begins, files, xml_file
from mindpoint_coco.importers.form import Labels, Picture, Point, Thing, corners, extent
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.tool import LabelImporter

_SHAPES = ("box", "skeleton", "polygon", "polyline", "points", "ellipse", "cuboid", "mask")
_TAG, _ATTRIBUTE = re.compile(r"<(line|circle)\b([^>]*)>"), re.compile(r'([\w-]+)="([^"]*)"')


class Cvat(LabelImporter):
    """An importer of boxes, outlines and skeletons of "CVAT for images 1.1" and "CVAT for video 1.1".

    Joints that are marked as outside are not labelled, occluded ones are hidden. Frames between key frames are used as interpolated by the
    tool. Frames of a video are images named by the frame's number, or else are extracted from the video.

    Args:
        keyframes: use only key frames, not interpolated ones.
    """

    def __init__(self, keyframes: bool = False):
        self.keyframes = keyframes

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any("<annotations>" in begins(path) for path in files(source, "*.xml"))

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels = Labels()
        for path in files(source, "*.xml"):
            root = xml_file(path)
            if root.tag == "annotations":
                self._read(root, path, labels)
            elif source.is_file():
                raise DataError(f"{path}: begins with <{root.tag}>, not <annotations>")
        return labels

    def _read(self, root: ElementTree.Element, path: Path, labels: Labels) -> None:
        for label in root.iterfind("meta//labels/label"):
            _declare(label, labels, str(path))
        for number, element in enumerate(root.iterfind("image"), 1):
            said = attributes(element, f"{path}: image {element.get('id', number)}")
            size = said["width"].whole(1), said["height"].whole(1)
            picture = Picture(said["name"].text(), said.where, size)
            for order, shape in enumerate(element, 1):
                self._add(shape, f"{said.where}: shape {order}", shape.get("label", ""), picture, labels)
            labels.pictures.append(picture)
        self._tracks(root, path, labels)

    def _tracks(self, root: ElementTree.Element, path: Path, labels: Labels) -> None:
        tasks = {task.findtext("id"): task for task in root.iterfind("meta//task")}
        first = root.find("meta//task") if root.find("meta//task") is not None else root.find("meta//job")
        frames: Dict[Tuple[str, int], Picture] = {}
        for number, track in enumerate(root.iterfind("track"), 1):
            where = f"{path}: track {track.get('id', number)}"
            task = tasks.get(track.get("task_id"), first)
            video, size = _video(task, where)
            for shape in track:
                frame = attributes(shape, f"{where}: frame {shape.get('frame')}")["frame"].whole()
                if self.keyframes and shape.get("keyframe") == "0":
                    continue
                name = f"{Path(video).stem}_{frame:06d}"
                picture = frames.setdefault((video, frame), Picture(name, f"{path}: frame {frame}", size, video=video, frame=frame))
                self._add(shape, f"{where}: frame {frame}", track.get("label", ""), picture, labels)
        labels.pictures += [frames[key] for key in sorted(frames)]

    def _add(self, shape: ElementTree.Element, where: str, label: str, picture: Picture, labels: Labels) -> None:
        if shape.tag not in _SHAPES or shape.get("outside") == "1":
            return
        if not label:
            labels.note("shapes without a label are left out", where)
            return
        if shape.tag == "points":
            labels.note("points outside skeletons are left out, since they have no names", where)
            return
        kind, thing = labels.kind(label), Thing(label, where)
        if shape.tag == "skeleton":
            thing.points = kind.points(dict(_joint(joint, where) for joint in shape.iterfind("points")))
        else:
            thing.box = _box(shape, where)
        picture.things.append(thing)


def _declare(label: ElementTree.Element, labels: Labels, where: str) -> None:
    """Add a class with the joints and lines of its skeleton."""
    name, parent = (label.findtext("name") or "").strip(), (label.findtext("parent") or "").strip()
    if not name:
        raise DataError(f"{where}: a label in <meta> has no name")
    if parent:
        labels.kind(parent).points({name: (0, 0, 0)})
        return
    kind, nodes = labels.kind(name), {}
    drawn = [(tag, dict(_ATTRIBUTE.findall(rest))) for tag, rest in _TAG.findall(label.findtext("svg") or "")]
    for tag, said in drawn:
        if tag == "circle" and said.get("data-label-name"):
            nodes[said.get("data-node-id")] = said["data-label-name"]
    kind.points(dict.fromkeys(nodes.values(), (0, 0, 0)))
    for tag, said in drawn:
        ends = [nodes.get(said.get(f"data-node-{end}")) for end in ("from", "to")]
        if tag == "line" and None not in ends and ends[0] != ends[1]:
            line = kind.joints.index(ends[0]), kind.joints.index(ends[1])
            kind.skeleton += [] if line in kind.skeleton else [line]


def _joint(element: ElementTree.Element, where: str) -> Tuple[str, Point]:
    said = attributes(element, where)
    name = said["label"].text()
    if element.get("outside") == "1":
        return name, (0, 0, 0)
    places = _places(said["points"].text(), f"{where}: joint '{name}'")
    if len(places) != 1:
        raise DataError(f"{where}: joint '{name}' has {len(places)} positions instead of one")
    return name, (*places[0], 1 if element.get("occluded") == "1" else 2)


def _places(text: str, where: str) -> List[Tuple[float, float]]:
    places = [pair.split(",") for pair in text.split(";")]
    if any(len(pair) != 2 for pair in places):
        raise DataError(f"{where}: positions must be pairs of numbers, got {text[:60]}")
    return [(Item(x, where).number(), Item(y, where).number()) for x, y in places]


def _box(shape: ElementTree.Element, where: str) -> List[float]:
    """Return the axis-aligned box around a shape."""
    said = attributes(shape, where)
    number = lambda key: said[key].number()  # noqa: E731
    if shape.tag == "box":
        box = corners(number("xtl"), number("ytl"), number("xbr"), number("ybr"))
    elif shape.tag == "mask":
        box = [number("left"), number("top"), number("width"), number("height")]
    elif shape.tag == "ellipse":
        x, y, across, down = number("cx"), number("cy"), number("rx"), number("ry")
        box = [x - across, y - down, 2 * across, 2 * down]
    elif shape.tag == "cuboid":
        keys = [key for key in said.value if re.fullmatch(r"[xy][tb][lr]\d", key)]
        places = [[said[key].number() for key in sorted(keys) if key[0] == axis] for axis in "xy"]
        if not all(places):
            raise DataError(f"{where}: the corners of the cuboid are missing")
        box = extent(*places)
    else:
        places = _places(said["points"].text(), where)
        box = extent([x for x, _ in places], [y for _, y in places])
    return _turned(box, math.radians(said["rotation"].number())) if "rotation" in said.value and shape.tag in ("box", "ellipse") else box


def _turned(box: List[float], angle: float) -> List[float]:
    """Return the axis-aligned box around a box that is rotated about its centre."""
    across, down = (
        abs(box[2] * math.cos(angle)) + abs(box[3] * math.sin(angle)),
        abs(box[2] * math.sin(angle)) + abs(box[3] * math.cos(angle)),
    )
    return [box[0] + (box[2] - across) / 2, box[1] + (box[3] - down) / 2, across, down] if angle else box


def _video(task: Optional[ElementTree.Element], where: str) -> Tuple[str, Optional[Tuple[int, int]]]:
    """Return file name and size of the video of a task."""
    if task is None:
        return "frame", None
    size = task.find("original_size")
    if size is None:
        return (task.findtext("source") or "frame").strip(), None
    width, height = (Item(size.findtext(side), f"{where}: original_size: {side}").whole(1) for side in ("width", "height"))
    return (task.findtext("source") or "frame").strip(), (width, height)
