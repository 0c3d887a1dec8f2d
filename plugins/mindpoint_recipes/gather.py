"""Convert annotation files of any format to one COCO dictionary per split, with file names relative to one folder."""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from mindpoint.errors import DataError
from mindpoint_coco.data_command.importing import importer_for
from mindpoint_coco.datasets.coco_file import annotation_file
from mindpoint_coco.datasets.coco_mend import mended, without_hopeless
from mindpoint_coco.datasets.image_path import leaves_folder
from mindpoint_coco.datasets.naming import Naming
from mindpoint_coco.datasets.rules import missing_list
from mindpoint_coco.importers.class_joints import joint_sets_of
from mindpoint_coco.importers.document import begins
from mindpoint_coco.importers.form import Kind
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.keypoints import Keypoints

from mindpoint_recipes.joints import class_joints, plain_ids

_VALIDATION = re.compile(r"(^|[^a-z])(val|valid|validation|dev|test)(\d*)([^a-z]|$)", re.IGNORECASE)
_AREA_FACTOR = 0.53  # typical area of a person relative to the box, on COCO's training images


@dataclass(frozen=True)
class Gathered:
    """The annotated images of all files.

    Attributes:
        splits: COCO dictionaries by ``train`` and ``val``; ``val`` exists only if a file's name marks it as validation data.
        images: the folder that file names are relative to.
        kinds: the classes in order of first appearance, with joints, lines between them, mirrored joints and tolerances. The last two come
            from an importer or from a shipped set with the same names, and are None if neither has them.
        categories: class by the name of the category in the splits. A class has several categories if files differ in its joints.
        left_out: number of unusable records.
        notes: changes and omissions of the importers.
        partial: whether some files lack some classes.
    """

    splits: Dict[str, dict]
    images: Path
    kinds: List[Kind]
    categories: Dict[str, str]
    left_out: int
    notes: List[str]
    partial: bool

    @property
    def classes(self) -> List[str]:
        """Return the names of the classes."""
        return [kind.name for kind in self.kinds]

    @property
    def sets(self) -> List[Kind]:
        """Return the sets of joints, see :func:`joint_sets_of`."""
        return joint_sets_of(self.kinds)


def gather(sources: Sequence[Path], images: Optional[Path], kind: str, options: Sequence[str] = ()) -> Gathered:
    """Read all sources, merge them by the names of their classes, and find the image files.

    Args:
        sources: annotation files, or files and folders of another tool.
        images: the folder of the images; None: next to the annotations.
        kind: name of an importer, or ``auto`` for COCO's format or the importer that recognises the source.
        options: arguments of the importer, NAME=VALUE.

    Raises:
        ConfigError: the importer does not accept an option.
        DataError: a source is unreadable or damaged, images are missing, or no data is usable.
    """
    read = [_read(source, images, kind, options) for source in sources]
    root = images or Path(os.path.commonpath([os.path.abspath(folder) for _, folder, _ in read]))
    contents = [plain_ids(content) for content, _, _ in read]
    kinds = class_joints(contents)
    parts: Dict[str, List[dict]] = {}
    left_out, partial = 0, False
    for source, content, (_, folder, _) in zip(sources, contents, read):
        before = len(content["annotations"])
        content = _usable(content, kinds, str(source))
        left_out += before - len(content["annotations"])
        partial |= len({record["category_id"] for record in content["annotations"]}) < len(kinds)
        _locate(content, source, folder, root)
        parts.setdefault("val" if _VALIDATION.search(source.stem) else "train", []).append(content)
    if list(parts) == ["val"]:
        parts = {"train": parts["val"]}
    categories = _categories([content for some in parts.values() for content in some], kinds)
    splits = {name: _joined(some, categories) for name, some in parts.items()}
    for name, split in splits.items():
        if not split["annotations"]:
            raise DataError(f"{', '.join(map(str, sources))}: no usable annotations for {'training' if name == 'train' else 'validation'}")
    owners = {record["name"]: owner for (owner, _), record in categories.items()}
    return Gathered(splits, root, kinds, owners, left_out, [note for _, _, notes in read for note in notes], partial and len(sources) > 1)


def _usable(content: dict, kinds: Sequence[Kind], source: str) -> dict:
    """Return the content with mended records, without unusable ones."""
    classes, sets = [kind.name for kind in kinds], joint_sets_of(kinds)
    fields: tuple = ()
    if sets:
        one = {"names": sets[0].joints, "flip_pairs": []}
        by_class = {"classes": {kind.name: {"names": kind.joints, "flip_pairs": []} for kind in sets}}
        keypoints = Keypoints(**(by_class if sets[0].name else one))
        fields = Naming(classes).read((keypoints.annotated(classes),), content["categories"], source)
    return without_hopeless(mended(content, classes, fields, _AREA_FACTOR if sets else 1.0), classes, fields)


def _read(source: Path, images: Optional[Path], kind: str, options: Sequence[str]) -> Tuple[dict, Path, List[str]]:
    """Return the content of a source in COCO's form, the folder that its file names are relative to, and the importer's notes."""
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    is_list = kind == "auto" and begins(source).lstrip().startswith("[")  # a format such as Label Studio's or MPII's
    if kind in ("auto", "coco") and source.suffix.lower() == ".json" and source.is_file() and not is_list and not options:
        content = annotation_file(str(source))
        if missing_list(content) is None:
            return content, images or source.parent, []
        if kind == "coco":
            raise DataError(f"{source}: {missing_list(content)}")
    importer = importer_for(kind, source, options)
    content = importer.read(source, images)
    return content, images or importer.image_folder(source), list((content.get("info") or {}).get("notes", ()))


def _locate(content: dict, source: Path, folder: Path, root: Path) -> None:
    """Make every ``file_name`` relative to the common folder of images, in place."""
    places: Optional[List[Images]] = None
    for record in content["images"]:
        name, where = str(record["file_name"]).replace("\\", "/"), f"{source}: image id {record['id']}"
        place = folder / name
        if leaves_folder(name) or not place.is_file():
            if "video" in record:
                raise DataError(
                    f"{source}: labels frames of {record['video']}; extract them first: mindpoint data import auto {source} OUT --copy"
                )
            places = places or [Images(folder), Images(folder.parent / "images")]
            # if several files have this name, prefer the file in a folder named like the source
            found = ((images.folder, images.find(f"{source.stem}/{name}", where)) for images in places)
            place = next((images / path for images, path in found if path), None)
            if place is None:
                raise DataError(f"{where} '{name}': no such file in {folder}; use --images to name its folder")
        record["file_name"] = os.path.relpath(os.path.abspath(place), os.path.abspath(root)).replace(os.sep, "/")
        if leaves_folder(record["file_name"]):
            raise DataError(f"{where}: {place} is outside {root}; use --images to name a folder that contains all images")


Form = Tuple[str, Tuple[str, ...]]
"""A class, and the joints that a file gives its objects."""


def _form(record: dict, categories: Dict[Form, dict]) -> Optional[Form]:
    """Return the form of a category record. If the record has no joints, this is the first form of its class."""
    name = record["name"]
    names = tuple(record.get("keypoints") or ())
    return (name, names) if names else next((form for form in categories if form[0] == name), None)


def _categories(contents: Sequence[dict], kinds: Sequence[Kind]) -> Dict[Form, dict]:
    """Return a category record for each form of each class, in the order of the classes."""
    found: Dict[Form, dict] = {}
    records = [record for content in contents for record in content["categories"]]
    taken = {kind.name for kind in kinds}
    for kind in kinds:
        further = (name for name in (f"{kind.name} ({count})" for count in itertools.count(2)) if name not in taken)
        name = kind.name
        for record in records:
            names = tuple(record.get("keypoints") or ())
            if record["name"] == kind.name and (kind.name, names) not in found and (names or not kind.joints):
                extra = {key: record[key] for key in ("keypoints", "skeleton") if record.get(key)}
                found[kind.name, names] = {"id": len(found) + 1, "name": name, **extra}
                name = next(further)
    return found


def _joined(contents: Sequence[dict], categories: Dict[Form, dict]) -> dict:
    """Merge contents, with new ids; an image file in several contents becomes one image."""
    out: dict = {"images": [], "annotations": [], "categories": list(categories.values())}
    ids: Dict[str, int] = {}
    for content in contents:
        own = {}
        for record in content["images"]:
            name = record["file_name"]
            if name not in ids:
                ids[name] = len(ids) + 1
                out["images"].append({"id": ids[name], "file_name": name, "width": record["width"], "height": record["height"]})
            own[record["id"]] = ids[name]
        forms = {record["id"]: _form(record, categories) for record in content["categories"]}
        for record in content["annotations"]:
            form = forms.get(record["category_id"])
            if form in categories:
                number = len(out["annotations"]) + 1
                out["annotations"].append(
                    {**record, "id": number, "image_id": own[record["image_id"]], "category_id": categories[form]["id"]}
                )
    return out


def without_joints(content: dict) -> int:
    """Return the number of objects without a labelled joint, of categories with joints; crowds do not count."""
    jointed = {record["id"] for record in content["categories"] if record.get("keypoints")}
    objects = [record for record in content["annotations"] if record["category_id"] in jointed and not record.get("iscrowd")]
    return sum(not any((record.get("keypoints") or ())[2::3]) for record in objects)


def split_by_folder(content: dict) -> Optional[Tuple[dict, dict]]:
    """Return training and validation parts of a set, by the names of the images' folders; None unless both have annotations."""
    validation = {
        record["id"] for record in content["images"] if any(_VALIDATION.search(part) for part in record["file_name"].split("/")[:-1])
    }
    used = {record["image_id"] for record in content["annotations"]}
    if not used & validation or not used - validation:
        return None
    return _part(content, lambda image_id: image_id not in validation), _part(content, lambda image_id: image_id in validation)


def split(content: dict, share: float, seed: int) -> Tuple[dict, dict]:
    """Divide the images of a set into training and validation, in the same ratio with and without objects.

    Raises:
        DataError: fewer than two images have objects.
    """
    used = {record["image_id"] for record in content["annotations"]}
    rng = np.random.default_rng(seed)
    validation: set = set()
    for group in ([r["id"] for r in content["images"] if (r["id"] in used) == full] for full in (True, False)):
        if len(group) > 1:
            count = min(len(group) - 1, max(1, round(share * len(group))))
            validation |= {group[place] for place in rng.permutation(len(group))[:count]}
    if not validation & used:
        raise DataError("only one image with annotations is found; annotate at least two, since one is used for validation")
    return _part(content, lambda image_id: image_id not in validation), _part(content, lambda image_id: image_id in validation)


def _part(content: dict, keep) -> dict:
    return {
        **content,
        "images": [record for record in content["images"] if keep(record["id"])],
        "annotations": [record for record in content["annotations"] if keep(record["image_id"])],
    }
