"""Random erasing: cover a rectangle of the image with noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Sequence

import numpy as np
from mindpoint.contracts.image import Sample

from mindpoint_coco.transforms.placing import covered, hidden, in_pixels
from mindpoint_coco.transforms.randomly import Randomly

_TRIES = 10


class RandomErase(Randomly):
    """Cover a random rectangle with noise, so that partly hidden objects are learnt (Zhong et al., 2017,
    https://arxiv.org/abs/1708.04896).

    Joints in the rectangle become hidden (visibility 1) and are still learnt, as annotators also mark hidden joints. Boxes stay.
    A rectangle that would cover too much of an object is drawn again, up to ten times.

    Args:
        probability: probability of erasing a part of an image.
        area: range of the rectangle's share of the image, 0..1.
        aspect: range of its aspect ratio, width / height, 0.05..20.
        most_covered: largest covered share of an object's box, 0..1; crowds may be covered.
    """

    def __init__(
        self,
        probability: float = 0.5,
        area: Sequence[float] = (0.02, 0.2),
        aspect: Sequence[float] = (0.3, 3.3),
        most_covered: float = 0.5,
    ) -> None:
        super().__init__(probability)
        self.area, self.aspect = self.range("area", area, 0, 1), self.range("aspect", aspect, 0.05, 20)
        self.most_covered = self.within("most_covered", most_covered, 0, 1)

    def change(self, sample: Sample, rng: np.random.Generator) -> Sample:
        objects, (height, width) = in_pixels(sample), sample.image.shape[:2]
        for _ in range(_TRIES):
            size, aspect = rng.uniform(*self.area) * height * width, np.exp(rng.uniform(*np.log(self.aspect)))
            across, down = int(np.sqrt(size * aspect)), int(np.sqrt(size / aspect))
            if not (0 < across < width and 0 < down < height):
                continue
            left, top = int(rng.integers(width - across + 1)), int(rng.integers(height - down + 1))
            rectangle = np.array([left, top, left + across, top + down])
            if (covered(objects.boxes[~objects.crowd], rectangle) > self.most_covered).any():
                continue
            image, whole = sample.image.copy(), 255 if sample.image.dtype == np.uint8 else 1
            image[top : top + down, left : left + across] = rng.random((down, across, 3)) * whole
            return replace(sample, image=image, objects=hidden(sample.objects, rectangle, objects))
        return sample
