"""mindpoint data import"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Dict, List, Sequence

from mindpoint.contracts.action import DataAction
from mindpoint.contracts.importer import Importer
from mindpoint.errors import ConfigError, DataError
from mindpoint.registry import registry

if TYPE_CHECKING:
    from mindpoint_coco.importers.form import Kind

DESCRIPTION = """Read the annotations of another tool and write them as a COCO annotation file, OUT/annotations.json; with joints, also
write OUT/joints.yaml, a base for configurations. Images stay in place unless --link or --copy is given. 'mindpoint plugins list
importers' lists the formats."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", metavar="FORMAT", help="name of the format, or auto: the one that recognises SOURCE")
    parser.add_argument("source", metavar="SOURCE", type=Path, help="the file or folder that the tool wrote")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder for the annotation file, new or empty")
    parser.add_argument("--images", metavar="DIR", type=Path, help="folder of the images (default: depends on the format)")
    places = parser.add_mutually_exclusive_group()
    places.add_argument("--link", action="store_true", help="hard-link the images to OUT/images (copy them if OUT is on another disk)")
    places.add_argument("--copy", action="store_true", help="copy the images to OUT/images; both options also extract frames of videos")
    parser.add_argument("--option", metavar="NAME=VALUE", action="append", default=[], help="set an argument of the format's importer")


def run(args: argparse.Namespace) -> int:
    from mindpoint.storage.files import atomic_folder, duplicate

    if not args.source.exists():
        raise DataError(f"{args.source}: no such file or folder")
    if args.images is not None and not args.images.is_dir():
        raise DataError(f"{args.images}: no such folder (--images)")
    importer = importer_for(args.format, args.source, args.option)
    truth = importer.read(args.source, args.images)
    origin = args.images or importer.image_folder(args.source)
    frames = [record for record in truth["images"] if "video" in record]
    if frames and not (args.link or args.copy):
        raise DataError(
            f"{args.source}: {len(frames)} images are frames of videos such as {frames[0]['video']}; extract them to OUT/images with --copy"
        )
    with atomic_folder(args.out) as folder:
        (folder / "annotations.json").write_text(json.dumps(truth), encoding="utf-8")
        joints = _joints(truth)
        if joints:
            (folder / "joints.yaml").write_text(joints, encoding="utf-8")
        if args.link or args.copy:
            _place_images(truth["images"], origin, folder / "images", duplicate if args.link else shutil.copyfile)
    for note in (truth.get("info") or {}).get("notes", ()):
        print(f"note: {note}")
    images = args.out / "images" if args.link or args.copy else origin
    classes = ", ".join(record["name"] for record in truth["categories"])
    count = f"{len(truth['images'])} images, {len(truth['annotations'])} objects of the classes {classes}"
    advice = f"check them with: mindpoint data check {args.out / 'annotations.json'} --images {images}"
    print(f"{args.out / 'annotations.json'}: {count}\n{advice}")
    return 0


def _joints(truth: dict) -> str:
    """Return a base configuration with the classes and their joints; an empty text without joints."""
    import yaml

    from mindpoint_coco.importers.class_joints import joint_sets_of, shared_joints

    kinds = [_kind(record) for record in truth["categories"]]
    sets = joint_sets_of(kinds)
    if not sets:
        return ""
    blocks = [_block(kind) for kind in sets]
    if sets[0].name:
        shared = shared_joints(sets, [block["flip_pairs"] for block in blocks])
        keypoints: dict = {"classes": {kind.name: block for kind, block in zip(sets, blocks)}, "shared": shared}
    else:
        keypoints = blocks[0]
    content = {"classes": [kind.name for kind in kinds], "keypoints": {"_replace_": True, **keypoints}}
    said = "# Classes and joints of annotations.json. Check flip_pairs: these joints are swapped in mirrored images.\n"
    return said + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=130, default_flow_style=None)


def _kind(category: dict) -> "Kind":
    """Return the class of a category that an importer has written."""
    from mindpoint_coco.importers.form import Kind

    names = category.get("keypoints") or []
    lines = [(first - 1, second - 1) for first, second in category.get("skeleton") or ()]
    pairs = [(names.index(first), names.index(second)) for first, second in category.get("flip_pairs") or ()]
    return Kind(str(category["name"]), names, lines, pairs, category.get("sigmas"))


def _block(kind: "Kind") -> dict:
    """Return the joints of a class in the form of the configuration's section ``keypoints``."""
    skeleton, pairs = ([[kind.joints[end] for end in line] for line in lines] for lines in (kind.skeleton, kind.pairs or ()))
    return {"names": kind.joints, "skeleton": skeleton, "flip_pairs": pairs, **({"sigmas": kind.sigmas} if kind.sigmas else {})}


def _place_images(records: List[dict], origin: Path, folder: Path, place: Callable[[Path, Path], object]) -> None:
    """Put all images into a folder under the names of their records, and extract frames of videos."""
    from mindpoint_coco.importers.video_frames import write_frames

    videos: Dict[str, Dict[int, Path]] = {}
    for record in records:
        path = folder / record["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if "video" in record:
            videos.setdefault(record["video"], {})[record["frame"]] = path
        else:
            place(origin / record["file_name"], path)
    for video, places in videos.items():
        write_frames(origin / video, places)


def importer_for(name: str, source: Path, options: Sequence[str] = ()) -> Importer:
    """Return the importer of a format, or for ``auto`` the one that recognises the source; ``options`` are arguments, NAME=VALUE.

    Raises:
        ConfigError: an option that the importer does not take. DataError: not exactly one format recognises the source.
    """
    return _importer(_recognized(source) if name == "auto" else name, options)


def _importer(name: str, options: Sequence[str]) -> Importer:
    from mindpoint.config.node import Problems
    from mindpoint.config.text import parse

    arguments = {}
    for text in options:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--option {text}: write NAME=VALUE")
        problems = Problems()
        arguments[key] = parse(value, str, problems).plain()
        problems.raise_any()
    make = registry("importers").get(name, "mindpoint data import")
    try:
        return make(**arguments)
    except TypeError as error:
        raise ConfigError(f"--option: {name} does not accept these arguments: {error}") from error


def _recognized(source: Path) -> str:
    """Return the name of the one importer that recognises the source."""
    names = registry("importers").names()
    found = [name for name in names if _importer(name, []).recognizes(source)]
    if len(found) != 1:
        reason = f"looks like {' and '.join(found)}" if found else "its format is unknown"
        raise DataError(f"{source}: {reason}; name the format: {', '.join(names)}")
    return found[0]


class Import(DataAction):
    """convert annotations of another tool to a COCO annotation file"""

    description = DESCRIPTION
    examples = ("mindpoint data import auto export mine --copy",)
    add_arguments, run = staticmethod(add_arguments), staticmethod(run)
