"""Random shear and perspective of the whole image."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from mindpoint.contracts.image import Sample
from mindpoint.contracts.motion import Projection

from mindpoint_coco.transforms.randomly import Randomly


class RandomPerspective(Randomly):
    """Shear the image and move its corners, as if seen from another position.

    The result is large enough for the whole moved image; pixels without content are 0. ``RandomView`` then chooses
    a window of it. Boxes become those around their moved corners; other fields move by their own rules.

    Args:
        probability: probability of changing an image.
        shear: largest shear angle in degrees, drawn independently for vertical and horizontal edges, 0..40.
        distortion: largest shift of each corner along x and y, as a share of width and height, 0..0.25.
    """

    before_view = True

    def __init__(self, probability: float = 0.5, shear: float = 8.0, distortion: float = 0.08) -> None:
        super().__init__(probability)
        self.shear, self.distortion = self.within("shear", shear, 0, 40), self.within("distortion", distortion, 0, 0.25)

    def change(self, sample: Sample, rng: np.random.Generator) -> Sample:
        height, width = sample.image.shape[:2]
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64) - 0.5  # pixel centres are whole numbers
        lean = np.tan(np.radians(rng.uniform(-self.shear, self.shear, 2)))
        moved = corners @ np.array([[1, lean[1]], [lean[0], 1]])
        moved += rng.uniform(-self.distortion, self.distortion, (4, 2)) * (width, height)
        moved -= moved.min(axis=0) + 0.5
        across, down = np.maximum(np.ceil(moved.max(axis=0) + 0.5 - 1e-6), 1).astype(int)
        matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
        image = cv2.warpPerspective(sample.image, matrix, (int(across), int(down)), flags=cv2.INTER_LINEAR)
        return replace(sample, image=image, objects=sample.objects.transform(Projection(matrix)))
