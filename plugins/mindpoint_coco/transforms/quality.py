"""Random degradation of image quality: blur, noise, compression. Only pixels change, at the current image size."""

from __future__ import annotations

from dataclasses import replace
from typing import Sequence

import cv2
import numpy as np
from mindpoint.contracts.image import Sample

from mindpoint_coco.transforms.randomly import Randomly


class GaussianBlur(Randomly):
    """Blur with a Gaussian, like a lens out of focus.

    Args:
        probability: probability of blurring an image.
        sigma: range of the standard deviation in pixels, 0.1..50.
    """

    def __init__(self, probability: float = 0.3, sigma: Sequence[float] = (0.5, 2.0)) -> None:
        super().__init__(probability)
        self.sigma = self.range("sigma", sigma, 0.1, 50)

    def change(self, sample: Sample, rng: np.random.Generator) -> Sample:
        return replace(sample, image=cv2.GaussianBlur(sample.image, (0, 0), rng.uniform(*self.sigma), borderType=cv2.BORDER_REPLICATE))


class MotionBlur(Randomly):
    """Blur along a straight line of random direction, like a moving camera. The line is centred, so that objects stay in place.

    Args:
        probability: probability of blurring an image.
        length: range of the line's length in pixels, 1..200.
    """

    def __init__(self, probability: float = 0.2, length: Sequence[float] = (3.0, 12.0)) -> None:
        super().__init__(probability)
        self.length = self.range("length", length, 1, 200)

    def change(self, sample: Sample, rng: np.random.Generator) -> Sample:
        kernel = line_kernel(rng.uniform(*self.length), rng.uniform(0, np.pi))
        return replace(sample, image=cv2.filter2D(sample.image, -1, kernel, borderType=cv2.BORDER_REPLICATE))


def line_kernel(length: float, angle: float) -> np.ndarray:
    """Return a kernel ``(N, N)`` float32 of sum 1, N odd, that spreads a pixel evenly along a line through its centre.

    Args:
        length: length of the line in pixels.
        angle: angle in radians, from the x axis towards the y axis.
    """
    half = int(np.ceil(length / 2))
    along = length * ((np.arange(8 * half) + 0.5) / (8 * half) - 0.5)
    places = half + along[:, None] * (np.cos(angle), np.sin(angle))
    kernel, corner = np.zeros((2 * half + 2,) * 2), np.floor(places).astype(int)
    right, down = (places - corner).T
    for x, across in ((0, 1 - right), (1, right)):
        for y, along in ((0, 1 - down), (1, down)):
            np.add.at(kernel, (corner[:, 1] + y, corner[:, 0] + x), across * along)
    return (kernel[:-1, :-1] / kernel.sum()).astype(np.float32)


class GaussianNoise(Randomly):
    """Add independent normal noise to each pixel and channel, like a sensor in the dark.

    Args:
        probability: probability of adding noise to an image.
        deviation: range of the standard deviation as a share of full brightness, 0..1.
    """

    def __init__(self, probability: float = 0.3, deviation: Sequence[float] = (0.01, 0.05)) -> None:
        super().__init__(probability)
        self.deviation = self.range("deviation", deviation, 0, 1)

    def change(self, sample: Sample, rng: np.random.Generator) -> Sample:
        image, whole = sample.image, 255.0 if sample.image.dtype == np.uint8 else 1.0
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(*self.deviation) * whole)
        noisy = np.clip(image + noise, 0, whole)
        return replace(sample, image=np.rint(noisy).astype(np.uint8) if image.dtype == np.uint8 else noisy)


class JpegCompression(Randomly):
    """Compress the image as JPEG and decode it again.

    Args:
        probability: probability of compressing an image.
        quality: range of the quality, whole numbers in 1..100.
    """

    def __init__(self, probability: float = 0.3, quality: Sequence[int] = (30, 90)) -> None:
        super().__init__(probability)
        self.quality = self.range("quality", quality, 1, 100)

    def change(self, sample: Sample, rng: np.random.Generator) -> Sample:
        image, quality = sample.image, int(rng.integers(self.quality[0], self.quality[1] + 1))
        pixels = image if image.dtype == np.uint8 else np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        decoded = cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
        return replace(sample, image=decoded if image.dtype == np.uint8 else decoded.astype(np.float32) / 255)
