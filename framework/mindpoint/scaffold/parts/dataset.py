"""Drawn circles and squares as a data set, to be replaced by your own images."""

from typing import List

import cv2
import numpy as np

from mindpoint.contracts.data import Dataset
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects


class AcmeDataset(Dataset):
    """Images of 96 x 96 pixels with one to three shapes, each a function of seed and index.

    Args:
        count: number of images.
        seed: random seed of the images.
    """

    def __init__(self, classes: List[str], count: int = 64, seed: int = 0) -> None:
        self.classes, self.count, self.seed = classes, count, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self.seed, index))
        image = rng.integers(0, 90, (96, 96, 3), np.uint8)
        boxes, labels = [], []
        for corner in rng.permutation(4)[: rng.integers(1, 4)]:
            x, y = 24 + 48 * (corner % 2), 24 + 48 * (corner // 2)
            radius, label, color = int(rng.integers(10, 22)), int(rng.integers(len(self.classes))), rng.integers(150, 256, 3).tolist()
            if self.classes[label] == "circle":
                cv2.circle(image, (int(x), int(y)), radius, color, -1)
            else:
                cv2.rectangle(image, (int(x - radius), int(y - radius)), (int(x + radius), int(y + radius)), color, -1)
            boxes.append([x - radius, y - radius, x + radius + 1, y + radius + 1])
            labels.append(label)
        objects = Objects(np.array(boxes, np.float32), np.array(labels, np.int64))
        return Sample(index, f"shapes {index} of seed {self.seed}", image, objects)
