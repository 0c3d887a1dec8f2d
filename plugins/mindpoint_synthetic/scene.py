"""The base class of drawn data sets: images by seed and index, annotations from a label map, checks of arguments."""

from __future__ import annotations

from typing import List, Optional, Protocol, Sequence, Tuple

import numpy as np
from mindpoint.contracts.data import Dataset
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.errors import ConfigError
from mindpoint.storage.image_header import MOST_PIXELS

from mindpoint_synthetic.background import finish, paint_background

_MOST_IMAGES = 10_000_000


class Painted(Protocol):
    """An object of a scene that can be painted."""

    def paint(self, image: np.ndarray) -> None:
        """Paint onto a BGR image ``(H, W, 3)`` uint8."""


Scene = Tuple[np.random.Generator, List[Painted], Objects]
"""The random generator after drawing the objects, the objects to paint, farthest first, and their annotations."""


class DrawnDataset(Dataset):
    """Base class of drawn images: pixels and annotations are a function of (seed, index).

    Only annotations are cached, on first use.

    Args:
        count: number of images.
        seed: random seed of the images.
        classes: category names.
        size: height and width of the images in pixels.

    Raises:
        ConfigError: a value out of range.
    """

    def __init__(self, count: int, seed: int, classes: Sequence[str], size: Sequence[int]) -> None:
        self._check("count", 1 <= count <= _MOST_IMAGES, count, f"in 1..{_MOST_IMAGES}")
        self._check("seed", seed >= 0, seed, "at least 0")
        self._check("size", len(size) == 2 and min(size) >= 32, size, "[height, width] of at least 32 pixels")
        self._check("size", size[0] * size[1] <= MOST_PIXELS, size, f"[height, width] of at most {MOST_PIXELS / 1e6:.0f} million pixels")
        self.count, self.seed, self.classes, self.size = count, seed, list(classes), tuple(size)
        self._ground_truth: Optional[dict] = None

    def scene(self, rng: np.random.Generator) -> Tuple[List[Painted], Objects]:
        """Return the drawings, farthest first, and their annotations."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        rng, things, objects = self._scene(index)
        image = paint_background(rng, self.size)
        for thing in things:
            thing.paint(image)
        return Sample(index + 1, f"synthetic image {index} of seed {self.seed}", finish(rng, image), objects)

    def ids(self) -> List[int]:
        """See :class:`Dataset`; ids count from 1."""
        return list(range(1, self.count + 1))

    def objects(self, index: int) -> Objects:
        """See :class:`Dataset`; without painting the image."""
        return self._scene(index)[2]

    def image_size(self, index: int) -> Tuple[int, int]:
        """See :class:`Dataset`."""
        return self.size

    def file_name(self, index: int) -> str:
        """See :class:`Dataset`."""
        return f"{index + 1:012d}.png"

    def categories(self) -> List[dict]:
        """See :class:`Dataset`; with a supercategory, as in COCO's files."""
        return [{**record, "supercategory": record["name"]} for record in super().categories()]

    def ground_truth(self) -> dict:
        """See :class:`Dataset`; cached."""
        if self._ground_truth is None:
            self._ground_truth = super().ground_truth()
        return self._ground_truth

    def _scene(self, index: int) -> Scene:
        if not 0 <= index < self.count:
            raise IndexError(f"image {index} of {self.count}")
        rng = np.random.default_rng((self.seed, index))
        things, objects = self.scene(rng)
        return rng, things, objects

    def _check(self, name: str, good: bool, value: object, wanted: str) -> None:
        if not good:
            raise ConfigError(f"{type(self).__name__}: {name} is {value}; it must be {wanted}")


def visible(owner: np.ndarray, count: int) -> Tuple[np.ndarray, np.ndarray]:
    """Return tight boxes ``(count, 4)`` and areas ``(count,)`` of the visible pixels, float32, in pixels.

    Args:
        owner: ``(H, W)`` the number of the object on top, from 1; 0 is background. Each object has at least one pixel.
        count: number of objects.
    """
    boxes, areas = np.zeros((count, 4), np.float32), np.zeros(count, np.float32)
    for number in range(count):
        mask = owner == number + 1
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        boxes[number] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        areas[number] = np.count_nonzero(mask)
    return boxes, areas


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Return the area in which two boxes overlap, as a share of the smaller box."""
    shared = np.prod(np.maximum(np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]), 0))
    return float(shared / min(np.prod(first[2:] - first[:2]), np.prod(second[2:] - second[:2])))
