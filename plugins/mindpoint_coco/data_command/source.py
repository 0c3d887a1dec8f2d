"""The input of ``mindpoint data``: the splits of a configuration, or an annotation file with its images."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Callable, List, Mapping, Optional, Tuple

import numpy as np
from mindpoint.config import Config, load_config
from mindpoint.contracts.data import AnnotationFile, Dataset
from mindpoint.contracts.fields import Field
from mindpoint.errors import ConfigError, DataError
from mindpoint.registry import registry
from mindpoint.storage.images import read_image

from mindpoint_coco.data_command.command import chosen_splits
from mindpoint_coco.datasets.category_joints import distinct, lines_of
from mindpoint_coco.datasets.coco_check import joints_of
from mindpoint_coco.datasets.coco_file import annotation_file
from mindpoint_coco.datasets.image_path import image_path
from mindpoint_coco.datasets.naming import Naming, sound
from mindpoint_coco.keypoints import Keypoints


@dataclass(frozen=True, eq=False)
class Source:
    """A set of annotated images, unchecked.

    Attributes:
        name: name of the source, short enough for a file name.
        split: the split of a configuration, otherwise the name; a split may have several sources.
        origin: the annotation file, or a name for data without a file.
        content: COCO's dictionary, unchecked.
        naming: the classes, and the categories that have them.
        fields: fields of annotations besides COCO's own keys, with the joints of this source.
        keypoints: the joints; None without joints.
        image: the pixels ``(H, W, 3)`` BGR uint8 of an image record; raises DataError.
        file: the path of the image file of a record; raises DataError. None: images do not come from files.
    """

    name: str
    split: str
    origin: str
    content: dict
    naming: Naming
    fields: Tuple[Field, ...]
    keypoints: Optional[Keypoints]
    image: Callable[[dict], np.ndarray]
    file: Optional[Callable[[dict], str]] = None

    def sound(self) -> dict:
        """Return the content under the configuration's names, checked, with defaults filled in. Raises DataError at the first mistake."""
        return sound(self.content, self.origin, self.naming, self.fields)

    @property
    def classes(self) -> List[str]:
        """Return the names of the classes."""
        return self.naming.classes


def sources(args: argparse.Namespace, images: bool) -> List[Source]:
    """Return the sources that the arguments name, with or without ``images``. Raises MindpointError if one is unusable as a whole."""
    if args.data.endswith(".json"):
        if images and not args.images:
            raise ConfigError(f"--images is missing; name the folder of the images that {args.data} lists")
        if args.split or (args.set and not args.config):
            raise ConfigError(f"--split and --set need a configuration, but {args.data} is an annotation file")
        return [_of_file(args)]
    if args.images or args.config:
        raise ConfigError(f"--images and --config need an annotation file (.json), but {args.data} is a configuration")
    config = load_config(args.data, args.set, ("data",))
    return [source for split in chosen_splits(args, config) for source in _of_split(config, split)]


def _of_file(args: argparse.Namespace) -> Source:
    content = annotation_file(args.data)
    if args.config:
        config = load_config(args.config, args.set, ())
        keypoints, classes = config.vocabulary.get("keypoints"), config.classes
    else:
        keypoints, classes = said_by(content)
    name = os.path.splitext(os.path.basename(args.data))[0]
    fields = (keypoints.annotated(),) if keypoints is not None else ()
    path, naming = _files(args.images, args.data), Naming(classes)
    fields = naming.read(fields, content.get("categories"), args.data)
    return Source(name, name, args.data, content, naming, fields, keypoints, lambda record: read_image(path(record)), path)


def _of_split(config: Config, split: str) -> List[Source]:
    """Return the source of a split. If its data set joins others, return a source for each of them, numbered from 1."""
    config.split(split)
    block = config.data["data"][split]["dataset"]
    blocks = registry("datasets").get(block["type"]).blocks(block)
    if blocks == [block]:
        return [_of_block(config, split, split, block, lambda: config.build(f"data.{split}.dataset"))]
    parts = lru_cache(maxsize=None)(lambda: config.build(f"data.{split}.dataset").datasets)
    return [
        _of_block(config, split, f"{split}-{number + 1}", each, lambda number=number: parts()[number]) for number, each in enumerate(blocks)
    ]


def _of_block(config: Config, split: str, name: str, block: Mapping[str, object], build: Callable[[], Dataset]) -> Source:
    keypoints, naming = config.vocabulary.get("keypoints"), Naming(config.classes)
    file: Optional[AnnotationFile] = registry("datasets").get(block["type"]).annotation_file(block, config.vocabulary)
    if file is not None:
        content, naming = annotation_file(file.path, not file.labelled), Naming(config.classes, file.categories)
        path, origin = _files(file.images, file.path, file.outside_images), file.path
        fields, image = naming.read(file.fields, content.get("categories"), file.path), lambda record: read_image(path(record))
    else:
        dataset = build().original()
        content, origin = dataset.ground_truth(), str(dataset).partition(":")[0]
        fields = naming.read(dataset.fields, content["categories"], origin)
        path, image = None, _reader(dataset)
    keypoints = keypoints if joints_of(fields) is not None else None
    return Source(name, split, origin, content, naming, fields, keypoints, image, path)


def _files(folder: Optional[str], path: str, outside: bool = False) -> Callable[[dict], str]:
    """Return a function from image records to paths in a folder."""
    if folder is not None and not os.path.isdir(folder):
        raise DataError(f"{folder}: no such folder of images (for {path})")
    return lambda record: image_path(folder, record["file_name"], outside)


def _reader(dataset: Dataset) -> Callable[[dict], np.ndarray]:
    """Return a function from image records to the images of any data set."""
    place = {image_id: index for index, image_id in enumerate(dataset.ids())}

    def image(record: dict) -> np.ndarray:
        pixels = dataset[place[record["id"]]].image
        return pixels if pixels.dtype == np.uint8 else np.rint(pixels * 255).astype(np.uint8)

    return image


def said_by(content: dict) -> Tuple[Optional[Keypoints], List[str]]:
    """Return joints and classes from the categories of the file: those with joints, or all if no category has joints. An invalid skeleton
    or invalid names are ignored."""
    categories = content.get("categories")
    named = [record for record in categories if isinstance(record, dict)] if isinstance(categories, list) else []
    found = [record for record in named if record.get("keypoints")]
    if not found:
        return None, [str(record.get("name")) for record in named]
    classes = [str(record.get("name")) for record in found]
    if not all(isinstance(record["keypoints"], list) for record in found):  # the check reports this problem
        return None, classes
    if all(record["keypoints"] == found[0]["keypoints"] for record in found):
        return Keypoints(distinct(found[0]["keypoints"]), lines_of(found[0])), classes
    blocks = {name: {"names": distinct(record["keypoints"]), "skeleton": lines_of(record)} for name, record in zip(classes, found)}
    return Keypoints(classes=blocks), classes
