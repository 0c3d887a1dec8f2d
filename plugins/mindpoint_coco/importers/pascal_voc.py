"""Pascal VOC: an XML file of boxes for each image."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Sequence, Tuple
from xml.etree import ElementTree

from mindpoint.errors import ConfigError, DataError

from mindpoint_coco.importers.document import Item, begins, files, text_file, xml_file
from mindpoint_coco.importers.form import Labels, Picture, Thing, corners
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.tool import LabelImporter

_MARKS = ("difficult", "truncated", "occluded")


class PascalVoc(LabelImporter):
    """An importer of Pascal VOC: boxes and classes of the files ``*.xml`` in a folder, or of a folder with ``Annotations`` and
    ``JPEGImages``.

    The marks ``difficult``, ``truncated`` and ``occluded`` of an object become keys of its annotation, 0 or 1.

    Args:
        one_based: pixels are counted from 1, and the last one is inside, as in the original data; many tools count from 0.
        difficult: keep objects marked as difficult; they become crowds, which the evaluation ignores.
        classes: names of the categories, numbered from 1 in this order, including unused ones. By default they are the classes of the
            objects, in the order of first occurrence.
        split: read only the images that ``ImageSets/Main/SPLIT.txt`` lists, next to ``Annotations``: ``train``, ``val``, ``test``.

    Raises:
        ConfigError: ``classes`` is not a list of distinct names, or ``split`` is not a file name.
    """

    def __init__(self, one_based: bool = False, difficult: bool = True, classes: Sequence[str] = (), split: str = ""):
        if isinstance(classes, str) or len(set(map(str, classes))) < len(classes):
            raise ConfigError(f"PascalVoc: classes is {classes}; it must be a list of distinct names, such as [dog, cat]")
        if not isinstance(split, str) or Path(split).name != split:
            raise ConfigError(f"PascalVoc: split is {split!r}; it must be the name of a list in ImageSets/Main, such as train")
        self.one_based, self.difficult, self.classes, self.split = one_based, difficult, [str(name) for name in classes], split

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any("<annotation>" in begins(path) for path in _files(source)[:1])

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels = Labels()
        for name in self.classes:
            labels.kind(name)
        for path in self._chosen(source):
            root = xml_file(path)
            if root.tag != "annotation":
                raise DataError(f"{path}: begins with <{root.tag}>, not <annotation>")
            picture = Picture(_image_name(path, root, images), str(path), _size(root))
            for number, item in enumerate(root.findall("object"), 1):
                self._add(item, f"{path}: object {number}", picture, labels)
            labels.pictures.append(picture)
        return labels

    def _add(self, item: ElementTree.Element, where: str, picture: Picture, labels: Labels) -> None:
        marks = {mark: _marked(where, item, mark) for mark in _MARKS if item.find(mark) is not None}
        difficult = marks.get("difficult", 0) == 1
        if difficult and not self.difficult:
            return
        label = (item.findtext("name") or "").strip()
        if not label:
            raise DataError(f"{where}: has no name")
        if self.classes and label not in self.classes:
            raise DataError(f"{where}: has the class '{label}', which is not among {', '.join(self.classes)}; add it to 'classes'")
        labels.kind(label)
        picture.things.append(Thing(label, where, self._box(where, item), crowd=difficult, extra=marks))

    def image_folder(self, source: Path) -> Path:
        """See :class:`Importer`; ``JPEGImages`` next to the folder ``Annotations``, if it exists."""
        annotations = _annotations(source)
        images = annotations.parent / "JPEGImages"
        return images if annotations.name == "Annotations" and images.is_dir() else super().image_folder(source)

    def _chosen(self, source: Path) -> List[Path]:
        """Return the XML files of the split. Raises DataError if its list, or a file that it lists, is missing."""
        found = _files(source)
        if not self.split:
            return found
        lists = _annotations(source).parent / "ImageSets" / "Main"
        listing = lists / f"{self.split}.txt"
        if not listing.is_file():
            there = ", ".join(sorted(path.stem for path in lists.glob("*.txt"))) or "none"
            raise DataError(f"{listing}: no such file; available splits: {there}")
        by_name = {path.stem: path for path in found}
        chosen = []
        for number, line in enumerate(text_file(listing).splitlines(), 1):
            name = (line.split() or [""])[0]  # a second column tells whether a class is in the image
            if name and name not in by_name:
                raise DataError(f"{listing}:{number}: '{name}' has no file {name}.xml in {_annotations(source)}")
            chosen += [by_name[name]] if name else []
        return chosen

    def _box(self, where: str, item: ElementTree.Element) -> List[float]:
        """Return left, top, width, height for corners in any order. Boxes of the object's parts are ignored."""
        box = item.find("bndbox")
        texts = [None if box is None else box.findtext(side) for side in ("xmin", "ymin", "xmax", "ymax")]
        if None in texts:
            raise DataError(f"{where}: 'bndbox' must hold the numbers xmin, ymin, xmax and ymax")
        left, top, width, height = corners(*(Item(text, f"{where}: bndbox").number() for text in texts))
        return [left - 1, top - 1, width + 1, height + 1] if self.one_based else [left, top, width, height]


def _annotations(source: Path) -> Path:
    """Return the folder of the XML files."""
    if source.is_file():
        return source.parent
    return source / "Annotations" if (source / "Annotations").is_dir() else source


def _files(source: Path) -> List[Path]:
    return files(source if source.is_file() else _annotations(source), "*.xml", "*.XML")


def _marked(where: str, item: ElementTree.Element, mark: str) -> int:
    """Return 1 if an object has the mark, otherwise 0; a mark without a value counts as 0."""
    text = (item.findtext(mark) or "").strip().lower()
    try:
        return {"": 0, "0": 0, "1": 1, "false": 0, "true": 1}[text]
    except KeyError:
        raise DataError(f"{where}: '{mark}' is '{text}', neither 0 nor 1") from None


def _image_name(path: Path, root: ElementTree.Element, images: Images) -> str:
    """Return the name in ``filename``, or the name of the XML file if no image has that name."""
    said = (root.findtext("filename") or "").strip()
    return said if said and images.find(said, str(path)) else path.stem


def _size(root: ElementTree.Element) -> Optional[Tuple[int, int]]:
    """Return width and height; None where they are absent or 0, as some tools write."""
    try:
        width, height = (int(float(root.findtext(f"size/{side}"))) for side in ("width", "height"))
    except (TypeError, ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None
