"""Normalisation of images, and the mapping between a network's pixels and the image."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Mapping, Optional, Sequence, Tuple

import numpy as np

from mindpoint.contracts.instances import Objects
from mindpoint.contracts.motion import Motion
from mindpoint.errors import ConfigError

_STRIP = 32  # image rows
MOST_SIDE = 32_766
"""Largest height or width of the network's input: OpenCV's warps accept no more."""


@dataclass(frozen=True)
class InputSpec:
    """The form of a network's input images.

    Attributes:
        size: ``(height, width)`` of the input in pixels, for training and for testing at fixed resolution.
        mean: mean of each channel, for values scaled to 0..1, in the order of ``channel_order``.
        std: standard deviation of each channel, likewise; positive.
        channel_order: ``"bgr"`` or ``"rgb"``. Images are stored as BGR everywhere; normalising changes the order.
    """

    size: Tuple[int, int]
    mean: Sequence[float]
    std: Sequence[float]
    channel_order: str = field(default="bgr", metadata={"formerly": "color"})

    def __post_init__(self) -> None:
        if len(self.size) != 2 or not all(0 < side <= MOST_SIDE for side in self.size):
            raise ConfigError(f"input.size: {self.size} is not allowed; it must be (height, width), each in 1..{MOST_SIDE}")
        if len(self.mean) != 3 or len(self.std) != 3 or not all(abs(mean) <= 1e6 for mean in self.mean):
            raise ConfigError("input.mean and input.std: must be three numbers each, at most 1e6")
        if not all(1e-6 <= std <= 1e6 for std in self.std):
            raise ConfigError(f"input.std: {self.std} is not allowed; it must be in 1e-6..1e6")
        if self.channel_order not in ("bgr", "rgb"):
            raise ConfigError(f"input.channel_order: '{self.channel_order}' is neither 'bgr' nor 'rgb'")

    def normalize(self, image: np.ndarray, color_matrix: Optional[np.ndarray] = None, out: Optional[np.ndarray] = None) -> np.ndarray:
        """Convert a BGR image ``(H, W, 3)``, uint8 in 0..255 or float32 in 0..1, to network input ``(3, H, W)`` float32, contiguous.

        Args:
            image: see above.
            color_matrix: change of colours to apply first, see :class:`Sample`.
            out: array for the result; a new one if not given.
        """
        import cv2  # not needed for reading configurations

        normal = np.empty((3, *image.shape[:2]), np.float32) if out is None else out
        order = (2, 1, 0) if self.channel_order == "rgb" else (0, 1, 2)
        if image.dtype == np.uint8 and color_matrix is None:
            steps = np.arange(256, dtype=np.float32)
            for plane, channel, mean, std in zip(normal, order, self.mean, self.std):
                cv2.LUT(cv2.extractChannel(image, channel), steps * np.float32(1 / (255 * std)) - np.float32(mean / std), plane)
            return normal
        matrix = np.eye(3, 4) if color_matrix is None else color_matrix.copy()
        matrix[:, :3] /= 255.0 if image.dtype == np.uint8 else 1.0
        matrix = matrix[list(order)]
        matrix[:, 3] -= self.mean
        matrix /= np.array(self.std)[:, None]
        for top in range(0, len(image), _STRIP):  # small enough for the cache, and twice as fast as the whole image
            strip = slice(top, top + _STRIP)
            cv2.split(cv2.transform(image[strip].astype(np.float32), matrix), list(normal[:, strip]))
        return normal


@dataclass(frozen=True)
class View:
    """The part of an image that a network sees: a window, rotated and perhaps mirrored, shown on a raster of any size.

    The image is first scaled by ``scale`` (testing at several scales), then mirrored (training), then the window is cut out.
    The official implementation calls ``crop_center`` c and ``crop_size`` s.

    Attributes:
        crop_center: ``(x, y)`` of the window in pixels of the scaled and mirrored image.
        crop_size: width of the window in those pixels; its height follows from the raster's aspect ratio.
        rotation: degrees.
        mirror: the image was mirrored left to right before cutting.
        scale: factor by which the original image was scaled before cutting.
        meta: facts about the image besides its pixels, such as a camera calibration; see :class:`Sample`.
    """

    crop_center: Tuple[float, float]
    crop_size: float
    rotation: float = 0.0
    mirror: bool = False
    scale: float = 1.0
    meta: Mapping[str, object] = field(default_factory=dict)

    def affine(self, width: int, height: int, rotated: bool = True) -> np.ndarray:
        """Return the matrix ``(2, 3)`` float64 from pixels of the scaled, mirrored image to pixels of a ``width`` x ``height`` raster.

        ``rotated=False`` leaves the rotation out, as the official implementation does for boxes. Three corresponding points in float32
        define the matrix: centres, mid-tops, and the third corner of the square (CenterNet ``utils/image.py``).
        """
        angle = np.pi * self.rotation / 180.0 if rotated else 0.0
        source = _three_points(self.crop_center, (np.sin(angle) * 0.5 * self.crop_size, np.cos(angle) * -0.5 * self.crop_size))
        target = _three_points((width * 0.5, height * 0.5), (0.0, width * -0.5))
        system = np.concatenate([source, np.ones((3, 1))], axis=1)
        return np.linalg.solve(system, target).T

    def to_image(self, points: np.ndarray, width: int, height: int) -> np.ndarray:
        """Map points ``(..., 2)`` x, y on a ``width`` x ``height`` raster back to pixels of the original image. Mirroring is not undone."""
        matrix = self.affine(width, height)
        inverse = np.linalg.inv(matrix[:, :2])
        return ((points - matrix[:, 2]) @ inverse.T) / self.scale

    def motion_to_image(self, width: int, height: int) -> Motion:
        """Return the motion from a ``width`` x ``height`` raster to the original image. Mirroring is not undone."""
        matrix = self.affine(width, height)
        linear = np.linalg.inv(matrix[:, :2]) / self.scale
        return Motion(linear, -linear @ matrix[:, 2])


def letterbox_size(width: int, height: int, raster: Tuple[int, int]) -> float:
    """Return the ``crop_size`` of the smallest view that shows a whole image on a raster ``(height, width)``; for a square raster, this is
    the larger side of the image."""
    return float(max(width, height * raster[1] / raster[0]))


def _three_points(center: Sequence[float], up: Sequence[float]) -> np.ndarray:
    first = np.array(center, np.float32)
    second = first + np.array(up, np.float32)
    across = first - second
    third = second + np.array([-across[1], across[0]], np.float32)
    return np.stack([first, second, third]).astype(np.float64)


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply an affine matrix ``(2, 3)`` to points ``(..., 2)``."""
    return points @ matrix[:, :2].T + matrix[:, 2]


@dataclass
class Sample:
    """One image on its way from the data set to the network.

    A dataset fills ``image_id``, ``name``, ``image`` and ``objects``. The transforms change ``image`` and ``objects``. The transform that
    cuts out the window sets ``view``. From then on ``image`` is the raster that the network sees, while ``objects`` stay in pixels of the
    (mirrored) original image.

    Attributes:
        image_id: id in the annotation file.
        name: name for messages: a path, or the generator and index.
        image: ``(H, W, 3)`` BGR, uint8 in 0..255 or float32 in 0..1.
        objects: the annotated objects.
        view: None until a transform has cut the window out.
        color_matrix: pending change of colours, applied together with the normalisation to save a pass. It is a matrix ``(3, 4)`` float64
            that maps blue, green, red (in 0..1) and 1 to the new blue, green, red. None: no change.
        meta: further facts about the image, by name: a camera calibration, a frame number, ... The decoder gets them in ``View.meta``.
        inputs: network inputs besides the image, by name: arrays ``(C, H, W)`` float32 on the raster that the network sees.
    """

    image_id: int
    name: str
    image: np.ndarray
    objects: Objects
    view: Optional[View] = None
    color_matrix: Optional[np.ndarray] = None
    meta: Mapping[str, object] = field(default_factory=dict)
    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)

    def recolored(self, color_matrix: np.ndarray) -> "Sample":
        """Return the sample with ``color_matrix`` applied after its pending change of colours."""
        if self.color_matrix is not None:
            color_matrix = color_matrix[:, :3] @ self.color_matrix + np.pad(color_matrix[:, 3:], ((0, 0), (3, 0)))
        return replace(self, color_matrix=color_matrix)

    def pixels(self) -> np.ndarray:
        """Return the image with the pending change of colours applied, as float32 that may leave 0..1. If no change is pending, return the
        image unchanged."""
        if self.color_matrix is None:
            return self.image
        height, width = self.image.shape[:2]
        plain = InputSpec((height, width), (0, 0, 0), (1, 1, 1))
        return np.ascontiguousarray(plain.normalize(self.image, self.color_matrix).transpose(1, 2, 0))
