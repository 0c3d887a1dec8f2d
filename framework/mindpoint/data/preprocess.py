"""Preprocessing of images in testing, with the same window, resampling and normalisation as the official implementation."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Tuple

import cv2
import numpy as np

from mindpoint.contracts.image import InputSpec, Sample, View, letterbox_size
from mindpoint.errors import ConfigError

Resolution = Literal["fixed", "keep"]


def inference_view(
    image_size: Tuple[int, int], input_size: Tuple[int, int], resolution: Resolution = "fixed", scale: float = 1.0, divisor: int = 32
) -> Tuple[View, Tuple[int, int]]:
    """Return the window of a test image and the raster that shows it (CenterNet ``detectors/base_detector.py``, ``pre_process``).

    ``fixed``: a raster of ``input_size`` whose window just contains the image *before* scaling. A scale above 1 therefore shows the
    enlarged centre of the image; a scale below 1 shows a smaller image with a border. (For a square input, as in the official
    implementation, the side of the window is the longer side of the image. For other shapes the official implementation uses the same
    side, which crops images.)
    ``keep``: the scaled image at its own resolution on a raster whose sides are multiples of ``divisor``, always larger than the image.

    Args:
        image_size: ``(height, width)`` of the image in pixels.
        input_size: ``(height, width)`` of the network's input in pixels, for ``fixed``.
        resolution: ``fixed`` or ``keep``.
        scale: factor by which the image is scaled first. Positive.
        divisor: for ``keep``: divisor of the raster's sides, the largest stride in the network. A power of 2.

    Returns:
        The view, and ``(height, width)`` of the raster.

    Raises:
        ConfigError: unknown resolution, or a divisor that is not a power of 2.
    """
    height, width = _scaled(image_size, scale)
    if resolution == "fixed":
        raster = (int(input_size[0]), int(input_size[1]))
        extent = letterbox_size(image_size[1], image_size[0], raster)
        return View(crop_center=(width / 2, height / 2), crop_size=extent, scale=scale), raster
    if resolution != "keep":
        raise ConfigError(f"test.resolution: '{resolution}' is neither 'fixed' nor 'keep'")
    if divisor < 1 or divisor & (divisor - 1):
        raise ConfigError(f"test.resolution: 'keep' needs a network whose largest stride is a power of 2, but it is {divisor}; use 'fixed'")
    raster = ((height | (divisor - 1)) + 1, (width | (divisor - 1)) + 1)
    return View(crop_center=(width // 2, height // 2), crop_size=float(raster[1]), scale=scale), raster


def letterbox(sample: Sample, input_spec: InputSpec) -> Sample:
    """Return a training sample that shows its whole image, as in testing at fixed resolution; objects stay in image pixels."""
    view, (height, width) = inference_view(sample.image.shape[:2], input_spec.size)
    raster = cv2.warpAffine(sample.image, view.affine(width, height), (width, height), flags=cv2.INTER_LINEAR)
    return replace(sample, image=raster, view=replace(view, meta=sample.meta))


def raster(
    image: np.ndarray, input_size: Tuple[int, int], resolution: Resolution = "fixed", scale: float = 1.0, divisor: int = 32
) -> Tuple[np.ndarray, View]:
    """Resample a BGR image ``(H, W, 3)`` to the raster ``(height, width, 3)`` that the network sees, of the same type. Return raster and
    view. The arguments are those of :func:`inference_view`."""
    view, (height, width) = inference_view(image.shape[:2], input_size, resolution, scale, divisor)
    scaled_height, scaled_width = _scaled(image.shape[:2], scale)
    scaled = cv2.resize(image, (scaled_width, scaled_height))
    return cv2.warpAffine(scaled, view.affine(width, height), (width, height), flags=cv2.INTER_LINEAR), view


def prepare(
    image: np.ndarray, input_spec: InputSpec, resolution: Resolution = "fixed", scale: float = 1.0, divisor: int = 32
) -> Tuple[np.ndarray, View]:
    """Return the network's input ``(3, height, width)`` float32 for a BGR image ``(H, W, 3)``, and its view. See :func:`raster`."""
    pixels, view = raster(image, input_spec.size, resolution, scale, divisor)
    return input_spec.normalize(pixels), view


def _scaled(image_size: Tuple[int, int], scale: float) -> Tuple[int, int]:
    if not scale > 0:
        raise ConfigError(f"test.scales: {scale} is not allowed; it must be positive")
    return max(1, int(image_size[0] * scale)), max(1, int(image_size[1] * scale))
