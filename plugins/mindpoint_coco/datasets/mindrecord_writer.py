"""Writing a COCO-style data set as MindRecord files that :class:`MindRecordKeypoints` and MindSpore's MindDataset read."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
from pathlib import Path
from typing import Dict, Iterator, List

import mindspore
import numpy as np
from mindspore.mindrecord import FileWriter

from mindpoint._version import __version__
from mindpoint.contracts.data import Dataset
from mindpoint_coco.keypoints import Keypoints
from mindpoint.storage.files import atomic_folder
from mindpoint.errors import DataError, OutputError
from mindpoint.runtime.progress import track
from mindpoint_coco.datasets.coco import CocoKeypoints
from mindpoint_coco.datasets.mindrecord import (
    FORMAT,
    INDEXED,
    MANIFEST,
    REAL,
    SCHEMA,
    WHOLE,
    MindRecordKeypoints,
    checksum,
    file_hash,
    read_manifest,
    shapes,
)

_NAME = "images.mindrecord"
_CHUNK = 64 << 20  # bytes handed to MindSpore at once
_SMALLEST_PAGE, _LARGEST_PAGE = 4 << 20, 256 << 20  # bytes; the second is MindSpore's limit
_PAGE_ENTRY = 512  # bytes that a page takes in the header, with room to spare


def convert(dataset: Dataset, keypoints: Keypoints, out: Path, shards: int, overwrite: bool) -> dict:
    """Write ``dataset`` into the folder ``out`` and read every record back. The folder appears when it is complete.

    Args:
        shards: number of files, no more than there are images.
        overwrite: replace ``out`` if it holds a converted data set.

    Returns:
        The manifest.

    Raises:
        DataError: a data set that is not read from image files, an image file that is missing, or something that cannot be stored.
        OutputError: ``out`` is in use, or there is no space.
    """
    if not isinstance(dataset, CocoKeypoints):
        hint = "; 'mindpoint synthesize' writes drawn people to files" if not isinstance(dataset, MindRecordKeypoints) else ""
        raise DataError(f"{dataset}: only data sets of the type CocoKeypoints can be converted{hint}")
    if out.is_dir() and any(out.iterdir()):
        try:
            read_manifest(str(out))
        except DataError as error:
            raise OutputError(f"{out}: holds something that is not replaced ({error}); choose another --out, or remove it") from error
        if not overwrite:
            raise OutputError(f"{out}: holds converted data already; --verify looks whether it is sound, --overwrite replaces it")
    dataset = copy.copy(dataset)
    dataset.reduce_to = None  # images are copied as they are
    truth = dataset.ground_truth()
    with atomic_folder(out, overwrite) as folder:
        with _mindspore_errors(out):
            _write(dataset, truth, len(keypoints), folder, min(shards, len(dataset)))
        manifest = _manifest(dataset, truth, keypoints, folder)
        _read_back(folder, keypoints, dataset.classes)
    return manifest


def _write(dataset: CocoKeypoints, truth: dict, joints: int, folder: Path, shards: int) -> None:
    sizes = [_row_size(dataset, index, joints) for index in range(len(dataset))]
    largest = int(np.argmax(sizes))
    page = max(_SMALLEST_PAGE, _power_of_two(2 * sizes[largest]))
    if page > _LARGEST_PAGE:
        raise DataError(f"{dataset.path(largest)}: is too large for a MindRecord page, which holds {_LARGEST_PAGE // 2} bytes")
    writer = FileWriter(str(folder / _NAME), shards)
    writer.set_page_size(page)
    writer.set_header_size(max(1 << 20, _power_of_two(_PAGE_ENTRY * (sum(sizes) // page + shards + 2))))
    schema = {name: {"type": kind} for name, kind in INDEXED.items()}
    kinds = {**{name: np.dtype(dtype).name for name, dtype in WHOLE.items()}, **{name: "float64" for name in REAL}}
    schema.update((name, {"type": kinds[name], "shape": shape}) for name, shape in shapes(joints).items())
    writer.add_schema({**schema, "image": {"type": "bytes"}}, f"{FORMAT}, schema {SCHEMA}")
    writer.add_index(list(INDEXED))
    chunk, held = [], 0
    for record in track(_records(dataset, truth, joints), len(dataset), "converting"):
        chunk.append(record)
        held += len(record["image"])
        if held > _CHUNK:
            writer.write_raw_data(chunk)
            chunk, held = [], 0
    if chunk:
        writer.write_raw_data(chunk)
    writer.commit()


def _records(dataset: CocoKeypoints, truth: dict, joints: int) -> Iterator[dict]:
    images = {record["id"]: record for record in truth["images"]}
    objects: Dict[int, List[dict]] = {image_id: [] for image_id in images}
    for record in truth["annotations"]:
        objects[record["image_id"]].append(record)
    for index, image_id in enumerate(dataset.image_ids.tolist()):
        record, image = images[image_id], dataset.file_bytes(index)
        arrays = _arrays(objects[image_id], joints)
        yield {
            "position": index,
            "image_id": image_id,
            "file_name": record["file_name"],
            "height": record["height"],
            "width": record["width"],
            "objects": len(objects[image_id]),
            "checksum": checksum(image, arrays),
            "image": image,
            **arrays,
        }


def _arrays(objects: List[dict], joints: int) -> Dict[str, np.ndarray]:
    sources = {
        "annotation_ids": "id",
        "category_ids": "category_id",
        "crowd": "iscrowd",
        "num_keypoints": "num_keypoints",
        "areas": "area",
        "boxes": "bbox",
        "keypoints": "keypoints",
    }
    arrays = {}
    for name, shape in shapes(joints).items():
        rows = max(1, len(objects))
        arrays[name] = np.zeros((rows, *shape[1:]), WHOLE.get(name, np.float64))
        for row, record in enumerate(objects):
            arrays[name][row] = np.reshape(record[sources[name]], shape[1:])
    return arrays


def _row_size(dataset: CocoKeypoints, index: int, joints: int) -> int:
    """Bytes that a record takes, or a little less than that; pages hold whole records, so the largest sets their size."""
    path = dataset.path(index)
    return (os.path.getsize(path) if os.path.isfile(path) else 0) + len(dataset.objects(index)) * (24 * joints + 100)


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


def _manifest(dataset: CocoKeypoints, truth: dict, keypoints: Keypoints, folder: Path) -> dict:
    """Write what tells that the files are complete."""
    files = {}
    for path in sorted(folder.iterdir()):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        files[path.name] = {"size": path.stat().st_size, "sha256": file_hash(str(path))}
    manifest = {
        "format": FORMAT,
        "schema": SCHEMA,
        "source": {"annotations": dataset.annotations, "images": dataset.images},
        "written_by": {"mindpoint": __version__, "mindspore": mindspore.__version__},
        "keypoints": list(keypoints.names),
        "categories": truth["categories"],
        "images": len(dataset),
        "objects": len(truth["annotations"]),
        "files": files,
    }
    path = folder / MANIFEST
    path.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    for name in files:  # MindSpore lets only the owner read them
        shutil.copymode(path, folder / name)
    return manifest


def _read_back(folder: Path, keypoints: Keypoints, classes: List[str]) -> None:
    """Another version of MindSpore may write another format: never leave files that cannot be read."""
    dataset = MindRecordKeypoints(str(folder), keypoints, classes)
    for index in track(range(len(dataset)), len(dataset), "reading back"):
        dataset.file_bytes(index)


@contextlib.contextmanager
def _mindspore_errors(out: Path) -> Iterator[None]:
    """MindSpore reports a full disk and the like as RuntimeError, in many lines."""
    try:
        yield
    except RuntimeError as error:
        free = shutil.disk_usage(out.parent).free
        reason = next((line.removeprefix("[ERROR] ") for line in str(error).splitlines() if line.startswith("[ERROR]")), str(error))
        raise OutputError(f"{out}: MindSpore cannot write it ({free / 1e6:.0f} MB are free there): {reason}") from error
