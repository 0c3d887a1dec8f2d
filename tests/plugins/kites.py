"""A second kind of figure with joints of its own: drawn kites."""

from typing import List

import cv2
import numpy as np
from mindpoint.contracts.data import Dataset
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint_coco.keypoints import Keypoints

SHAPE = np.array([[0, -0.5], [-0.35, -0.1], [0.35, -0.1], [0, 0.5]])  # top, left_corner, right_corner, tail
NAMES = ["top", "left_corner", "right_corner", "tail"]


class Kites(Dataset):
    """One kite an image, a function of seed and index; its lower part is darker."""

    def __init__(self, count: int, seed: int, classes: List[str], keypoints: Keypoints, side: int = 192):
        self.count, self.seed, self.classes, self.keypoints, self.side = count, seed, classes, keypoints, side
        self.fields = (keypoints.annotated(classes),)
        self._own = self.fields[0].set_of(classes.index("kite"))

    def __len__(self):
        return self.count

    def categories(self):
        names = [self.keypoints.of(name).names for name in self.classes]
        return [{**record, "keypoints": list(own)} for record, own in zip(super().categories(), names)]

    def image_size(self, index):
        return self.side, self.side

    def _points(self, rng):
        size, turn = self.side * rng.uniform(0.4, 0.6), np.radians(rng.uniform(-20, 20))
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        return size * SHAPE @ matrix.T + self.side * rng.uniform(0.4, 0.6, 2)

    def objects(self, index):
        points = self._points(np.random.default_rng((self.seed, index)))
        joints = np.zeros((1, len(self.keypoints), 3), np.float32)
        joints[0, list(self._own.places), :2], joints[0, list(self._own.places), 2] = points, 2
        box = np.concatenate([points.min(0), points.max(0)])[None].astype(np.float32)
        return Objects(box, np.array([self.classes.index("kite")]), fields=self.fields, values={"keypoints": joints})

    def __getitem__(self, index):
        rng = np.random.default_rng((self.seed, index))
        points = np.rint(self._points(rng)).astype(np.int32)
        image = rng.integers(60, 120, (self.side, self.side, 3), np.uint8)
        cv2.fillPoly(image, [points[[0, 1, 2]]], (90, 200, 250), cv2.LINE_AA)
        cv2.fillPoly(image, [points[[1, 2, 3]]], (40, 60, 160), cv2.LINE_AA)
        return Sample(self.ids()[index], f"kite {index}", image, self.objects(index))
