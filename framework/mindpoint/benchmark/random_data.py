"""A synthetic data set for machines without data: noise with objects at random positions."""

from __future__ import annotations

from typing import Mapping, Sequence, Tuple

import numpy as np

from mindpoint.contracts.data import Dataset
from mindpoint.contracts.fields import Field, Points
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects


class RandomImages(Dataset):
    """Images of noise, each a function of its index. Computing targets and running the network take as long as with real images.

    Args:
        size: ``(height, width)`` in pixels; by default the most common size in COCO.
        count: number of images.
        objects: objects per image.
    """

    def __init__(
        self,
        classes: Sequence[str],
        vocabulary: Mapping[str, object],
        size: Tuple[int, int] = (480, 640),
        count: int = 1000,
        objects: int = 4,
    ):
        self.classes, self.size, self.count, self.each = list(classes), tuple(size), count, objects
        self.fields = tuple(section.annotated() for section in vocabulary.values())

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        index = range(self.count)[index]
        rng = np.random.default_rng(index)
        height, width = self.size
        first = rng.random((self.each, 2)) * 0.5
        boxes = np.concatenate([first, first + 0.1 + 0.4 * rng.random((self.each, 2))], axis=1) * (width, height, width, height)
        values = {field.name: _inside(field, boxes, rng) for field in self.fields}
        labels = rng.integers(0, len(self.classes), self.each)
        objects = Objects(boxes.astype(np.float32), labels, fields=self.fields, values=values)
        return Sample(index, f"random image {index}", rng.integers(0, 256, (height, width, 3), np.uint8), objects)


def _inside(field: Field, boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return values of a field for objects in these boxes ``(N, 4)``; points lie in the box and are visible."""
    values = field.empty(len(boxes))
    if isinstance(field, Points):
        values[..., 2:] = 2
        values[..., :2] = boxes[:, None, :2] + rng.random((len(boxes), field.shape[0], 2)) * (boxes[:, None, 2:] - boxes[:, None, :2])
    return values
