"""YOLO: a text file for each image, with boxes, polygons, or boxes with joints in fractions of width and height."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import yaml
from mindpoint.errors import DataError

from mindpoint_coco.importers.document import Item, begins, text_file
from mindpoint_coco.importers.form import Labels, Picture, Thing, extent
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.joint_sets import named_joints
from mindpoint_coco.importers.tool import LabelImporter

_NAMES = ("classes.txt", "obj.names", "_darknet.labels")
_NUMBER = r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?"
_LINE = re.compile(rf"\s*\d+(?:\s+{_NUMBER}){{4,}}\s*$")
_MOST_SHARE = 2.0  # boxes may extend a little beyond the image; pixels are far larger


class Yolo(LabelImporter):
    """An importer of YOLO's text files (Ultralytics, Darknet), with or without joints, in a folder and its subfolders.

    Class names come from a YAML file with ``names``, ``classes.txt`` or ``obj.names``. Images without a text file are images without
    objects. Lines of polygons become the boxes around them.

    Args:
        joints: names of the joints in the order of the columns, or the name of a shipped set such as ``coco``; the labels do not
            contain them. By default the file's ``kpt_names``, or 0, 1, 2, ...
    """

    def __init__(self, joints: Sequence[str] = ()):
        self.joints = named_joints(joints, "Yolo")

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any(_LINE.match(begins(path).partition("\n")[0]) for path in _label_files(source))

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels = Labels()
        texts = _label_files(source)
        if not texts:
            raise DataError(f"{source}: has no label files (.txt)")
        facts = _Facts(source if source.is_dir() else source.parent, labels, self.joints)
        labelled = set()
        for path in texts:
            name = path.relative_to(source).as_posix() if source.is_dir() else path.name
            picture = Picture(_image_path(name), str(path), relative=True)
            labelled.add(images.find(picture.name, picture.where))
            for number, line in enumerate(text_file(path).splitlines(), 1):
                if line.strip():
                    picture.things.append(_thing(line.split(), f"{path}:{number}", facts))
            labels.pictures.append(picture)
        empty = [name for name in images.names if name not in labelled and source.is_dir()]
        labels.pictures += [Picture(name, name, relative=True) for name in empty]
        if empty:
            labels.note("images without labels count as images without objects", empty[0], len(empty))
        return labels


class _Facts:
    """Names of classes and joints, and the number of columns per joint, which label files lack."""

    def __init__(self, folder: Path, labels: Labels, joints: Sequence[str]):
        self.labels, self.joints = labels, list(joints)
        said = _said(folder, labels)
        self.names = _class_names(folder, said)
        shape = said.get("kpt_shape")
        self.shape: Optional[Tuple[int, int]] = None
        if shape is not None:
            self.shape = tuple(item.whole(1) for item in shape)
            if len(self.shape) != 2 or self.shape[1] not in (2, 3) or self.shape[0] > 1000:
                raise DataError(f"{shape.where}: is {shape.value}; it must be [number of joints, 2 or 3]")
        if self.joints and self.shape and len(self.joints) != self.shape[0]:
            raise DataError(f"{shape.where}: gives {self.shape[0]} joints, but 'joints' names {len(self.joints)}")
        self.kinds = said.get("kpt_names")
        self.pairs = self._pairs(said.get("flip_idx"))
        for name in self.names.values():
            self.kind(name)

    def kind(self, name: str):
        kind = self.labels.kind(name)
        if self.shape and not kind.joints:
            kind.joints = self.joints or self._own_joints(name) or [str(number) for number in range(self.shape[0])]
            kind.pairs = self.pairs
        return kind

    def _own_joints(self, name: str) -> List[str]:
        if self.kinds is None:
            return []
        value = self.kinds.value
        for number, label in self.names.items():
            if isinstance(value, dict) and label == name and number in value:
                value = value[number]
        names = [item.label() for item in Item(value, self.kinds.where)]
        if len(names) != self.shape[0] or len(set(names)) != len(names):
            raise DataError(f"{self.kinds.where}: must name {self.shape[0]} distinct joints")
        return names

    def _pairs(self, said: Optional[Item]) -> Optional[List[Tuple[int, int]]]:
        """Return the mirrored pairs of ``flip_idx``; None if it is missing or invalid."""
        if said is None or self.shape is None:
            return None
        index, count = said.value, self.shape[0]
        if not isinstance(index, list) or sorted(map(str, index)) != sorted(map(str, range(count))):
            self.labels.note(f"{said.where}: must have one entry for each of {count} joints; pairs are guessed from names")
            return None
        numbers = [int(number) for number in index]
        if any(numbers[numbers[joint]] != joint for joint in range(count)):
            self.labels.note(f"{said.where}: does not swap joints in pairs; pairs are guessed from names")
            return None
        return [(joint, other) for joint, other in enumerate(numbers) if joint < other]


def _thing(cells: List[str], where: str, facts: _Facts) -> Thing:
    label = Item(cells[0], f"{where}: class").whole()
    if facts.names and label not in facts.names:
        raise DataError(f"{where}: class {label} is not among the {len(facts.names)} named classes")
    kind = facts.kind(facts.names.get(label, f"class {label}"))
    numbers = [Item(cell, f"{where}: column {column}").number() for column, cell in enumerate(cells[1:], 2)]
    thing, columns, count = Thing(kind.name, where), len(cells), facts.shape[0] if facts.shape else 0
    for entries in (3, 2) if count else ():
        if columns == 5 + count * entries:
            if entries != facts.shape[1]:
                facts.labels.note(f"lines with {entries} columns per joint, but kpt_shape gives {facts.shape[1]}", where)
            thing.points = _points(numbers[4:], entries, where, facts.labels)
    if columns == 6 and not count:
        facts.labels.note("lines with a sixth column, which is ignored as a score", where)
    elif columns >= 7 and columns % 2 and not thing.points:
        thing.box = extent(_shares(numbers[0::2], where), _shares(numbers[1::2], where))
        facts.labels.note("polygons become the boxes around them", where)
        return thing
    elif columns != 5 and not thing.points:
        wanted = f"5 (box) or, with {count} joints, {' or '.join(str(5 + count * entries) for entries in (2, 3))}" if count else "5"
        raise DataError(
            f"{where}: has {columns} columns, not {wanted}; set the number of joints with 'kpt_shape' in the data set's YAML file"
        )
    x, y, width, height = _shares(numbers[:4], where)
    thing.box = [x - width / 2, y - height / 2, width, height]
    return thing


def _shares(numbers: List[float], where: str) -> List[float]:
    if max(map(abs, numbers)) > _MOST_SHARE:
        raise DataError(f"{where}: {max(numbers, key=abs):g} is not a fraction of the image's width or height; are these pixels?")
    return numbers


def _points(numbers: List[float], entries: int, where: str, labels: Labels) -> List[float]:
    points: List[float] = []
    for start in range(0, len(numbers), entries):
        x, y = numbers[start : start + 2]
        if entries == 2:
            seen = 2 if (x, y) != (0, 0) else 0
        else:
            seen = numbers[start + 2]
            if seen not in (0, 1, 2):
                labels.note("visibilities other than 0, 1 and 2 become 0 if below 0.5, otherwise 2", where)
                seen = 0 if seen < 0.5 else 2
        points += [x, y, int(seen)]
    if entries == 2:
        labels.note("objects without visibilities: joints at 0, 0 become unlabelled, all others visible", where)
    return points


def _label_files(source: Path) -> List[Path]:
    """Return the text files in folders named ``labels``; without such folders, all except lists of classes or paths."""
    if source.is_file():
        return [source] if source.suffix.lower() == ".txt" else []
    texts = sorted(path for path in source.rglob("*.txt") if path.is_file() and not path.name.startswith("."))
    inside = [path for path in texts if "labels" in path.relative_to(source).parts[:-1]]
    if inside or source.name == "labels":
        return inside or [path for path in texts if path.name not in _NAMES]
    return [path for path in texts if path.name not in _NAMES and _LINE.match(begins(path).partition("\n")[0])]


def _image_path(name: str) -> str:
    """Return the path, without ending, of a text file's image: ``labels`` in the path is replaced by ``images``."""
    parts = name[: -len(".txt")].split("/")
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "labels":
            parts[place] = "images"
            break
    return "/".join(parts)


def _said(folder: Path, labels: Labels) -> Dict[str, Item]:
    """Return the keys of the data set's YAML file, in the folder or above ``labels``. A block that is not YAML is skipped and reported."""
    places = [
        folder,
        *[above for above in (folder.parent, folder.parent.parent) if folder.name in ("labels", "train", "val", "valid", "test")],
    ]
    for path in (path for place in places for path in sorted([*place.glob("*.yaml"), *place.glob("*.yml")])):
        found: Dict[str, Item] = {}
        blocks = re.split(r"(?m)^(?=[^\s#\-\]}])", text_file(path))
        line = 1
        for block in blocks:
            try:
                value = yaml.safe_load(block)
                found.update({str(key): Item(child, f"{path}: {key}") for key, child in (value or {}).items() if child is not None})
            except (yaml.YAMLError, AttributeError, TypeError, ValueError, RecursionError):
                labels.note(f"{path}:{line}: skipped, since it is not YAML")
            line += block.count("\n")
        if found.keys() & {"names", "nc", "kpt_shape"}:
            return found
    return {}


def _class_names(folder: Path, said: Dict[str, Item]) -> Dict[int, str]:
    names = said.get("names")
    if names is not None:
        pairs = names.value.items() if isinstance(names.value, dict) else enumerate(names.list())
        found = {Item(number, names.where).whole(): Item(name, f"{names.where}: {number}").label() for number, name in pairs}
    else:
        places = [folder, folder.parent] if folder.name == "labels" else [folder]
        path = next((place / name for place in places for name in _NAMES if (place / name).is_file()), None)
        lines = text_file(path).splitlines() if path else []
        found = {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    if len(set(found.values())) < len(found):
        raise DataError(f"{names.where if names is not None else path}: names a class twice")
    return found
