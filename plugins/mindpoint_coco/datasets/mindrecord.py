"""People with keypoints from MindRecord files that ``mindpoint data convert`` wrote."""

from __future__ import annotations

import json
import os
import zlib
from hashlib import sha256
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np

from mindpoint.contracts.data import Dataset
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint_coco.keypoints import Keypoints
from mindpoint.errors import DataError
from mindpoint_coco.datasets.coco_file import class_labels, few, short_name
from mindpoint_coco.datasets.mindrecord_file import Shard, unpack_whole
from mindpoint_coco.datasets.records import chosen_images, recorded_sample, refuse_reduced

FORMAT, SCHEMA = "mindpoint keypoints", 1
MANIFEST = "manifest.json"
# One value a record; all are in the index files. ``position`` is the image's place in the data set, ``objects`` the number of its
# objects, ``checksum`` see below.
INDEXED = {
    "position": "int64",
    "image_id": "int64",
    "file_name": "string",
    "height": "int32",
    "width": "int32",
    "objects": "int32",
    "checksum": "int64",
}
# One row an object, and one row of zeros in an image without any: MindSpore's MindDataset cannot read empty arrays.
WHOLE = {"annotation_ids": np.int64, "category_ids": np.int64, "crowd": np.int32, "num_keypoints": np.int32}
REAL = ("areas", "boxes", "keypoints")  # float64, as exact as the annotation file; boxes are left, top, width, height
_ADVICE = "convert the data again with 'mindpoint data convert', or restore the file"


def shapes(joints: int) -> Dict[str, List[int]]:
    """Shape of the arrays of a record; -1 stands for the number of objects."""
    return {**{name: [-1] for name in (*WHOLE, "areas")}, "boxes": [-1, 4], "keypoints": [-1, joints, 3]}


def checksum(image: bytes, arrays: Dict[str, np.ndarray]) -> int:
    """CRC-32 of a record: of the image's bytes and then of the arrays in the order of their names."""
    value = zlib.crc32(image)
    for name in sorted(arrays):
        value = zlib.crc32(np.ascontiguousarray(arrays[name]), value)
    return value


def file_hash(path: str) -> str:
    """SHA-256 of a file's content. Raises DataError if it cannot be read."""
    digest = sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()


class MindRecordKeypoints(Dataset):
    """A converted data set; its samples are those of the files that it was made from, in the same order.

    Opening checks that all files are there with the sizes of the manifest and that the index files are unchanged; every record has a
    checksum that is compared when it is read. Nothing but the index is held in memory (about 500 bytes an image).

    Args:
        path: the folder with the files and their manifest.
        classes: category names, all or some of those that were converted.
        with_objects: keep only images with at least one object of these classes.
        image_ids: keep only these images, in this order.
        reduce_to: as of :class:`~mindpoint_coco.datasets.coco.CocoKeypoints`.

    Raises:
        DataError: no such folder, a folder that is none of ours, an older or newer schema, a file that is missing, cut off, renamed
            or damaged, other keypoints or classes than the configuration's, or an unusable choice of images.
    """

    def __init__(
        self,
        path: str,
        keypoints: Keypoints,
        classes: List[str],
        with_objects: bool = False,
        image_ids: Optional[List[int]] = None,
        reduce_to: Optional[int] = None,
    ) -> None:
        self.reduce_to = reduce_to
        self.folder, self.classes, self.joints = str(path), list(classes), len(keypoints)
        self.fields = (keypoints.annotated(),)
        self.manifest = read_manifest(self.folder)
        self._fits(keypoints)
        self._labels = class_labels(self.manifest, self.classes)
        self._shards = self._open()
        self._rows = self._listed_rows()
        ids = self._column("image_id", range(len(self._rows)))
        place = {image_id: index for index, image_id in enumerate(ids)}
        kept = chosen_images(self.folder, ids, image_ids, self._populated if with_objects else None, self.classes)
        self._listed, self._with_objects = len(ids), with_objects
        self._rows = [self._rows[place[image_id]] for image_id in kept]
        self.image_ids = np.array(kept, np.int64)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def name(self) -> str:
        """That of the annotation file that it was made from."""
        return short_name(self.manifest["source"]["annotations"])

    def ids(self) -> List[int]:
        """See :class:`Dataset`."""
        return self.image_ids.tolist()

    def __str__(self) -> str:
        return f"{self.folder}: {len(self)} of {self._listed} images" + ", only those with annotations" * self._with_objects

    def __getitem__(self, index: int) -> Sample:
        shard, row = self._rows[index]
        image, arrays = self._read(shard, row)
        size = shard.rows["height"][row], shard.rows["width"][row]
        name = f"{shard.path}: record {row} ({shard.rows['file_name'][row]})"
        image_id = shard.rows["image_id"][row]
        return recorded_sample(image, image_id, name, f"image id {image_id}", size, self._objects(arrays), self.reduce_to)

    def objects(self, index: int) -> Objects:
        """The objects of the image at ``index``, without decoding the image."""
        return self._objects(self._read(*self._rows[index])[1])

    def file_bytes(self, index: int) -> bytes:
        """The content of the image file at ``index``, as it was before."""
        return self._read(*self._rows[index])[0]

    def ground_truth(self) -> dict:
        refuse_reduced(self.reduce_to)
        annotations = [record for index in range(len(self)) for record in self._annotations(index)]
        names = ("image_id", "file_name", "height", "width")
        images = zip(*(self._column(name, range(len(self))) for name in names))
        return {
            "images": [dict(zip(("id", *names[1:]), values)) for values in images],
            "annotations": annotations,
            "categories": [record for record in self.manifest["categories"] if record["name"] in self.classes],
        }

    def damage(self) -> Iterator[Optional[str]]:
        """Look at every byte: for each file and then for each image what is wrong with it, or None."""
        for name, entry in self.manifest["files"].items():
            path = os.path.join(self.folder, name)
            yield None if file_hash(path) == entry["sha256"] else f"{path}: is not what was written: its SHA-256 differs"
        for shard, row in self._rows:
            try:
                self._read(shard, row)
            except DataError as error:
                yield str(error)
            else:
                yield None

    def _fits(self, keypoints: Keypoints) -> None:
        """The manifest is of these keypoints and has these classes."""
        names = self.manifest["keypoints"]
        if names != list(keypoints.names):
            raise DataError(
                f"{self.folder}: was converted with the keypoints {few(names, 30)}, but the configuration has {few(keypoints.names, 30)}; "
                "convert it again with this configuration"
            )
        known = [record["name"] for record in self.manifest["categories"]]
        absent = [name for name in self.classes if name not in known]
        if absent:
            raise DataError(f"{self.folder}: was converted without the classes {few(absent)}; it has {few(known, 20)}. Convert it again")

    def _open(self) -> List[Shard]:
        files = {os.path.join(self.folder, name): entry for name, entry in self.manifest["files"].items()}
        problems = [f"{path}: {problem}" for path, entry in files.items() if (problem := _problem(path, entry))]
        if problems:
            raise DataError("\n".join(problems) + f"; {_ADVICE}")
        names = [name for name in self.manifest["files"] if not name.endswith(".db")]
        return [Shard(os.path.join(self.folder, name), list(INDEXED)) for name in names]

    def _listed_rows(self) -> List[Tuple[Shard, int]]:
        """Shard and row of all images, in the order of the data set."""
        rows = [(shard.rows["position"][row], shard, row) for shard in self._shards for row in range(len(shard))]
        rows.sort(key=lambda entry: entry[0])
        if [entry[0] for entry in rows] != list(range(self.manifest["images"])):
            raise DataError(f"{self.folder}: {MANIFEST} counts {self.manifest['images']} images, the index files {len(rows)}; {_ADVICE}")
        return [entry[1:] for entry in rows]

    def _column(self, name: str, indices: range) -> list:
        return [shard.rows[name][row] for shard, row in (self._rows[index] for index in indices)]

    def _populated(self) -> set:
        """Ids of the images with an object of the classes."""
        if len(self.classes) == len(self.manifest["categories"]):
            return {shard.rows["image_id"][row] for shard, row in self._rows if shard.rows["objects"][row]}
        return {shard.rows["image_id"][row] for shard, row in self._rows if len(self._objects(self._read(shard, row)[1]))}

    def _read(self, shard: Shard, row: int) -> Tuple[bytes, Dict[str, np.ndarray]]:
        """Bytes of the image, and the arrays of all its objects."""
        try:
            contents = shard.read(row)
            image = contents.pop("image")
            arrays = {name: unpack_whole(contents[name], dtype) for name, dtype in WHOLE.items()}
            arrays.update((name, np.frombuffer(contents[name], np.float64).reshape(shapes(self.joints)[name])) for name in REAL)
            if checksum(image, arrays) != shard.rows["checksum"][row]:
                raise ValueError("its checksum differs")
        except (ValueError, IndexError, KeyError, OverflowError, OSError) as error:
            image_id, name = shard.rows["image_id"][row], shard.rows["file_name"][row]
            raise DataError(f"{shard.path}: record {row} (image id {image_id}, {name}) is damaged: {error}; {_ADVICE}") from error
        count = shard.rows["objects"][row]
        return image, {name: array[:count] for name, array in arrays.items()}

    def _objects(self, arrays: Dict[str, np.ndarray]) -> Objects:
        kept = np.isin(arrays["category_ids"], list(self._labels))
        boxes = arrays["boxes"][kept]
        boxes[:, 2:] += boxes[:, :2]
        return Objects(
            boxes=boxes.astype(np.float32),
            labels=np.array([self._labels[category] for category in arrays["category_ids"][kept].tolist()], np.int64),
            areas=arrays["areas"][kept].astype(np.float32),
            crowd=arrays["crowd"][kept].astype(bool),
            fields=self.fields,
            values={"keypoints": arrays["keypoints"][kept].astype(np.float32)},
        )

    def _annotations(self, index: int) -> Iterator[dict]:
        """The COCO records of the objects of one image."""
        arrays = self._read(*self._rows[index])[1]
        for row, category in enumerate(arrays["category_ids"].tolist()):
            if category in self._labels:
                yield {
                    "id": int(arrays["annotation_ids"][row]),
                    "image_id": int(self.image_ids[index]),
                    "category_id": category,
                    "bbox": arrays["boxes"][row].tolist(),
                    "area": float(arrays["areas"][row]),
                    "iscrowd": int(arrays["crowd"][row]),
                    "num_keypoints": int(arrays["num_keypoints"][row]),
                    "keypoints": arrays["keypoints"][row].ravel().tolist(),
                }


def _problem(path: str, entry: Dict[str, Any]) -> Optional[str]:
    """What is wrong with a file, as far as it can be told without reading all images."""
    if not os.path.isfile(path):
        return f"is missing, though {MANIFEST} lists it"
    size = os.path.getsize(path)
    if size != entry["size"]:
        return f"has {size} bytes where {entry['size']} were written"
    if path.endswith(".db") and file_hash(path) != entry["sha256"]:
        return f"is damaged: its SHA-256 is not that of {MANIFEST}"
    return None


def read_manifest(folder: str) -> dict:
    """The manifest of a converted data set.

    Raises:
        DataError: no such folder, no manifest in it, one that is damaged, or of another schema.
    """
    path = os.path.join(folder, MANIFEST)
    if not os.path.isdir(folder):
        raise DataError(f"{folder}: there is no such folder; 'path' must be one that 'mindpoint data convert' wrote, such as DIR/train")
    try:
        with open(path, encoding="utf-8") as file:
            manifest = json.load(file)
    except FileNotFoundError:
        inner = [name for name in sorted(os.listdir(folder)) if os.path.isfile(os.path.join(folder, name, MANIFEST))]
        hint = f"did you mean {' or '.join(os.path.join(folder, name) for name in inner)}?" if inner else _ADVICE
        raise DataError(f"{folder}: has no {MANIFEST}, so it is no data set that 'mindpoint data convert' finished; {hint}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}; {_ADVICE}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{path}: is no manifest of a data set that 'mindpoint data convert' wrote")
    if manifest.get("schema") != SCHEMA:
        raise DataError(f"{path}: has schema {manifest.get('schema')}, this version reads {SCHEMA}; convert the data again")
    absent = sorted({"keypoints", "categories", "images", "files", "source"} - set(manifest))
    if absent:
        raise DataError(f"{path}: lacks {', '.join(absent)}; {_ADVICE}")
    return manifest
