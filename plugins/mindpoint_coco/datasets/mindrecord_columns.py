"""The content of a converted data set: the columns of a MindRecord record, and the manifest."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import zlib
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from mindpoint.contracts.fields import Field, Points
from mindpoint.errors import DataError
from mindpoint.storage.digest import file_digest
from mindpoint.storage.json_file import read_json

from mindpoint_coco.datasets.mindrecord_file import unpack_whole
from mindpoint_coco.datasets.rules import CATEGORY, few, key_problems

FORMATS = {1: "mindpoint keypoints", 2: "mindpoint objects"}
"""Names of the readable formats, by schema."""
SCHEMA = 2
"""The schema of new files."""
MANIFEST, HASH = "manifest.json", "sha256"
ADVICE = "convert the data again with 'mindpoint data convert', or restore the file"
INDEXED = {
    "position": "int64",
    "image_id": "int64",
    "file_name": "string",
    "height": "int32",
    "width": "int32",
    "objects": "int32",
    "checksum": "int64",
}
"""Columns with one value per record, all in the index files. ``position`` is the image's index in the data set, ``objects`` the number of
its objects, ``checksum`` the result of :func:`checksum`."""


@dataclass(frozen=True)
class Column:
    """An array of a record with a row per object, and one row of zeros for an image without objects: MindSpore cannot read empty arrays.

    Attributes:
        name: name of the column.
        dtype: ``float64``, ``int64`` or ``int32``.
        shape: shape of one object's value.
        key: key in COCO's annotation record; the name in the case of a field.
        names: names of the points, for a field of points.
    """

    name: str
    dtype: str
    shape: Tuple[int, ...] = ()
    key: str = ""
    names: Tuple[str, ...] = ()

    def unpack(self, data: bytes) -> np.ndarray:
        """Return the array ``(N, *shape)`` in the bytes of a record. Raises ValueError if the number of bytes does not fit."""
        whole = self.dtype.startswith("int")
        flat = unpack_whole(data, np.dtype(self.dtype)) if whole else np.frombuffer(data, self.dtype)
        return flat.reshape(-1, *self.shape)


OWN = (
    Column("annotation_ids", "int64", (), "id"),
    Column("category_ids", "int64", (), "category_id"),
    Column("crowd", "int32", (), "iscrowd"),
    Column("areas", "float64", (), "area"),
    Column("boxes", "float64", (4,), "bbox"),  # left, top, width, height
)
COUNT = Column("num_keypoints", "int32", (), "num_keypoints")


def exact(field: Field) -> Field:
    """Return the field with float64 for all floating-point numbers, as exact as an annotation file."""
    twin = copy.copy(field)
    twin.dtype = np.dtype(np.float64) if field.dtype.kind == "f" else field.dtype
    return twin


def columns_of(fields: Sequence[Field]) -> List[Column]:
    """Return the columns that objects with these fields need.

    Raises:
        DataError: a field without a fixed shape, or with the name of another column.
    """
    taken = {column.name for column in (*OWN, COUNT)} | {*INDEXED, "image"}
    columns = list(OWN)
    for field in fields:
        if None in field.shape or field.name in taken:
            reason = "its name is taken" if field.name in taken else f"its shape {list(field.shape)} is not fixed"
            raise DataError(f"field '{field.name}' cannot be stored in MindRecord files: {reason}")
        names = field.names if isinstance(field, Points) else ()
        dtype = "float64" if field.dtype.kind == "f" else "int64"
        columns.append(Column(field.name, dtype, tuple(field.shape), field.name, tuple(names)))
        if "num_keypoints" in field.to_coco(field.empty(1)[0]):
            columns.append(COUNT)
    return columns


def stored_columns(manifest: dict) -> List[Column]:
    """Return the columns of the files that a manifest describes."""
    if manifest["schema"] == 1:
        joints = manifest["keypoints"]
        return [*OWN, COUNT, Column("keypoints", "float64", (len(joints), 3), "keypoints", tuple(joints))]
    columns = []
    for said in manifest["columns"]:
        column = Column(said["name"], said["dtype"], tuple(said["shape"]), said["key"], tuple(said["names"]))
        if column.dtype not in ("float64", "int64", "int32") or not all(type(size) is int and 0 < size < 1 << 20 for size in column.shape):
            raise ValueError(f"a column of {column.dtype!r}, shape {column.shape}")
        columns.append(column)
    return columns


def fits(folder: str, columns: Sequence[Column], fields: Sequence[Field]) -> None:
    """Raise DataError unless every field is stored as declared."""
    by_name = {column.name: column for column in columns}
    for wanted in columns_of(fields):
        found = by_name.get(wanted.name)
        if found is None:
            raise DataError(f"{folder}: lacks '{wanted.name}'; convert the data again with this configuration")
        if found.names != wanted.names:
            there, here = few(found.names, 30), few(wanted.names, 30)
            raise DataError(
                f"{folder}: has the {wanted.name} {there}, but the configuration has {here}; convert the data again with this configuration"
            )
        if (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
            there, here = (f"{one.dtype} of shape {list(one.shape)}" for one in (found, wanted))
            raise DataError(f"{folder}: has '{wanted.name}' as {there}, but the configuration declares {here}; convert the data again")


def checksum(image: bytes, arrays: Dict[str, np.ndarray]) -> int:
    """Return the CRC-32 of a record, computed over the image's bytes and then the arrays in the order of their names."""
    value = zlib.crc32(image)
    for name in sorted(arrays):
        value = zlib.crc32(np.ascontiguousarray(arrays[name]), value)
    return value


def file_hash(path: str) -> str:
    """Return the SHA-256 of a file's content. Raises DataError if it cannot be read."""
    try:
        return file_digest(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def file_problem(path: str, entry: Dict[str, Any]) -> Optional[str]:
    """Return the problem of a file, or None, without reading all images."""
    if not os.path.isfile(path):
        return f"is missing, though {MANIFEST} lists it"
    size = os.path.getsize(path)
    if size != entry["size"]:
        return f"has {size} bytes instead of {entry['size']}"
    if path.endswith(".db") and file_hash(path) != entry["sha256"]:
        return f"is damaged: its SHA-256 differs from that in {MANIFEST}"
    return None


def read_manifest(folder: str) -> dict:
    """Return the manifest of a converted data set.

    Raises:
        DataError: the folder does not exist, or its manifest is missing, damaged or of another schema.
    """
    path = os.path.join(folder, MANIFEST)
    if not os.path.isdir(folder):
        raise DataError(f"{folder}: no such folder; 'path' must be a folder that 'mindpoint data convert' wrote, such as DIR/train")
    if not os.path.isfile(path):
        inner = [name for name in sorted(os.listdir(folder)) if os.path.isfile(os.path.join(folder, name, MANIFEST))]
        hint = f"did you mean {' or '.join(os.path.join(folder, name) for name in inner)}?" if inner else ADVICE
        raise DataError(f"{folder}: {MANIFEST} is missing, so 'mindpoint data convert' did not finish; {hint}")
    try:
        manifest = read_json(path, "manifest", 1 << 28)
    except DataError as error:
        raise DataError(f"{error}; {ADVICE}") from error
    if not isinstance(manifest, dict) or manifest.get("format") not in FORMATS.values():
        raise DataError(f"{path}: is not a manifest of 'mindpoint data convert'")
    if manifest.get("schema") not in FORMATS:
        raise DataError(f"{path}: has schema {manifest.get('schema')}, but this version reads {few(list(FORMATS))}; convert the data again")
    own = {"keypoints", "source"} if manifest["schema"] == 1 else {"columns", "name"}
    absent = sorted(({"categories", "images", "files"} | own) - set(manifest))
    if absent:
        raise DataError(f"{path}: lacks {', '.join(absent)}; {ADVICE}")
    problem = _manifest_problem(manifest)
    if problem:
        raise DataError(f"{path}: is damaged: {problem}; {ADVICE}")
    return manifest


def manifest_hash(manifest: dict) -> str:
    """Return the SHA-256 of a manifest without the key ``sha256``, which holds it."""
    said = {key: value for key, value in manifest.items() if key != HASH}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _manifest_problem(manifest: dict) -> Optional[str]:
    """Return the problem of an invalid manifest, or None. Manifests of earlier versions lack their own hash."""
    if HASH in manifest and manifest[HASH] != manifest_hash(manifest):
        return "its own SHA-256 differs"
    if not (type(manifest["images"]) is int and manifest["images"] > 0):
        return f"'images' is {manifest['images']!r:.40}, not a positive number"
    files, categories = manifest["files"], manifest["categories"]
    entries = list(files.values()) if isinstance(files, dict) else [None]
    sound = all(isinstance(e, dict) and type(e.get("size")) is int and isinstance(e.get("sha256"), str) for e in entries)
    if not sound or any(os.path.basename(name) != name or name in ("", ".", "..") for name in files):
        return "'files' must map names of files in this folder to size and SHA-256"
    if not (isinstance(categories, list) and all(isinstance(c, dict) and not any(key_problems(c, CATEGORY)) for c in categories)):
        return "'categories' must hold records with id and name"
    try:
        stored_columns(manifest)
    except (TypeError, KeyError, ValueError):
        return f"'{'keypoints' if manifest['schema'] == 1 else 'columns'}' is invalid"
    return None
