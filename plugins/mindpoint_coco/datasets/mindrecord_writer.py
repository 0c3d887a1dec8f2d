"""Writing a data set as MindRecord files that :class:`MindRecordDataset` and MindSpore's MindDataset read."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence

import mindspore
import numpy as np
from mindpoint._version import __version__
from mindpoint.contracts.data import Dataset
from mindpoint.contracts.fields import Field, Points
from mindpoint.contracts.instances import Objects
from mindpoint.errors import DataError, OutputError
from mindpoint.runtime.progress import track
from mindpoint.storage.files import atomic_folder, has_permissions, set_usual_mode, temporary_folder
from mindpoint.storage.lock import has_locks
from mindspore.mindrecord import FileWriter

from mindpoint_coco.datasets.mindrecord import MindRecordDataset
from mindpoint_coco.datasets.mindrecord_columns import (
    FORMATS,
    HASH,
    INDEXED,
    MANIFEST,
    SCHEMA,
    Column,
    checksum,
    columns_of,
    exact,
    file_hash,
    manifest_hash,
    read_manifest,
)
from mindpoint_coco.datasets.naming import Naming
from mindpoint_coco.keypoints import NEVER_ANNOTATED

PREFIX = "images.mindrecord"
_CHUNK = 64 << 20  # bytes per call of MindSpore
_SMALLEST_PAGE, _LARGEST_PAGE = 4 << 20, 256 << 20  # bytes; the second is MindSpore's limit
_PAGE_ENTRY = 512  # bytes of the header per page, rounded up


def convert(dataset: Dataset, out: Path, shards: int, overwrite: bool, prefix: str = PREFIX) -> dict:
    """Write ``dataset`` to the folder ``out``, which appears once it is complete and every record has been read back.

    Args:
        dataset: any data set of image files, which implements :meth:`Dataset.file_bytes`.
        shards: number of files, at most the number of images.
        overwrite: replace ``out`` if it holds a converted data set.
        prefix: prefix of the files' names; a number follows if ``shards`` is above 1.

    Returns:
        The manifest.

    Raises:
        DataError: images do not come from files, a file is missing, or a value cannot be stored.
        OutputError: ``out`` is in use, or the disk is full.
    """
    dataset = dataset.original()
    columns = columns_of(dataset.fields)
    dataset.file_bytes(0)  # before anything is written
    if out.is_dir() and any(out.iterdir()):
        try:
            read_manifest(str(out))
        except DataError as error:
            raise OutputError(f"{out}: will not be replaced ({error}); choose another --out, or remove it") from error
        if not overwrite:
            raise OutputError(f"{out}: already holds converted data; verify it with --verify, or replace it with --overwrite")
    truth = dataset.ground_truth()
    with atomic_folder(out, overwrite) as folder:
        with _mindspore_errors(out), _place_for_mindspore(folder) as place:
            _write(dataset, truth, columns, place / prefix, min(shards, len(dataset)))
        manifest = _manifest(dataset, truth, columns, folder)
        _read_back(folder, manifest)
    return manifest


@contextlib.contextmanager
def _place_for_mindspore(folder: Path) -> Iterator[Path]:
    """Yield the folder. If its file system lacks locks or permissions, which MindSpore needs, yield a temporary folder, whose files
    are copied afterwards."""
    if has_locks(folder) and has_permissions(folder):
        yield folder
        return
    with temporary_folder() as place:
        yield place
        for path in place.iterdir():
            shutil.copyfile(path, folder / path.name)


def _write(dataset: Dataset, truth: dict, columns: Sequence[Column], path: Path, shards: int) -> None:
    objects: Dict[int, List[dict]] = {image_id: [] for image_id in dataset.ids()}
    for record in truth["annotations"]:
        objects[record["image_id"]].append(record)
    row = sum(8 * int(np.prod(column.shape)) for column in columns)
    sizes = [dataset.file_size(index) + row * len(found) for index, found in enumerate(objects.values())]
    largest = int(np.argmax(sizes))
    page = max(_SMALLEST_PAGE, _power_of_two(2 * sizes[largest]))
    if page > _LARGEST_PAGE:
        name = dataset.file_name(largest)
        raise DataError(f"{dataset}: {name} is too large for a MindRecord page, which holds {_LARGEST_PAGE // 2} bytes")
    writer = FileWriter(str(path), shards)
    writer.set_page_size(page)
    writer.set_header_size(max(1 << 20, _power_of_two(_PAGE_ENTRY * (sum(sizes) // page + shards + 2))))
    schema = {name: {"type": kind} for name, kind in INDEXED.items()}
    schema.update((column.name, {"type": column.dtype, "shape": [-1, *column.shape]}) for column in columns)
    writer.add_schema({**schema, "image": {"type": "bytes"}}, f"{FORMATS[SCHEMA]}, schema {SCHEMA}")
    writer.add_index(list(INDEXED))
    chunk, held = [], 0
    for record in track(_records(dataset, truth, objects, columns), len(dataset), "converting"):
        chunk.append(record)
        held += len(record["image"])
        if held > _CHUNK:
            writer.write_raw_data(chunk)
            chunk, held = [], 0
    if chunk:
        writer.write_raw_data(chunk)
    writer.commit()


def _records(dataset: Dataset, truth: dict, objects: Dict[int, List[dict]], columns: Sequence[Column]) -> Iterator[dict]:
    images = {record["id"]: record for record in truth["images"]}
    reading = Naming([record["name"] for record in truth["categories"]]).read(dataset.fields, truth["categories"], str(dataset))
    fields = {field.name: exact(field) for field in reading}
    for index, image_id in enumerate(dataset.ids()):
        record, image = images[image_id], dataset.file_bytes(index)
        arrays = {column.name: _array(column, objects[image_id], fields) for column in columns}
        _mark_never_annotated(arrays, dataset.objects(index) if objects[image_id] else None)
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


def _mark_never_annotated(arrays: Dict[str, np.ndarray], objects: Optional[Objects]) -> None:
    """Mark points that an object's own data set lacks. The joined annotations do not distinguish them from unlabelled points."""
    for field in objects.fields if objects is not None else ():
        if isinstance(field, Points) and field.seen is not None:
            never = objects.values[field.name][..., field.seen] < 0
            arrays[field.name][never, field.seen] = NEVER_ANNOTATED


def _array(column: Column, objects: Sequence[dict], fields: Mapping[str, Field]) -> np.ndarray:
    """Return a column of the objects of one image; one row of zeros for an image without objects."""
    array = np.zeros((max(1, len(objects)), *column.shape), column.dtype)
    for row, record in enumerate(objects):
        array[row] = fields[column.name].from_coco(record) if column.name in fields else record[column.key]
    return array


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


def _manifest(dataset: Dataset, truth: dict, columns: Sequence[Column], folder: Path) -> dict:
    """Write the manifest, which marks the files as complete."""
    files = {}
    for path in sorted(folder.iterdir()):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        files[path.name] = {"size": path.stat().st_size, "sha256": file_hash(str(path))}
    manifest = {
        "format": FORMATS[SCHEMA],
        "schema": SCHEMA,
        "name": dataset.name,
        "source": str(dataset),
        "written_by": {"mindpoint": __version__, "mindspore": mindspore.__version__},
        "columns": [asdict(column) for column in columns],
        "categories": truth["categories"],
        "images": len(dataset),
        "objects": len(truth["annotations"]),
        "files": files,
    }
    manifest[HASH] = manifest_hash(json.loads(json.dumps(manifest)))
    path = folder / MANIFEST
    path.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    for name in files:  # MindSpore makes them readable by the owner only
        set_usual_mode(folder / name)
    return manifest


def _read_back(folder: Path, manifest: dict) -> None:
    """Read every record back: another version of MindSpore may write another format."""
    names = [category["name"] for category in manifest["categories"]]
    dataset = MindRecordDataset(str(folder), names)
    for index in track(range(len(dataset)), len(dataset), "reading back"):
        dataset.file_bytes(index)


@contextlib.contextmanager
def _mindspore_errors(out: Path) -> Iterator[None]:
    """Turn MindSpore's long RuntimeError, such as the one for a full disk, into one message."""
    try:
        yield
    except RuntimeError as error:
        free = shutil.disk_usage(out.parent).free
        reason = next((line.removeprefix("[ERROR] ") for line in str(error).splitlines() if line.startswith("[ERROR]")), str(error))
        raise OutputError(f"{out}: MindSpore cannot write it ({free / 1e6:.0f} MB are free there): {reason}") from error
