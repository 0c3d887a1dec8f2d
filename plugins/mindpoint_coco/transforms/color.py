"""Random change of colours."""

from __future__ import annotations

from typing import Sequence

import cv2
import numpy as np
from mindpoint.contracts.data import Transform
from mindpoint.contracts.image import Sample
from mindpoint.errors import ConfigError

# blue, green, red: the weights of OpenCV's BGR2GRAY
_GREY = np.array([0.114, 0.587, 0.299])
_YIQ = np.array([_GREY, [-0.3213, -0.2746, 0.5959], [0.3112, -0.5227, 0.2115]])


class ColorAugment(Transform):
    """Random brightness, contrast and saturation in random order, then lighting noise along the colours' principal axes.

    The formulas are those of CenterNet's ``utils/image.py``. ``I`` is the image in 0..1, ``grey`` the grey version of the original image,
    ``mean`` the mean of ``grey``, and ``alpha`` is uniform in ``1 - v .. 1 + v``:

    - brightness: ``alpha I``
    - contrast: ``alpha I + (1 - alpha) mean``
    - saturation: ``alpha I + (1 - alpha) grey``
    - lighting adds ``eigenvectors (eigenvalues * normal(0, lighting))``

    Nothing is clipped: values may leave 0..1. All steps are combined into one affine map of a pixel's colour.

    ``hue`` and ``greyscale`` go beyond the official steps, are off by default, and cost no further pass over the image.

    Args:
        brightness, contrast, saturation: ``v`` of each, 0..1.
        lighting: standard deviation of the noise along each axis, in units of its eigenvalue.
        eigenvalues, eigenvectors: principal components of the pixels' colours (blue, green, red; vectors in columns); by default those of
            COCO's images.
        hue: largest rotation of hues (I and Q of YIQ) in degrees, 0..180; brightness is kept.
        greyscale: probability of an image without colours, 0..1.

    Raises:
        ConfigError: a value out of range.
    """

    def __init__(
        self,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.4,
        lighting: float = 0.1,
        eigenvalues: Sequence[float] = (0.2141788, 0.01817699, 0.00341571),
        eigenvectors: Sequence[Sequence[float]] = (
            (-0.58752847, -0.69563484, 0.41340352),
            (-0.5832747, 0.00994535, -0.81221408),
            (-0.56089297, 0.71832671, 0.41158938),
        ),
        hue: float = 0.0,
        greyscale: float = 0.0,
    ) -> None:
        shares = (("brightness", brightness), ("contrast", contrast), ("saturation", saturation), ("greyscale", greyscale))
        for name, value, most in (*((*share, 1) for share in shares), ("hue", hue, 180)):
            if not 0 <= value <= most:
                raise ConfigError(f"ColorAugment.{name}: {value} is not in 0..{most}")
        if lighting < 0:
            raise ConfigError(f"ColorAugment.lighting: {lighting} is not allowed; it must be at least 0")
        self.variations = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        self.lighting, self.hue, self.greyscale = lighting, hue, greyscale
        self.eigenvalues, self.eigenvectors = np.array(eigenvalues, np.float64), np.array(eigenvectors, np.float64)
        if self.eigenvalues.shape != (3,) or self.eigenvectors.shape != (3, 3):
            raise ConfigError("ColorAugment: eigenvalues must be 3 numbers and eigenvectors 3 rows of 3 numbers")

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with another ``color_matrix`` and unchanged pixels."""
        if self.hue:
            sample = sample.recolored(hue_map(rng.uniform(-self.hue, self.hue)))
        steps = [(name, 1 + rng.uniform(-v, v)) for name, v in self.variations.items()]
        rng.shuffle(steps)
        noise = self.eigenvectors @ (self.eigenvalues * rng.normal(0.0, self.lighting, 3))
        mean = np.array(cv2.mean(sample.image)[:3]) / (255.0 if sample.image.dtype == np.uint8 else 1.0)
        if sample.color_matrix is not None:
            mean = sample.color_matrix @ [*mean, 1]
        sample = sample.recolored(color_map(steps, noise, float(_GREY @ mean)))
        if self.greyscale and rng.random() < self.greyscale:
            sample = sample.recolored(np.concatenate([np.tile(_GREY, (3, 1)), np.zeros((3, 1))], axis=1))
        return sample


def hue_map(degrees: float) -> np.ndarray:
    """Return the matrix ``(3, 4)`` float64 that rotates hues (I and Q of YIQ); blue, green, red in 0..1."""
    turn, angle = np.eye(3), np.radians(degrees)
    turn[1:, 1:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return np.concatenate([np.linalg.inv(_YIQ) @ turn @ _YIQ, np.zeros((3, 1))], axis=1)


def color_map(steps: Sequence[tuple], noise: np.ndarray, grey_mean: float) -> np.ndarray:
    """Return the matrix ``(3, 4)`` float64 that applies all steps to a pixel's colour in 0..1.

    Every step keeps the form ``image * own + grey * shared + constant``.

    Args:
        steps: pairs of ``brightness``, ``contrast`` or ``saturation`` and its alpha, in the order of application.
        noise: ``(3,)`` the lighting noise.
        grey_mean: mean of the grey image, 0..1.
    """
    own, shared, constant = 1.0, 0.0, 0.0
    for name, alpha in steps:
        own, shared, constant = own * alpha, shared * alpha, constant * alpha
        if name == "saturation":
            shared += 1 - alpha
        elif name == "contrast":
            constant += (1 - alpha) * grey_mean
    linear = own * np.eye(3) + shared * _GREY
    return np.concatenate([linear, (constant + noise)[:, None]], axis=1)
