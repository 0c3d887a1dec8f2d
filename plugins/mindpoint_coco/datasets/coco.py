"""People with keypoints from a COCO annotation file and a folder of images."""

from __future__ import annotations

import os
from typing import List, Optional

import numpy as np

from mindpoint.contracts.data import Dataset
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint_coco.keypoints import Keypoints
from mindpoint.storage.images import read_bytes
from mindpoint.errors import DataError
from mindpoint_coco.datasets.coco_file import class_labels, read_annotations, short_name
from mindpoint_coco.datasets.records import chosen_images, recorded_sample, refuse_reduced


class CocoKeypoints(Dataset):
    """Any data set in COCO's keypoint format.

    Images come in the file's order, objects in the order of their annotations; categories that are not among ``classes`` are left out.
    What samples need is held in arrays (about 240 bytes an object with 17 joints); nothing else of the file stays in memory.

    Args:
        annotations: path of the JSON file.
        images: folder that the records' ``file_name`` is relative to.
        classes: category names; an object's label is the index of its category's name.
        with_objects: keep only images with at least one annotation (the official training set).
        unlabelled: the file lists images and categories only, as COCO's ``image_info`` files do; there is nothing to train on.
        image_ids: keep only these images, in this order.
        reduce_to: for training on photographs much larger than the network's input: decode JPEG files at a half, quarter or eighth of
            their size as long as the longer side keeps so many pixels (the input's size divided by the smallest of the crop scales loses
            nothing). Annotations are scaled with them. None: as they are, which is what the official numbers are made with.

    Raises:
        DataError: an unusable file, see :func:`~mindpoint_coco.datasets.coco_file.read_annotations`; no such folder; ids of
            ``image_ids`` that are not there or repeat; no image left.
    """

    def __init__(
        self,
        annotations: str,
        images: str,
        keypoints: Keypoints,
        classes: List[str],
        with_objects: bool = False,
        image_ids: Optional[List[int]] = None,
        unlabelled: bool = False,
        reduce_to: Optional[int] = None,
    ) -> None:
        self.reduce_to = reduce_to
        self.annotations, self.images, self.with_objects = str(annotations), str(images), with_objects
        self.joints, self.classes, self.unlabelled = len(keypoints), list(classes), unlabelled
        self.fields = (keypoints.annotated(),)
        content = self._read()
        if not os.path.isdir(self.images):
            raise DataError(f"{self.images}: there is no such folder of images (for {self.annotations})")
        records = {record["id"]: record for record in content["images"]}
        populated = (lambda: {record["image_id"] for record in content["annotations"]}) if with_objects else None
        kept = chosen_images(self.annotations, list(records), image_ids, populated, self.classes)
        self.image_ids, self._listed = np.array(kept, np.int64), len(records)
        self._names = [records[image_id]["file_name"] for image_id in kept]
        self._sizes = np.array([(records[image_id]["height"], records[image_id]["width"]) for image_id in kept], np.int64)
        self._pack(content)

    def __len__(self) -> int:
        return len(self.image_ids)

    def ids(self) -> List[int]:
        """See :class:`Dataset`."""
        return self.image_ids.tolist()

    @property
    def name(self) -> str:
        """The annotation file's name, see :func:`short_name`: ``val2017``, ``test-dev2017``."""
        return short_name(self.annotations)

    def __str__(self) -> str:
        return f"{self.annotations}: {len(self)} of {self._listed} images" + ", only those with annotations" * self.with_objects

    def __getitem__(self, index: int) -> Sample:
        data, image_id, size = self.file_bytes(index), int(self.image_ids[index]), self._sizes[index]
        return recorded_sample(data, image_id, self.path(index), self._record(index), size, self.objects(index), self.reduce_to)

    def path(self, index: int) -> str:
        """The image file at ``index``."""
        return os.path.join(self.images, self._names[index])

    def file_bytes(self, index: int) -> bytes:
        """The content of the image file at ``index``. Raises DataError that names file and id."""
        try:
            return read_bytes(self.path(index))
        except DataError as error:
            raise DataError(f"{error} ({self._record(index)})") from error

    def _record(self, index: int) -> str:
        return f"image id {self.image_ids[index]} of {self.annotations}"

    def objects(self, index: int) -> Objects:
        """The annotated objects of the image at ``index``, without reading the image."""
        index = range(len(self))[index]
        part = slice(self._first[index], self._first[index + 1])
        return Objects(
            boxes=self._boxes[part].copy(),
            labels=self._labels[part].copy(),
            areas=self._areas[part].copy(),
            crowd=self._crowd[part].copy(),
            fields=self.fields,
            values={"keypoints": self._keypoints[part].copy()},
        )

    def ground_truth(self) -> dict:
        """The annotation file, read again, with only this data set's images and classes and with absent fields filled in."""
        refuse_reduced(self.reduce_to)
        content = self._read()
        kept = set(self.image_ids.tolist())
        content["images"] = [record for record in content["images"] if record["id"] in kept]
        content["annotations"] = [record for record in content["annotations"] if record["image_id"] in kept]
        return content

    def _read(self) -> dict:
        return read_annotations(self.annotations, self.classes, self.joints, self.unlabelled)

    def _pack(self, content: dict) -> None:
        """The objects of all images in a row, those of image ``i`` from ``_first[i]`` to ``_first[i + 1]``."""
        place = {image_id: index for index, image_id in enumerate(self.image_ids.tolist())}
        labels = class_labels(content, self.classes)
        records = [record for record in content["annotations"] if record["image_id"] in place]
        records.sort(key=lambda record: place[record["image_id"]])
        count = len(records)
        self._first = np.searchsorted([place[record["image_id"]] for record in records], np.arange(len(self) + 1))
        boxes = np.array([record["bbox"] for record in records], np.float64).reshape(count, 4)
        boxes[:, 2:] += boxes[:, :2]
        self._boxes = boxes.astype(np.float32)
        self._keypoints = np.empty((count, self.joints, 3), np.float32)
        for row, record in enumerate(records):
            self._keypoints[row].flat = record["keypoints"]
        self._labels = np.array([labels[record["category_id"]] for record in records], np.int64)
        self._areas = np.array([record["area"] for record in records], np.float32)
        self._crowd = np.array([record["iscrowd"] for record in records], bool)
