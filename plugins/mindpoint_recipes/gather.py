"""Convert annotation files of any format to one COCO dictionary per split, with file names relative to one folder."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from mindpoint.errors import DataError
from mindpoint_coco.data_command.importing import importer_for
from mindpoint_coco.datasets.category_joints import distinct, lines_of
from mindpoint_coco.datasets.coco_file import annotation_file
from mindpoint_coco.datasets.coco_mend import mended, without_hopeless
from mindpoint_coco.datasets.image_path import leaves_folder
from mindpoint_coco.datasets.rules import missing_list
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.joint_sets import set_with
from mindpoint_coco.keypoints import Keypoints

_VALIDATION = re.compile(r"(^|[^a-z])(val|valid|validation|dev|test)(\d*)([^a-z]|$)", re.IGNORECASE)
_AREA_FACTOR = 0.53  # typical area of a person relative to the box, on COCO's training images


@dataclass(frozen=True)
class Gathered:
    """The annotated images of all files.

    Attributes:
        splits: COCO dictionaries by ``train`` and ``val``; ``val`` exists only if a file's name marks it as validation data.
        images: the folder that file names are relative to.
        classes: category names in order of first appearance.
        joints, skeleton: names of the joints, and lines between them as pairs of 0-based indices; empty without joints.
        pairs, sigmas: names of mirrored joints, and the tolerance of each joint. They come from an importer or from a shipped set with the
            same names, and are None if neither has them.
        left_out: number of unusable records.
    """

    splits: Dict[str, dict]
    images: Path
    classes: List[str]
    joints: List[str]
    skeleton: List[Tuple[int, int]]
    pairs: Optional[List[Tuple[str, str]]]
    sigmas: Optional[List[float]]
    left_out: int


def gather(sources: Sequence[Path], images: Optional[Path], kind: str) -> Gathered:
    """Read all sources, merge them by the names of their classes, and find the image files.

    Args:
        sources: annotation files, or files and folders of another tool.
        images: the folder of the images; None: next to the annotations.
        kind: name of an importer, or ``auto`` for COCO's format or the importer that recognises the source.

    Raises:
        DataError: a source is unreadable or damaged, images are missing, categories have different joints, or no data is usable.
    """
    contents = [_read(source, images, kind) for source in sources]
    root = images or Path(os.path.commonpath([os.path.abspath(folder) for _, folder in contents]))
    joints, skeleton = _joints(sources, [content for content, _ in contents])
    pairs, sigmas = _known([content for content, _ in contents], joints)
    shipped = set_with(joints)
    if shipped is not None:
        skeleton = skeleton or list(shipped.skeleton)
        pairs = [(joints[a], joints[b]) for a, b in shipped.flip_pairs] if pairs is None else pairs
        sigmas = shipped.sigmas.tolist() if sigmas is None else sigmas
    classes = _classes([content for content, _ in contents], bool(joints))
    fields = (Keypoints(joints, skeleton).annotated(),) if joints else ()
    parts: Dict[str, List[dict]] = {}
    left_out = 0
    for source, (content, folder) in zip(sources, contents):
        before = len(content["annotations"])
        content = without_hopeless(mended(content, classes, fields, _AREA_FACTOR if joints else 1.0), classes, fields)
        left_out += before - len(content["annotations"])
        _locate(content, source, folder, root)
        parts.setdefault("val" if _VALIDATION.search(source.stem) else "train", []).append(content)
    if list(parts) == ["val"]:
        parts = {"train": parts["val"]}
    splits = {name: _joined(some, classes, joints, skeleton) for name, some in parts.items()}
    for name, split in splits.items():
        if not split["annotations"]:
            raise DataError(f"{', '.join(map(str, sources))}: no usable annotations for {'training' if name == 'train' else 'validation'}")
    return Gathered(splits, root, classes, joints, skeleton, pairs, sigmas, left_out)


def _read(source: Path, images: Optional[Path], kind: str) -> Tuple[dict, Path]:
    """Return the content of a source in COCO's form, and the folder that its file names are relative to."""
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    if kind in ("auto", "coco") and source.suffix.lower() == ".json" and source.is_file():
        content = annotation_file(str(source))
        if missing_list(content) is None:
            return content, images or source.parent
        if kind == "coco":
            raise DataError(f"{source}: {missing_list(content)}")
    importer = importer_for(kind, source)
    return importer.read(source, images), images or importer.image_folder(source)


def _classes(contents: Sequence[dict], with_joints: bool) -> List[str]:
    """Return the names of the categories that have annotations; with joints, only of those that have joints."""
    names: List[str] = []
    for content in contents:
        used = {record.get("category_id") for record in content["annotations"] if isinstance(record, dict)}
        for record in content["categories"]:
            if isinstance(record, dict) and record.get("id") in used and (record.get("keypoints") or not with_joints):
                name = str(record.get("name"))
                names += [] if name in names else [name]
    return names


def _joints(sources: Sequence[Path], contents: Sequence[dict]) -> Tuple[List[str], List[Tuple[int, int]]]:
    """Return names and skeleton of the joints. If no category names them, the annotations tell how many there are."""
    names: List[str] = []
    skeleton: List[Tuple[int, int]] = []
    for source, content in zip(sources, contents):
        for record in content["categories"]:
            own = record.get("keypoints") if isinstance(record, dict) else None
            if not isinstance(own, list) or not own:
                continue
            own = distinct(own)
            if names and own != names:
                raise DataError(
                    f"{source}: category '{record.get('name')}' has the joints {', '.join(own)}, but others have {', '.join(names)}; "
                    "a network has one set of joints, so use one file per set"
                )
            names, skeleton = own, lines_of({**record, "keypoints": own}) or skeleton
    if not names:
        lengths = Counter(
            len(record["keypoints"]) // 3
            for content in contents
            for record in content["annotations"]
            if isinstance(record, dict) and isinstance(record.get("keypoints"), list) and record["keypoints"]
        )
        if lengths:
            count = lengths.most_common(1)[0][0]
            names = [f"joint{number}" for number in range(1, count + 1)]
            for content in contents:
                for record in content["categories"]:
                    if isinstance(record, dict):
                        record["keypoints"] = names
    return names, skeleton


def _known(contents: Sequence[dict], joints: Sequence[str]) -> Tuple[Optional[List[Tuple[str, str]]], Optional[List[float]]]:
    """Return the mirrored pairs and sigmas that importers have written into the categories, if they fit the joints."""
    pairs = sigmas = None
    for content in contents:
        for record in content["categories"]:
            if not isinstance(record, dict) or record.get("keypoints") != list(joints):
                continue
            said, values = record.get("flip_pairs"), record.get("sigmas")
            if said and isinstance(said, list) and all(_is_pair(pair, joints) for pair in said):
                pairs = [(first, second) for first, second in said]
            if isinstance(values, list) and len(values) == len(joints) and all(type(v) in (int, float) and 0 < v < 10 for v in values):
                sigmas = values
    return pairs, sigmas


def _is_pair(value: object, joints: Sequence[str]) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(one in joints for one in value)


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
            # of several files with this name, prefer the one in a folder named like the source
            found = ((images.folder, images.find(f"{source.stem}/{name}", where)) for images in places)
            place = next((images / path for images, path in found if path), None)
            if place is None:
                raise DataError(f"{where} '{name}': no such file in {folder}; use --images to name its folder")
        record["file_name"] = os.path.relpath(os.path.abspath(place), os.path.abspath(root)).replace(os.sep, "/")
        if leaves_folder(record["file_name"]):
            raise DataError(f"{where}: {place} is outside {root}; use --images to name a folder that contains all images")


def _joined(contents: Sequence[dict], classes: Sequence[str], joints: Sequence[str], skeleton: Sequence[Tuple[int, int]]) -> dict:
    """Merge contents and assign new ids. An image file that occurs in several contents becomes one image."""
    extra = {"keypoints": list(joints), "skeleton": [[a + 1, b + 1] for a, b in skeleton]} if joints else {}
    out: dict = {"images": [], "annotations": [], "categories": [{"id": n, "name": name, **extra} for n, name in enumerate(classes, 1)]}
    ids: Dict[str, int] = {}
    for content in contents:
        own = {}
        for record in content["images"]:
            name = record["file_name"]
            if name not in ids:
                ids[name] = len(ids) + 1
                out["images"].append({"id": ids[name], "file_name": name, "width": record["width"], "height": record["height"]})
            own[record["id"]] = ids[name]
        names = {record["id"]: record["name"] for record in content["categories"]}
        for record in content["annotations"]:
            if names.get(record["category_id"]) in classes:
                number, label = len(out["annotations"]) + 1, list(classes).index(names[record["category_id"]]) + 1
                out["annotations"].append({**record, "id": number, "image_id": own[record["image_id"]], "category_id": label})
    return out


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
        raise DataError("only one image has annotations; annotate at least two, since one is used for validation")
    return _part(content, lambda image_id: image_id not in validation), _part(content, lambda image_id: image_id in validation)


def _part(content: dict, keep) -> dict:
    return {
        **content,
        "images": [record for record in content["images"] if keep(record["id"])],
        "annotations": [record for record in content["annotations"] if keep(record["image_id"])],
    }
