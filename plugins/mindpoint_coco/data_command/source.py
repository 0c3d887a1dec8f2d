"""The data that an action of ``mindpoint data`` looks at: the splits of a configuration, or an annotation file with its images."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import Callable, List, Optional

import numpy as np

from mindpoint.config import Config, load_config
from mindpoint.contracts.data import Dataset
from mindpoint_coco.keypoints import Keypoints
from mindpoint.storage.images import read_image
from mindpoint.errors import ConfigError, DataError
from mindpoint.registry import registry
from mindpoint_coco.data_command.command import chosen_splits
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.datasets.coco_file import few, load_json
from mindpoint_coco.datasets.mindrecord import MindRecordDataset


@dataclass(frozen=True, eq=False)
class Source:
    """One set of annotated images, as it is, sound or not.

    Attributes:
        name: what to call it, short enough for a file name.
        origin: the annotation file, or what stands for it.
        content: COCO's dictionary, unchecked.
        classes: names of the categories that count.
        keypoints: the joints.
        sigmas_given: somebody said the joints' sigmas.
        image: the pixels ``(H, W, 3)`` BGR uint8 of an image record; raises DataError.
    """

    name: str
    origin: str
    content: dict
    classes: List[str]
    keypoints: Keypoints
    sigmas_given: bool
    image: Callable[[dict], np.ndarray]


def sources(args: argparse.Namespace, images: bool) -> List[Source]:
    """What the arguments name, with ``images`` or without. Raises MindpointError if it is unusable as a whole."""
    if args.data.endswith(".json"):
        if images and not args.images:
            raise ConfigError(f"--images is missing: the folder of the images that {args.data} lists")
        if args.split or (args.set and not args.config):
            raise ConfigError(f"--split and --set go with a configuration, but {args.data} is an annotation file")
        return [_of_file(args)]
    if args.images or args.config:
        raise ConfigError(f"--images and --config go with an annotation file (.json), but {args.data} is a configuration")
    config = load_config(args.data, args.set)
    return [_of_split(config, split) for split in chosen_splits(args, config)]


def _of_file(args: argparse.Namespace) -> Source:
    content = load_json(args.data)
    if args.config:
        config = load_config(args.config, args.set)
        keypoints, classes, sigmas = config.keypoints, config.classes, _says_sigmas(config)
    else:
        keypoints, classes, sigmas = *_said_by(content, args.data), False
    name = os.path.splitext(os.path.basename(args.data))[0]
    return _coco(name, args.data, args.images, content, classes, keypoints, sigmas)


def _of_split(config: Config, split: str) -> Source:
    config.split(split)
    block = config.data["data"][split]["dataset"]
    if registry("datasets").get(block["type"]) is CocoDataset:
        content = load_json(block["annotations"])
        if block.get("unlabelled"):
            content["annotations"] = []
        where = block["annotations"], block["images"]
        return _coco(split, *where, content, config.classes, config.keypoints, _says_sigmas(config))
    dataset = config.build(f"data.{split}.dataset")
    if isinstance(dataset, MindRecordDataset):
        dataset.reduce_to = None  # images are looked at as they are
    content = dataset.ground_truth()
    origin = str(dataset).partition(":")[0]
    return Source(split, origin, content, config.classes, config.keypoints, _says_sigmas(config), _reader(dataset, content))


def _says_sigmas(config: Config) -> bool:
    return config.data["keypoints"].get("sigmas") is not None


def _coco(name: str, path: str, images: Optional[str], content: dict, classes: List[str], keypoints: Keypoints, sigmas: bool) -> Source:
    if images is not None and not os.path.isdir(images):
        raise DataError(f"{images}: there is no such folder of images (for {path})")

    def image(record: dict) -> np.ndarray:
        return read_image(os.path.join(images, record["file_name"]))

    return Source(name, path, content, classes, keypoints, sigmas, image)


def _reader(dataset: Dataset, content: dict) -> Callable[[dict], np.ndarray]:
    """Images of any data set by their ids; the records stand in its order."""
    place = {record["id"]: index for index, record in enumerate(content["images"])}

    def image(record: dict) -> np.ndarray:
        pixels = dataset[place[record["id"]]].image
        return pixels if pixels.dtype == np.uint8 else np.rint(pixels * 255).astype(np.uint8)

    return image


def _said_by(content: dict, path: str) -> tuple:
    """Keypoints and classes as the categories of the file say them."""
    categories = content.get("categories")
    found = (
        [record for record in categories if isinstance(record, dict) and record.get("keypoints")] if isinstance(categories, list) else []
    )
    if not found or any(record["keypoints"] != found[0]["keypoints"] for record in found):
        reason = (
            "no category" if not found else f"the categories {few([record.get('name') for record in found])} have different joints; none"
        )
        raise DataError(f"{path}: {reason} says by 'keypoints' which joints there are; name a configuration that does with --config")
    skeleton = [(first - 1, second - 1) for first, second in found[0].get("skeleton") or ()]
    return Keypoints(found[0]["keypoints"], skeleton), [record.get("name") for record in found]
