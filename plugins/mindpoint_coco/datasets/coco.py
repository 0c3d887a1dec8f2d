"""Images with objects from a COCO annotation file and a folder of images."""

from __future__ import annotations

import copy
import os
from typing import Dict, List, Mapping, Optional, Tuple, Union

import numpy as np
from mindpoint.contracts.data import AnnotationFile, Dataset
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.errors import DataError
from mindpoint.storage.images import read_bytes

from mindpoint_coco.datasets.coco_file import Values, annotation_file, check, completed, short_name
from mindpoint_coco.datasets.declared import declared_fields
from mindpoint_coco.datasets.image_path import ADVICE, image_path, leaves_folder
from mindpoint_coco.datasets.naming import Naming, renamed
from mindpoint_coco.datasets.records import chosen_images, recorded_sample, refuse_reduced
from mindpoint_coco.datasets.rules import few
from mindpoint_coco.datasets.training_check import check_boxes
from mindpoint_coco.keypoints import Keypoints


class CocoDataset(Dataset):
    """A data set in COCO format: boxes, joints if the configuration has a section ``keypoints``, and further fields if declared.

    Images come in the file's order, objects in the order of their annotations; categories outside of ``classes`` are left out. The data of
    samples is stored in arrays (about 250 bytes per object with 17 joints); the rest of the file does not stay in memory.

    Joints are matched by the names in the file's category records, in any order, ignoring case and punctuation:
    joints that the file lacks stay unlabelled, further ones are left out. Without names, or if all names are unknown, the file's joints are
    taken to be in the order of ``keypoints``.

    Args:
        annotations: path of the JSON file.
        images: folder that the records' ``file_name`` is relative to.
        classes: class names; an object's label is the index of its category's name.
        keypoints: the joints; an annotation without keypoints has no labelled joint.
        categories: for a file with only some of the classes, or with other names: the categories to use, or a mapping from
            them to classes (``{human: person}``). Several may share a class. By default each class must have the category of its name.
        joints: mapping from the file's joint names to the configuration's, where they differ (``{snout: nose}``).
        fields: further fields of annotations by key: the name of a kind of field (``{rotation: Angles, depth: Field}``), or a block such
            as ``{size: {type: "mindpoint.contracts.fields:Field", shape: [3]}}``. Missing values are zeros.
        with_objects: keep only images with at least one annotation (the official training set).
        unlabelled: the file lists images and categories only, as COCO's ``image_info`` files do; it cannot be used for training.
        image_ids: keep only these images, in this order.
        reduce_to: for training on photographs much larger than the network's input: decode JPEG files at a half, quarter or eighth of their
            size, as long as the longer side keeps this many pixels. The input's size divided by the smallest crop scale loses nothing.
            Annotations are scaled accordingly. None: full size, as for the official numbers.
        outside_images: allow ``file_name`` and links to lead out of the folder of images; only for trusted files.

    Raises:
        DataError: an unusable file, see :func:`~mindpoint_coco.datasets.coco_file.read_annotations`; a missing folder; ids of ``image_ids``
            that do not exist or repeat; no image left; a ``file_name`` outside of the folder.
        ConfigError: see :func:`~mindpoint_coco.datasets.declared.declared_fields`.
    """

    def __init__(
        self,
        annotations: str,
        images: str,
        classes: List[str],
        keypoints: Optional[Keypoints] = None,
        fields: Optional[Dict[str, object]] = None,
        with_objects: bool = False,
        image_ids: Optional[List[int]] = None,
        unlabelled: bool = False,
        reduce_to: Optional[int] = None,
        outside_images: bool = False,
        categories: Union[List[str], Dict[str, str], None] = None,
        joints: Optional[Dict[str, str]] = None,
    ) -> None:
        self.reduce_to, self.outside_images = reduce_to, outside_images
        self.annotations, self.images, self.with_objects = str(annotations), str(images), with_objects
        self.classes, self.unlabelled = list(classes), unlabelled
        content, self._naming = annotation_file(self.annotations, unlabelled), Naming(classes, categories)
        self.fields = self._naming.read(declared_fields(keypoints, fields, joints), content.get("categories"), self.annotations)
        values = check(content, self.annotations, self._naming.names, self.fields)
        content = completed(content, self._naming.names, self.fields)
        if not os.path.isdir(self.images):
            raise DataError(f"{self.images}: no such folder of images (for {self.annotations})")
        records = {record["id"]: record for record in content["images"]}
        populated = (lambda: {record["image_id"] for record in content["annotations"]}) if with_objects else None
        kept = chosen_images(self.annotations, list(records), image_ids, populated, self.classes)
        self.image_ids, self._listed = np.array(kept, np.int64), len(records)
        self._names = [records[image_id]["file_name"] for image_id in kept]
        lost = [index for index, name in enumerate(self._names) if leaves_folder(name)]
        if lost and not outside_images:
            names = few([f"image {kept[index]} '{self._names[index]}'" for index in lost], 3)
            raise DataError(f"{self.annotations}: {len(lost)} file names lead out of the folder of images: {names}; {ADVICE}")
        self._sizes = np.array([(records[image_id]["height"], records[image_id]["width"]) for image_id in kept], np.int64)
        self._pack(content, values, self._naming.labels(content["categories"]))
        self._categories = renamed({**content, "annotations": []}, self._naming, self.fields)["categories"]

    def __len__(self) -> int:
        return len(self.image_ids)

    def ids(self) -> List[int]:
        """See :class:`Dataset`."""
        return self.image_ids.tolist()

    def image_size(self, index: int) -> Tuple[int, int]:
        """See :class:`Dataset`; the size comes from the annotation file."""
        height, width = self._sizes[index].tolist()
        return height, width

    def file_name(self, index: int) -> str:
        """See :class:`Dataset`."""
        return self._names[index]

    def category_ids(self) -> List[int]:
        """See :class:`Dataset`; the ids are those of the file, and new ones for classes without a category."""
        return [record["id"] for record in self._categories]

    def categories(self) -> List[dict]:
        """See :class:`Dataset`; the records come from the file."""
        return copy.deepcopy(self._categories)

    @property
    def name(self) -> str:
        """Return the short name of the annotation file, such as ``val2017`` or ``test-dev2017``; see :func:`short_name`."""
        return short_name(self.annotations)

    def __str__(self) -> str:
        return f"{self.annotations}: {len(self)} of {self._listed} images" + ", only those with annotations" * self.with_objects

    def __getitem__(self, index: int) -> Sample:
        data, image_id, size = self.file_bytes(index), int(self.image_ids[index]), self._sizes[index]
        return recorded_sample(data, image_id, self.path(index), self._record(index), size, self.objects(index), self.reduce_to)

    def path(self, index: int) -> str:
        """Return the path of the image file at ``index``. Raises DataError if it is outside of the folder without permission."""
        try:
            return image_path(self.images, self._names[index], self.outside_images)
        except DataError as error:
            raise DataError(f"{error} ({self._record(index)})") from error

    def file_bytes(self, index: int) -> bytes:
        """See :class:`Dataset`."""
        path = self.path(index)
        try:
            return read_bytes(path)
        except DataError as error:
            raise DataError(f"{error} ({self._record(index)})") from error

    def _record(self, index: int) -> str:
        return f"image id {self.image_ids[index]} of {self.annotations}"

    def objects(self, index: int) -> Objects:
        """See :class:`Dataset`; without reading the image."""
        index = range(len(self))[index]
        part = slice(self._first[index], self._first[index + 1])
        return Objects(
            boxes=self._boxes[part].copy(),
            labels=self._labels[part].copy(),
            areas=self._areas[part].copy(),
            crowd=self._crowd[part].copy(),
            fields=self.fields,
            values={name: values[part].copy() for name, values in self._values.items()},
        )

    def ground_truth(self) -> dict:
        """Return the annotation file, read again, with only this data set's images, classes and joints, and with absent keys filled in."""
        refuse_reduced(self.reduce_to)
        content = annotation_file(self.annotations, self.unlabelled)
        listed = {kind: [record["id"] for record in content[kind]] for kind in ("images", "categories")}
        content = renamed(completed(content, self._naming.names, self.fields), self._naming, self.fields)
        content["listed"] = listed
        kept = set(self.image_ids.tolist())
        content["images"] = [record for record in content["images"] if record["id"] in kept]
        content["annotations"] = [record for record in content["annotations"] if record["image_id"] in kept]
        return content

    def ready_to_train(self) -> None:
        """See :class:`Dataset`; derived from the boxes, without reading an image."""
        boxes = self._boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        sizes = np.repeat(self._sizes[:, ::-1], np.diff(self._first), axis=0)
        check_boxes(self.annotations, boxes, sizes, self._crowd, self._annotation_ids)

    def original(self) -> "CocoDataset":
        """See :class:`Dataset`."""
        other = copy.copy(self)
        other.reduce_to = None
        return other

    def file_size(self, index: int) -> int:
        """See :class:`Dataset`."""
        path = self.path(index)
        return os.path.getsize(path) if os.path.isfile(path) else 0

    @classmethod
    def annotation_file(cls, block: Mapping[str, object], vocabulary: Mapping[str, object]) -> Optional[AnnotationFile]:
        """See :class:`Dataset`."""
        fields = declared_fields(vocabulary.get("keypoints"), block.get("fields"), block.get("joints"))
        return AnnotationFile(
            path=block["annotations"],
            images=block["images"],
            labelled=not block.get("unlabelled"),
            fields=fields,
            outside_images=bool(block.get("outside_images")),
            categories=block.get("categories"),
        )

    @classmethod
    def in_layout(cls, folder: str, split: str, vocabulary: Mapping[str, object]) -> Dict[str, object]:
        """See :class:`Dataset`. COCO 2017's own layout: ``annotations`` next to ``train2017``, ``val2017`` and ``test2017``. With a
        ``keypoints`` section the files are ``person_keypoints_*`` and images without people are not used for training, as in the official
        implementation; otherwise the files are ``instances_*`` and all images are used. ``test`` is test-dev, which has no annotations."""
        if not os.path.isdir(folder):
            raise DataError(f"{folder}: no such folder")
        if split not in ("train", "val", "test"):
            raise DataError(f"{folder}: COCO has no split '{split}'; choose train, val or test")
        pose = "keypoints" in vocabulary
        kind = "person_keypoints" if pose else "instances"
        name = "image_info_test-dev2017" if split == "test" else f"{kind}_{split}2017"
        block = {"annotations": os.path.join(folder, "annotations", f"{name}.json"), "images": os.path.join(folder, f"{split}2017")}
        extra = {"train": {"with_objects": True} if pose else {}, "val": {}, "test": {"unlabelled": True}}[split]
        return {**block, **extra}

    def _pack(self, content: dict, values: Values, labels: Mapping[int, int]) -> None:
        """Store the objects of all images consecutively, those of image ``i`` from ``_first[i]`` to ``_first[i + 1]``.

        Args:
            labels: labels by category id.
        """
        place = {image_id: index for index, image_id in enumerate(self.image_ids.tolist())}
        annotations = content["annotations"]
        rows = [row for row, record in enumerate(annotations) if record["image_id"] in place]
        rows.sort(key=lambda row: place[annotations[row]["image_id"]])
        records = [annotations[row] for row in rows]
        self._first = np.searchsorted([place[record["image_id"]] for record in records], np.arange(len(self) + 1))
        boxes = np.array([record["bbox"] for record in records], np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        self._boxes = boxes.astype(np.float32)
        self._annotation_ids = np.array([record["id"] for record in records], np.int64)
        self._labels = np.array([labels[record["category_id"]] for record in records], np.int64)
        self._areas = np.array([record["area"] for record in records], np.float32)
        self._crowd = np.array([record["iscrowd"] for record in records], bool)
        self._values = {}
        for field in self.fields:
            self._values[field.name] = np.array([values[field.name][row] for row in rows], field.dtype).reshape(-1, *field.shape)
