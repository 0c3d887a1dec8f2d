"""A data set from MindRecord files that ``mindpoint data convert`` wrote."""

from __future__ import annotations

import copy
import os
from typing import Dict, Iterator, List, Optional, Tuple, Union

import numpy as np
from mindpoint.contracts.data import Dataset
from mindpoint.contracts.fields import Points
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.errors import DataError

from mindpoint_coco.datasets.coco_file import short_name
from mindpoint_coco.datasets.declared import declared_fields
from mindpoint_coco.datasets.mindrecord_columns import (
    ADVICE,
    COUNT,
    INDEXED,
    MANIFEST,
    checksum,
    exact,
    file_hash,
    file_problem,
    fits,
    read_manifest,
    stored_columns,
)
from mindpoint_coco.datasets.mindrecord_file import Shard
from mindpoint_coco.datasets.naming import Naming
from mindpoint_coco.datasets.records import chosen_images, recorded_sample, refuse_reduced
from mindpoint_coco.datasets.rules import few
from mindpoint_coco.keypoints import Keypoints


class MindRecordDataset(Dataset):
    """A converted data set, with the same samples as the original files, in the same order.

    Opening checks that all files are there with the sizes of the manifest and that the index files are unchanged; the checksum of a record
    is compared when it is read. Only the index is held in memory (about 500 bytes per image).

    Args:
        path: the folder with the files and their manifest.
        classes: class names, all or some of the converted categories, unless ``categories`` is given.
        keypoints, fields: see :class:`~mindpoint_coco.datasets.coco.CocoDataset`; all or some of the converted ones.
        with_objects: keep only images with at least one object of these classes.
        image_ids: keep only these images, in this order.
        reduce_to, categories: see :class:`~mindpoint_coco.datasets.coco.CocoDataset`.

    Raises:
        DataError: the folder does not exist or has other content or a newer schema; a file is missing, truncated, renamed or damaged;
            fields or classes differ from the configuration's; the choice of images is unusable.
    """

    def __init__(
        self,
        path: str,
        classes: List[str],
        keypoints: Optional[Keypoints] = None,
        fields: Optional[Dict[str, object]] = None,
        with_objects: bool = False,
        image_ids: Optional[List[int]] = None,
        reduce_to: Optional[int] = None,
        categories: Union[List[str], Dict[str, str], None] = None,
    ) -> None:
        self.reduce_to = reduce_to
        self.folder, self.classes = str(path), list(classes)
        self.fields = declared_fields(keypoints, fields, classes=classes)
        self._exact = [exact(field) for field in self.fields]
        self.manifest = read_manifest(self.folder)
        self._columns = stored_columns(self.manifest)
        fits(self.folder, self._columns, self.fields)
        self._labels, self._categories = self._class_labels(Naming(classes, categories))
        self._shards = self._open()
        self._rows = self._listed_rows()
        ids = self._column("image_id", range(len(self._rows)))
        self._ids = ids
        place = {image_id: index for index, image_id in enumerate(ids)}
        kept = chosen_images(self.folder, ids, image_ids, self._populated if with_objects else None, self.classes)
        self._listed, self._with_objects = len(ids), with_objects
        self._rows = [self._rows[place[image_id]] for image_id in kept]
        self.image_ids = np.array(kept, np.int64)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def name(self) -> str:
        """Return the name of the original data set."""
        return self.manifest["name"] if "name" in self.manifest else short_name(self.manifest["source"]["annotations"])

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
        """See :class:`Dataset`; without decoding the image."""
        return self._objects(self._read(*self._rows[index])[1])

    def file_bytes(self, index: int) -> bytes:
        """See :class:`Dataset`; the bytes of the original file."""
        return self._read(*self._rows[index])[0]

    def file_size(self, index: int) -> int:
        """See :class:`Dataset`."""
        shard, row = self._rows[index]
        return shard.size(row)

    def original(self) -> "MindRecordDataset":
        """See :class:`Dataset`."""
        other = copy.copy(self)
        other.reduce_to = None
        return other

    def image_size(self, index: int) -> Tuple[int, int]:
        """See :class:`Dataset`."""
        shard, row = self._rows[index]
        return shard.rows["height"][row], shard.rows["width"][row]

    def file_name(self, index: int) -> str:
        """See :class:`Dataset`."""
        shard, row = self._rows[index]
        return shard.rows["file_name"][row]

    def category_ids(self) -> List[int]:
        """See :class:`Dataset`; the ids are those of the converted data, and new ones for classes without a category."""
        return [record["id"] for record in self._categories]

    def categories(self) -> List[dict]:
        """See :class:`Dataset`; the records come from the converted data."""
        return copy.deepcopy(self._categories)

    def ground_truth(self) -> dict:
        """See :class:`Dataset`."""
        refuse_reduced(self.reduce_to)
        annotations = [record for index in range(len(self)) for record in self._annotations(index)]
        names = ("image_id", "file_name", "height", "width")
        images = zip(*(self._column(name, range(len(self))) for name in names))
        return {
            "images": [dict(zip(("id", *names[1:]), values)) for values in images],
            "annotations": annotations,
            "categories": self.categories(),
            "listed": {"images": self._ids, "categories": [record["id"] for record in self.manifest["categories"]]},
        }

    def damage(self) -> Iterator[Optional[str]]:
        """Check every byte: yield the problem of each file and then of each image, or None."""
        for name, entry in self.manifest["files"].items():
            path = os.path.join(self.folder, name)
            yield None if file_hash(path) == entry["sha256"] else f"{path}: has changed since it was written: its SHA-256 differs"
        for shard, row in self._rows:
            try:
                self._read(shard, row)
            except DataError as error:
                yield str(error)
            else:
                yield None

    def _class_labels(self, naming: Naming) -> Tuple[Dict[int, int], List[dict]]:
        """Return the label by category id, and the record of each class."""
        known = [record["name"] for record in self.manifest["categories"]]
        absent = [name for name in naming.names if name not in known]
        if absent:
            raise DataError(f"{self.folder}: lacks the classes {few(absent)}; it has {few(known, 20)}. Convert the data again")
        return naming.labels(self.manifest["categories"]), naming.class_records(self.manifest["categories"])

    def _open(self) -> List[Shard]:
        files = {os.path.join(self.folder, name): entry for name, entry in self.manifest["files"].items()}
        problems = [f"{path}: {problem}" for path, entry in files.items() if (problem := file_problem(path, entry))]
        if problems:
            raise DataError("\n".join(problems) + f"; {ADVICE}")
        names = [name for name in self.manifest["files"] if not name.endswith(".db")]
        return [Shard(os.path.join(self.folder, name), list(INDEXED)) for name in names]

    def _listed_rows(self) -> List[Tuple[Shard, int]]:
        """Return shard and row of all images, in the order of the data set."""
        for shard in self._shards:
            self._check_index(shard)
        rows = [(shard.rows["position"][row], shard, row) for shard in self._shards for row in range(len(shard))]
        rows.sort(key=lambda entry: entry[0])
        if [entry[0] for entry in rows] != list(range(self.manifest["images"])):
            listed = self.manifest["images"]
            raise DataError(f"{self.folder}: {MANIFEST} lists {listed} images, but the index files list {len(rows)}; {ADVICE}")
        return [entry[1:] for entry in rows]

    def _check_index(self, shard: Shard) -> None:
        """Raise DataError at the first invalid value of an index."""
        for name, kind in INDEXED.items():
            least = 1 if name in ("height", "width") else 0 if name in ("position", "objects") else -(1 << 63)
            most = (1 << 31 if kind == "int32" else 1 << 63) - 1
            for row, value in enumerate(shard.rows[name]):
                if not isinstance(value, str) if kind == "string" else not (type(value) is int and least <= value <= most):
                    raise DataError(f"{shard.path}.db: is damaged: record {row} has {name} {value!r:.40}; {ADVICE}")

    def _column(self, name: str, indices: range) -> list:
        return [shard.rows[name][row] for shard, row in (self._rows[index] for index in indices)]

    def _populated(self) -> set:
        """Return the ids of the images with an object of the classes."""
        if len(self._labels) == len(self.manifest["categories"]):
            return {shard.rows["image_id"][row] for shard, row in self._rows if shard.rows["objects"][row]}
        return {shard.rows["image_id"][row] for shard, row in self._rows if len(self._objects(self._read(shard, row)[1]))}

    def _read(self, shard: Shard, row: int) -> Tuple[bytes, Dict[str, np.ndarray]]:
        """Return the bytes of the image, and the arrays of all its objects."""
        try:
            contents = shard.read(row)
            image = contents.pop("image")
            arrays = {column.name: column.unpack(contents[column.name]) for column in self._columns}
            if checksum(image, arrays) != shard.rows["checksum"][row]:
                raise ValueError("its checksum differs")
            count = _object_count(shard.rows["objects"][row], arrays)
        except (ValueError, IndexError, KeyError, OverflowError, OSError) as error:
            image_id, name = shard.rows["image_id"][row], shard.rows["file_name"][row]
            raise DataError(f"{shard.path}: record {row} (image id {image_id}, {name}) is damaged: {error}; {ADVICE}") from error
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
            values={field.name: arrays[field.name][kept].astype(field.dtype) for field in self.fields},
        )

    def _annotations(self, index: int) -> Iterator[dict]:
        """Yield the COCO records of the objects of one image."""
        arrays = self._read(*self._rows[index])[1]
        for row, category in enumerate(arrays["category_ids"].tolist()):
            if category in self._labels:
                label = self._labels[category]
                record = {
                    "id": int(arrays["annotation_ids"][row]),
                    "image_id": int(self.image_ids[index]),
                    "category_id": self._categories[label]["id"],
                    "bbox": arrays["boxes"][row].tolist(),
                    "area": float(arrays["areas"][row]),
                    "iscrowd": int(arrays["crowd"][row]),
                }
                for field in self._exact:
                    value = arrays[field.name][row].astype(field.dtype)
                    record.update(field.to_coco(field.own(value, label) if isinstance(field, Points) else value))
                if COUNT.name in record:  # as stored, regardless of the joints
                    record[COUNT.name] = int(arrays[COUNT.name][row])
                yield record


def _object_count(count: int, arrays: Dict[str, np.ndarray]) -> int:
    """Return ``count``. Raises ValueError unless each array has a row per object, or, without objects, one row of zeros."""
    lengths = {len(array) for array in arrays.values()}
    if lengths != {max(1, count)} or (count == 0) == any(array.any() for array in arrays.values()):
        raise ValueError(f"its index lists {count} objects, but its columns hold another number")
    return count
