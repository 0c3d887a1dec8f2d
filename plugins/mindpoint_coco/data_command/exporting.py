"""mindpoint data export"""

from __future__ import annotations

import argparse
import csv
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Dict, List, Tuple

from mindpoint.contracts.action import DataAction

from mindpoint_coco.data_command.command import add_data

if TYPE_CHECKING:
    from mindpoint_coco.data_command.source import Source

DESCRIPTION = """Write annotated images for other programs. yolo: images, labels and data.yaml of Ultralytics,
with boxes or, if there are joints, boxes with joints (yolo-pose). coco: images/SPLIT and annotations/SPLIT.json. csv: SPLIT.csv, a row per
object, without images. Image files are hard-linked, or copied if they are on another disk."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", metavar="FORMAT", choices=sorted(_FORMATS), help=f"{', '.join(sorted(_FORMATS))}")
    add_data(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the files, new or empty")


def run(args: argparse.Namespace) -> int:
    from mindpoint.storage.files import atomic_folder

    from mindpoint_coco.data_command.source import sources

    write, with_images, joints = _FORMATS[args.format]
    found = {source: _sound(source, joints) for source in sources(args, with_images)}
    with atomic_folder(args.out) as folder:
        if with_images:
            for source, content in found.items():
                _place_images(source, content, folder / "images" / source.name)
        write(found, folder)
    for source, content in found.items():
        print(f"{source.name}: {len(content['images'])} images, {len(content['annotations'])} objects in {args.out}")
    return 0


def _sound(source: Source, joints: bool) -> dict:
    """Return the valid content of a source. Raises DataError at the first mistake, or if it lacks ``joints``."""
    from mindpoint.errors import DataError

    if joints and source.keypoints is None:
        raise DataError(f"{source.origin}: has no joints; export it as yolo")
    return source.sound()


def _place_images(source: Source, content: dict, folder: Path) -> None:
    """Put all image files into a folder under their names; images that do not come from files are written as PNG.

    Raises:
        DataError: a file is missing, a name leads out of the folder, or two images share a name apart from its ending.
    """
    from mindpoint.errors import DataError
    from mindpoint.storage.files import duplicate
    from mindpoint.storage.images import write_image

    from mindpoint_coco.datasets.image_path import leaves_folder

    taken = set()
    for record in content["images"]:
        name = record["file_name"]
        if leaves_folder(name):
            raise DataError(
                f"{source.origin}: image {record['id']}: its name '{name}' leads out of the folder of images; use a name inside it"
            )
        if os.path.splitext(name)[0] in taken:
            raise DataError(
                f"{source.origin}: image {record['id']}: another image has the same name as '{name}', apart from its ending; rename one"
            )
        taken.add(os.path.splitext(name)[0])
        origin = source.file and source.file(record)
        if origin is None:
            record["file_name"] = name = str(Path(name).with_suffix(".png"))
        elif not os.path.isfile(origin):
            raise DataError(f"{origin}: no such image file (image {record['id']} of {source.origin})")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if origin is None:
            write_image(path, source.image(record))
        else:
            duplicate(Path(os.path.realpath(origin)), path)


def _write_coco(found: Dict[Source, dict], folder: Path) -> None:
    (folder / "annotations").mkdir()
    for source, content in found.items():
        (folder / "annotations" / f"{source.name}.json").write_text(json.dumps(content), encoding="utf-8")


def _write_yolo(found: Dict[Source, dict], folder: Path) -> None:
    import yaml

    first = next(iter(found))
    folders: Dict[str, List[str]] = {}
    for source in found:
        folders.setdefault(source.split, []).append(f"images/{source.name}")
    splits = {split: names if names[1:] else names[0] for split, names in folders.items()}
    train = splits.get("train", splits[first.split])
    said: Dict[str, object] = {"train": train, "val": train, **splits}
    said["names"] = dict(enumerate(first.classes))
    if first.keypoints is not None:
        said["kpt_shape"] = [len(first.keypoints), 3]
        said["flip_idx"] = first.keypoints.flip_index.tolist()
        said["kpt_names"] = {label: list(first.keypoints.names) for label in range(len(first.classes))}
    (folder / "data.yaml").write_text(yaml.safe_dump(said, sort_keys=False, allow_unicode=True, default_flow_style=None), encoding="utf-8")
    for source, content in found.items():
        labels = {record["id"]: source.classes.index(record["name"]) for record in content["categories"]}
        for record, own in _by_image(content):
            path = folder / "labels" / source.name / Path(record["file_name"]).with_suffix(".txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{_line(annotation, record, labels, source)}\n" for annotation in own if not annotation["iscrowd"]))


def _line(annotation: dict, image: dict, labels: Dict[int, int], source: Source) -> str:
    """Return class, centre, size and joints as fractions of the image's width and height."""
    left, top, width, height = annotation["bbox"]
    across, down = image["width"], image["height"]
    numbers = [(left + width / 2) / across, (top + height / 2) / down, width / across, height / down]
    if source.keypoints is not None:
        points = _all_joints(source, labels[annotation["category_id"]], annotation, 0)
        for x, y, seen in zip(points[0::3], points[1::3], points[2::3]):
            numbers += [x / across, y / down, int(seen)] if seen > 0 else [0, 0, 0]
    return " ".join([str(labels[annotation["category_id"]]), *(f"{number:.6f}".rstrip("0").rstrip(".") for number in numbers)])


def _all_joints(source: Source, label: int, annotation: dict, absent: object) -> list:
    """Return x, y, visibility of all joints of an object; ``absent`` for a joint that its class does not have."""
    from mindpoint_coco.datasets.coco_check import joints_of

    given, numbers = annotation["keypoints"], [absent] * (3 * len(source.keypoints))
    for number, place in enumerate(joints_of(source.fields).set_of(label).places):
        numbers[3 * place : 3 * place + 3] = given[3 * number : 3 * number + 3]
    return numbers


def _write_csv(found: Dict[Source, dict], folder: Path) -> None:
    from mindpoint.inference.writers import harmless_cell

    for source, content in found.items():
        names = {record["id"]: record["name"] for record in content["categories"]}
        labels = {record["id"]: source.classes.index(record["name"]) for record in content["categories"]}
        joints = source.keypoints.names if source.keypoints is not None else ()
        with open(folder / f"{source.name}.csv", "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            head = ["image", "width", "height", "object", "class", "left", "top", "box width", "box height", "area", "crowd"]
            table.writerow([*head, *(harmless_cell(f"{name} {part}") for name in joints for part in ("x", "y", "v"))])
            for record, own in _by_image(content):
                for annotation in own:
                    numbers = [*annotation["bbox"], annotation["area"], annotation["iscrowd"]]
                    numbers += _all_joints(source, labels[annotation["category_id"]], annotation, "") if joints else ()
                    place = [record["file_name"], record["width"], record["height"], annotation["id"], names[annotation["category_id"]]]
                    table.writerow([*map(harmless_cell, place), *numbers])


def _by_image(content: dict) -> List[Tuple[dict, List[dict]]]:
    """Return each image with its annotations."""
    own: Dict[int, List[dict]] = {record["id"]: [] for record in content["images"]}
    for annotation in content["annotations"]:
        own[annotation["image_id"]].append(annotation)
    return [(record, own[record["id"]]) for record in content["images"]]


_Writer = Callable[[Dict["Source", dict], Path], None]
_FORMATS: Dict[str, Tuple[_Writer, bool, bool]] = {  # writer, whether it writes images, whether it requires joints
    "coco": (_write_coco, True, False),
    "csv": (_write_csv, False, False),
    "yolo": (_write_yolo, True, False),
    "yolo-pose": (_write_yolo, True, True),
}


class Export(DataAction):
    """write annotated images for other programs: YOLO, COCO, CSV"""

    description = DESCRIPTION
    examples = ("mindpoint data export yolo mine.yaml --out yolo",)
    add_arguments, run = staticmethod(add_arguments), staticmethod(run)
