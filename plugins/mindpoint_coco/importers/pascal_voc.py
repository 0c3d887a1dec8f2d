"""Pascal VOC: an XML file of boxes for each image."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Dict, List, Optional, Sequence
from xml.etree import ElementTree

from mindpoint.contracts.importer import Importer
from mindpoint.errors import ConfigError, DataError
from mindpoint.storage.images import read_image

_IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_MOST_BYTES = 16 << 20


class PascalVoc(Importer):
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
        files = _files(source)
        if not files:
            return False
        with open(files[0], "rb") as file:
            return b"<annotation>" in file.read(2000)

    def read(self, source: Path, images: Optional[Path] = None) -> dict:
        """See :class:`Importer`."""
        files = _files(source)
        if not files:
            raise DataError(f"{source}: holds no .xml files")
        folder = images or self.image_folder(source)
        known = {path.name.lower(): path.name for path in sorted(folder.iterdir()) if path.suffix.lower() in _IMAGES}
        truth: dict = {"images": [], "annotations": [], "categories": []}
        categories = {label: number for number, label in enumerate(self.classes, 1)}
        for path in files:
            root = _root(path)
            name = _image_name(path, root, known)
            image_id = len(truth["images"]) + 1
            width, height = _size(path, root, folder / name)
            truth["images"].append({"id": image_id, "file_name": name, "width": width, "height": height})
            for number, item in enumerate(root.findall("object"), 1):
                where = f"{path}: object {number}"
                crowd = (item.findtext("difficult") or "0").strip() == "1"
                if crowd and not self.difficult:
                    continue
                label = (item.findtext("name") or "").strip()
                if not label:
                    raise DataError(f"{where}: has no name")
                if self.classes and label not in categories:
                    raise DataError(f"{where}: has the class '{label}', which is not among {', '.join(self.classes)}; name it in 'classes'")
                box = self._box(where, item)
                truth["annotations"].append(
                    {
                        "id": len(truth["annotations"]) + 1,
                        "image_id": image_id,
                        "category_id": categories.setdefault(label, len(categories) + 1),
                        "bbox": box,
                        "area": box[2] * box[3],
                        "iscrowd": int(crowd),
                    }
                )
        truth["categories"] = [{"id": number, "name": label} for label, number in categories.items()]
        return truth

    def _box(self, where: str, item: ElementTree.Element) -> List[float]:
        """Return left, top, width, height, whichever corner comes first. Only the object's own box counts, not those of its parts."""
        box = item.find("bndbox")
        try:
            left, top, right, bottom = (float(box.findtext(side)) for side in ("xmin", "ymin", "xmax", "ymax"))
        except (AttributeError, TypeError, ValueError):
            raise DataError(f"{where}: 'bndbox' must hold the numbers xmin, ymin, xmax and ymax") from None
        if not all(map(math.isfinite, (left, top, right, bottom))):
            raise DataError(f"{where}: 'bndbox' holds a number that is not finite")
        left, right, top, bottom = min(left, right), max(left, right), min(top, bottom), max(top, bottom)
        if self.one_based:
            left, top = left - 1, top - 1
        return [left, top, right - left, bottom - top]


def _files(source: Path) -> List[Path]:
    if source.is_file():
        return [source] if source.suffix.lower() == ".xml" else []
    return sorted(path for path in source.glob("*") if path.suffix.lower() == ".xml" and path.is_file())


def _root(path: Path) -> ElementTree.Element:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise DataError(f"{path}: has {len(data)} bytes; an annotation of one image has at most {_MOST_BYTES}")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise DataError(f"{path}: declares a document type, which annotations do not need; remove the declaration")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        line, column = error.position
        raise DataError(f"{path}:{line}:{column + 1}: not XML: {error}") from error
    if root.tag != "annotation":
        raise DataError(f"{path}: begins with <{root.tag}>, not <annotation>")
    return root


def _image_name(path: Path, root: ElementTree.Element, known: Dict[str, str]) -> str:
    """Return the name of the image as it is in the folder: as ``filename`` says, with another ending, or like the XML file."""
    said = Path((root.findtext("filename") or "").strip().replace("\\", "/")).name
    for stem in dict.fromkeys([said, Path(said).stem, path.stem]):
        for ending in ("", *_IMAGES):
            if stem and f"{stem}{ending}".lower() in known:
                return known[f"{stem}{ending}".lower()]
    raise DataError(f"{path}: its image '{said or path.stem}' is not in the folder of images; name the folder with --images")


def _size(path: Path, root: ElementTree.Element, image: Path) -> List[int]:
    try:
        width, height = (int(float(root.findtext(f"size/{side}"))) for side in ("width", "height"))
    except (TypeError, ValueError, OverflowError):
        width = height = 0
    if width > 0 and height > 0:
        return [width, height]
    pixels = read_image(image)
    return [pixels.shape[1], pixels.shape[0]]
