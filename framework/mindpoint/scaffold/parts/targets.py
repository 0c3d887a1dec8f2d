"""Encoding of objects as training targets."""

from typing import Dict, List

import numpy as np

from mindpoint.contracts.data import TargetEncoder
from mindpoint.contracts.image import InputSpec, Sample, transform_points


class AcmeTargets(TargetEncoder):
    """Assigns the cells near the centre of an object to the object: ``cls`` (C, H, W), ``sides`` (4, H, W), ``positive`` (1, H, W).

    Args:
        stride: stride of the maps, in input pixels.
        radius: largest distance from the centre, in cells.
    """

    def __init__(self, classes: List[str], input_spec: InputSpec, stride: int = 4, radius: float = 1.5) -> None:
        self.count, self.radius = len(classes), radius
        self.height, self.width = input_spec.size[0] // stride, input_spec.size[1] // stride
        self.strides = {"cls": stride, "sides": stride}

    def __call__(self, sample: Sample) -> Dict[str, np.ndarray]:
        cls = np.zeros((self.count, self.height, self.width), np.float32)
        sides = np.zeros((4, self.height, self.width), np.float32)
        positive = np.zeros((1, self.height, self.width), np.float32)
        rows, columns = np.mgrid[: self.height, : self.width] + 0.5
        corners = transform_points(sample.objects.boxes.reshape(-1, 2, 2), sample.view.affine(self.width, self.height))
        order = np.argsort(-sample.objects.areas)  # small objects last, so that they keep their cells
        for row in order[~sample.objects.crowd[order]]:
            left, top, right, bottom = corners[row].reshape(4)
            x, y = (left + right) / 2, (top + bottom) / 2
            inside = (columns > left) & (columns < right) & (rows > top) & (rows < bottom)
            near = inside & (abs(columns - x) <= self.radius) & (abs(rows - y) <= self.radius)
            cls[:, near], positive[0, near] = 0, 1
            cls[sample.objects.labels[row], near] = 1
            sides[:, near] = np.stack([columns - left, rows - top, right - columns, bottom - rows])[:, near]
        return {"cls": cls, "sides": sides, "positive": positive}

    def perfect_outputs(self, sample: Sample) -> Dict[str, np.ndarray]:
        targets = self(sample)
        return {"cls": targets["cls"], "sides": np.where(targets["positive"] > 0, targets["sides"], np.nan)}
