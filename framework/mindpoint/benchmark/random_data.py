"""A data set for machines that have none: noise with objects at random places."""

from __future__ import annotations

from typing import Sequence, Tuple

import numpy as np

from mindpoint.contracts.data import Dataset
from mindpoint.contracts.image import Objects, Sample
from mindpoint_coco.keypoints import Keypoints


class RandomImages(Dataset):
    """Images of noise, each a function of its index. Their content takes the targets and the network as long as that of real ones.

    Args:
        size: ``(height, width)`` in pixels; COCO's commonest by default.
        count: how many.
        objects: objects an image.
    """

    def __init__(
        self, keypoints: Keypoints, classes: Sequence[str], size: Tuple[int, int] = (480, 640), count: int = 1000, objects: int = 4
    ):
        self.joints, self.classes, self.size, self.count, self.people = len(keypoints), list(classes), tuple(size), count, objects

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        index = range(self.count)[index]
        rng = np.random.default_rng(index)
        height, width = self.size
        first = rng.random((self.people, 2)) * 0.5
        boxes = np.concatenate([first, first + 0.1 + 0.4 * rng.random((self.people, 2))], axis=1) * (width, height, width, height)
        joints = boxes[:, None, :2] + rng.random((self.people, self.joints, 2)) * (boxes[:, None, 2:] - boxes[:, None, :2])
        points = np.concatenate([joints, np.full((self.people, self.joints, 1), 2)], axis=2).astype(np.float32)
        areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).astype(np.float32)
        labels = rng.integers(0, len(self.classes), self.people)
        objects = Objects(boxes.astype(np.float32), points, labels, areas, np.zeros(self.people, bool))
        return Sample(index, f"random image {index}", rng.integers(0, 256, (height, width, 3), np.uint8), objects)

    def ground_truth(self) -> dict:
        raise NotImplementedError("noise is not evaluated")
