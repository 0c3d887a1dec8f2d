"""The window of an image for training, and the mapping of image and objects to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Sequence, Tuple, get_args

import cv2
import numpy as np
from mindpoint.contracts.data import Transform
from mindpoint.contracts.image import InputSpec, Sample, View, letterbox_size
from mindpoint.errors import ConfigError

Mode = Literal["crop", "shift", "object", "none"]

_NEAR = 0.8  # share of windows of mode "object" that are centred on an object


def window_view(width: int, center: Tuple[float, float], extent: float, rotation: float = 0.0, mirror: bool = False) -> View:
    """Return the view of a window given in pixels of the image file.

    Args:
        width: width of the image in pixels.
        center: centre of the window, before mirroring.
        extent: width of the window in pixels.
        rotation: rotation in degrees.
        mirror: whether the image is mirrored first; pixel ``x`` becomes ``width - 1 - x``.
    """
    x, y = float(center[0]), float(center[1])
    return View(crop_center=(width - x - 1 if mirror else x, y), crop_size=float(extent), rotation=float(rotation), mirror=bool(mirror))


def apply_view(sample: Sample, view: View, input_spec: InputSpec) -> Sample:
    """Return the sample with the part of its image in ``view``, drawn on a raster of the network's input size.

    Interpolation is bilinear; pixels outside the image are 0. Objects are mirrored with the image and otherwise stay in image pixels.
    """
    image, objects = sample.image, sample.objects
    if view.mirror:
        objects = objects.mirror(image.shape[1])
        image = cv2.flip(image, 1)
    height, width = input_spec.size
    raster = cv2.warpAffine(image, view.affine(width, height), (width, height), flags=cv2.INTER_LINEAR)
    return replace(sample, image=raster, objects=objects, view=replace(view, meta=sample.meta))


def crop_border(border: int, size: int) -> int:
    """Return the minimum distance of a crop centre from the edges: ``border``, halved until it is less than half the image's side."""
    divisor = 1
    while size - border // divisor <= border // divisor:
        divisor *= 2
    return border // divisor


class RandomView(Transform):
    """A transform that chooses a random window of the image and sets the sample's view.

    Args:
        mode: choice of the window. Its extent is relative to that of the whole image. ``crop`` (the official default): the extent is
            multiplied by a random factor of ``crop_scales``; the centre is uniform over the pixels at least ``crop_border`` from the edges.
            ``shift`` (the official ``--not_rand_crop``): the centre is that of the image, moved by clipped normal deviates; the extent is
            multiplied by a clipped normal deviate around 1. ``object``: like ``crop``, but four of five windows are centred on the box of a
            random object, moved by clipped normal deviates. ``none``: the whole image, without rotation or mirroring. For only rotation and
            mirroring, use ``shift`` with ``shift`` and ``scale`` 0.
        crop_scales: the factors, equally likely.
        crop_border: distance from the edges in image pixels. For small images, it is halved until it is less than half the side.
        shift: standard deviation of the centre's move in x and y, as a share of the extent. Moves are clipped at two standard deviations.
        scale: standard deviation of the extent's factor around 1. Factors are clipped at one standard deviation.
        rotation: standard deviation of the angle in degrees. Angles are clipped at two standard deviations.
        rotation_probability: probability of rotating the image.
        flip: probability of mirroring.

    Raises:
        ConfigError: an unknown mode or a value out of range.
    """

    def __init__(
        self,
        input_spec: InputSpec,
        mode: Mode = "crop",
        crop_scales: Sequence[float] = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3),
        crop_border: int = 128,
        shift: float = 0.1,
        scale: float = 0.4,
        rotation: float = 0.0,
        rotation_probability: float = 0.0,
        flip: float = 0.5,
    ) -> None:
        if mode not in get_args(Mode):
            raise ConfigError(f"RandomView.mode: '{mode}' is not one of {', '.join(get_args(Mode))}")
        if not crop_scales or min(crop_scales) <= 0:
            raise ConfigError(f"RandomView.crop_scales: {list(crop_scales)} is not allowed; it must have one or more positive numbers")
        if not 0 <= scale < 1:
            raise ConfigError(f"RandomView.scale: {scale} is not allowed; it must be at least 0 and below 1")
        for name, value in (("crop_border", crop_border), ("shift", shift), ("rotation", rotation)):
            if value < 0:
                raise ConfigError(f"RandomView.{name}: {value} is not allowed; it must be at least 0")
        for name, value in (("rotation_probability", rotation_probability), ("flip", flip)):
            if not 0 <= value <= 1:
                raise ConfigError(f"RandomView.{name}: {value} is not allowed; it must be a probability in 0..1")
        self.input_spec, self.mode = input_spec, mode
        self.crop_scales, self.crop_border = np.array(crop_scales, np.float64), crop_border
        self.shift, self.scale = shift, scale
        self.rotation, self.rotation_probability, self.flip = rotation, rotation_probability, flip

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        return apply_view(sample, self.draw(sample, rng), self.input_spec)

    def draw(self, sample: Sample, rng: np.random.Generator) -> View:
        """Return a random view of the sample's image."""
        height, width = sample.image.shape[:2]
        extent = letterbox_size(width, height, self.input_spec.size)
        x, y = width / 2, height / 2
        if self.mode == "none":
            return window_view(width, (x, y), extent)
        boxes = sample.objects.boxes
        near = self.mode == "object" and len(boxes) > 0 and rng.random() < _NEAR
        if self.mode != "shift":
            extent *= rng.choice(self.crop_scales)
        if near:
            x, y = boxes[rng.integers(len(boxes))].reshape(2, 2).mean(axis=0)
        elif self.mode != "shift":
            across, down = crop_border(self.crop_border, width), crop_border(self.crop_border, height)
            x, y = rng.integers(across, width - across), rng.integers(down, height - down)
        if near or self.mode == "shift":
            x += extent * _clipped_normal(rng, self.shift, 2)
            y += extent * _clipped_normal(rng, self.shift, 2)
        if self.mode == "shift":
            extent *= 1 + _clipped_normal(rng, self.scale, 1)
        rotation = _clipped_normal(rng, self.rotation, 2) if rng.random() < self.rotation_probability else 0.0
        return window_view(width, (x, y), extent, rotation, rng.random() < self.flip)


def _clipped_normal(rng: np.random.Generator, deviation: float, limit: float) -> float:
    """Return a normal deviate, clipped at ``limit`` standard deviations."""
    return deviation * float(np.clip(rng.standard_normal(), -limit, limit))
