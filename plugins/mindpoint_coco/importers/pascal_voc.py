"""Pascal VOC: an XML file of boxes for each image."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Sequence, Tuple
from xml.etree import ElementTree

from mindpoint.errors import ConfigError, DataError

from mindpoint_coco.importers.document import Item, begins, files, xml_file
from mindpoint_coco.importers.form import Labels, Picture, Thing, corners
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.tool import LabelImporter


class PascalVoc(LabelImporter):
    """Boxes and classes of the files ``*.xml`` in a folder.

    Args:
        one_based: the first pixel is 1 and the last one is inside, as in the original data; many tools count from 0.
        difficult: keep objects that are marked as difficult, as crowds, which neither count as found nor as missed.
        classes: names of the categories, numbered from 1 in this order, with those that no object has. Not given: those of the objects, in
            the order in which they come up.

    Raises:
        ConfigError: ``classes`` is not a list of different names.
    """

    def __init__(self, one_based: bool = False, difficult: bool = True, classes: Sequence[str] = ()):
        if isinstance(classes, str) or len(set(map(str, classes))) < len(classes):
            raise ConfigError(f"PascalVoc: classes is {classes}; it must be a list of different names, such as [dog, cat]")
        self.one_based, self.difficult, self.classes = one_based, difficult, [str(name) for name in classes]

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any("<annotation>" in begins(path) for path in _files(source)[:1])

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels = Labels()
        for name in self.classes:
            labels.kind(name)
        for path in _files(source):
            root = xml_file(path)
            if root.tag != "annotation":
                raise DataError(f"{path}: begins with <{root.tag}>, not <annotation>")
            picture = Picture(_image_name(path, root, images), str(path), _size(root))
            for number, item in enumerate(root.findall("object"), 1):
                self._add(item, f"{path}: object {number}", picture, labels)
            labels.pictures.append(picture)
        return labels

    def _add(self, item: ElementTree.Element, where: str, picture: Picture, labels: Labels) -> None:
        crowd = (item.findtext("difficult") or "0").strip() == "1"
        if crowd and not self.difficult:
            return
        label = (item.findtext("name") or "").strip()
        if not label:
            raise DataError(f"{where}: has no name")
        if self.classes and label not in self.classes:
            raise DataError(f"{where}: has the class '{label}', which is not among {', '.join(self.classes)}; name it in 'classes'")
        labels.kind(label)
        picture.things.append(Thing(label, where, self._box(where, item), crowd=crowd))

    def _box(self, where: str, item: ElementTree.Element) -> List[float]:
        """Return left, top, width, height, whichever corner comes first. Only the object's own box counts, not those of its parts."""
        box = item.find("bndbox")
        texts = [None if box is None else box.findtext(side) for side in ("xmin", "ymin", "xmax", "ymax")]
        if None in texts:
            raise DataError(f"{where}: 'bndbox' must hold the numbers xmin, ymin, xmax and ymax")
        left, top, width, height = corners(*(Item(text, f"{where}: bndbox").number() for text in texts))
        return [left - 1, top - 1, width + 1, height + 1] if self.one_based else [left, top, width, height]


def _files(source: Path) -> List[Path]:
    return files(source, "*.xml", "*.XML")


def _image_name(path: Path, root: ElementTree.Element, images: Images) -> str:
    """Return the name that ``filename`` says, or that of the XML file if no image is called so."""
    said = (root.findtext("filename") or "").strip()
    return said if said and images.find(said, str(path)) else path.stem


def _size(root: ElementTree.Element) -> Optional[Tuple[int, int]]:
    """Return width and height; None where they are absent or 0, as some tools write."""
    try:
        width, height = (int(float(root.findtext(f"size/{side}"))) for side in ("width", "height"))
    except (TypeError, ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None
