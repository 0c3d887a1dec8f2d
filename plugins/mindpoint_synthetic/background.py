"""Backgrounds behind the people: gradients, textures, furniture, blobs, strokes that resemble limbs; and camera noise."""

from __future__ import annotations

from typing import NamedTuple, Tuple

import cv2
import numpy as np

from mindpoint_synthetic.outfit import Color, shade, vivid

Size = Tuple[int, int]  # height, width


class Stool(NamedTuple):
    """A stool: a block with a lighter seat. ``box`` holds left, top, right, bottom in pixels and lies inside the image."""

    box: Tuple[int, int, int, int]
    color: Color

    def paint(self, image: np.ndarray) -> None:
        left, top, right, bottom = self.box
        cv2.rectangle(image, (left, top), (right, bottom), self.color, -1)
        cv2.rectangle(image, (left, top), (right, top + 1 + (bottom - top) // 8), shade(self.color, 1.25), -1)

    def mark(self, labels: np.ndarray) -> None:
        """Erase the labels behind the seat from a map of labels."""
        left, top, right, bottom = self.box
        cv2.rectangle(labels, (left, top), (right, bottom), 0, -1)


def paint_background(rng: np.random.Generator, size: Size) -> np.ndarray:
    """Return a BGR image ``(H, W, 3)`` uint8."""
    height, width = size
    image = _gradient(rng, size)
    if rng.random() < 0.5:
        _texture(rng, image)
    if rng.random() < 0.75:
        horizon = int(height * rng.uniform(0.45, 0.85))
        image[horizon:] = _gradient(rng, (height - horizon, width))
        if rng.random() < 0.4:
            _texture(rng, image[horizon:])
    for _ in range(rng.integers(1, 6)):
        _panel(rng, image)
    for _ in range(rng.integers(0, 4)):
        _blob(rng, image)
    for _ in range(rng.integers(0, 3)):
        _furniture(rng, image)
    for _ in range(rng.integers(0, 6)):
        _stroke(rng, image)
    return image


def finish(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Add uneven light, a little blur and sensor noise to the finished picture."""
    height, width = image.shape[:2]
    light = rng.uniform(0.78, 1.12, (2, 3)).astype(np.float32) * np.float32(256)
    light = cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint16)
    image = cv2.multiply(image, cv2.merge([light] * 3), scale=1 / 256, dtype=cv2.CV_8U)
    if rng.random() < 0.35:
        image = cv2.GaussianBlur(image, (3, 3), rng.uniform(0.4, 0.9))
    noise = rng.integers(0, 256, image.shape, np.uint8)
    strength = rng.uniform(0.01, 0.07)
    return cv2.addWeighted(image, 1.0, noise, strength, -127.5 * strength)


def _color(rng: np.random.Generator) -> Color:
    """Return a colour of the surroundings, which are duller than clothes."""
    return vivid(rng, (5, 110), (50, 235))


def _gradient(rng: np.random.Generator, size: Size) -> np.ndarray:
    base = np.array(_color(rng))
    coarse = np.clip(base + rng.uniform(-45, 45, (3, 3, 1)) + rng.uniform(-15, 15, (3, 3, 3)), 0, 255).astype(np.uint8)
    return cv2.resize(coarse, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def _texture(rng: np.random.Generator, image: np.ndarray) -> None:
    """Blend a pattern into ``image``: tiles, stripes or cloud."""
    height, width = image.shape[:2]
    strength = rng.uniform(10, 60)
    kind = rng.integers(3)
    if kind < 2:
        cell = int(rng.integers(5, 28))
        rows, columns = np.arange(height)[:, None] // cell, np.arange(width)[None] // cell
        cells = (rows + columns) if kind == 0 else (columns if rng.random() < 0.6 else rows)
        pattern = np.broadcast_to((cells % 2 * 255).astype(np.uint8), (height, width))
    else:
        coarse = rng.integers(0, 256, rng.integers(4, 40, 2), np.uint8)
        pattern = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.addWeighted(image, 1.0, cv2.merge([np.ascontiguousarray(pattern)] * 3), strength / 255, -strength / 2, dst=image)


def _box(rng: np.random.Generator, image: np.ndarray, small: float, large: float) -> Tuple[int, int, int, int]:
    height, width = image.shape[:2]
    w, h = width * rng.uniform(small, large), height * rng.uniform(small, large)
    x, y = rng.uniform(-0.3 * w, width - 0.7 * w), rng.uniform(-0.3 * h, height - 0.7 * h)
    return int(x), int(y), int(x + w), int(y + h)


def _panel(rng: np.random.Generator, image: np.ndarray) -> None:
    """Draw a window, door or picture: a rectangle, often with a frame and bars."""
    left, top, right, bottom = _box(rng, image, 0.08, 0.5)
    color = _color(rng)
    cv2.rectangle(image, (left, top), (right, bottom), color, -1)
    if rng.random() < 0.6:
        dark = shade(color, rng.uniform(0.4, 0.8))
        cv2.rectangle(image, (left, top), (right, bottom), dark, int(rng.integers(1, 5)))
        if rng.random() < 0.5:
            middle = (left + right) // 2
            cv2.line(image, (middle, top), (middle, bottom), dark, int(rng.integers(1, 4)))


def _blob(rng: np.random.Generator, image: np.ndarray) -> None:
    """Draw a bush, ball or lamp: an ellipse."""
    left, top, right, bottom = _box(rng, image, 0.05, 0.35)
    center, axes = ((left + right) // 2, (top + bottom) // 2), ((right - left) // 2 + 1, (bottom - top) // 2 + 1)
    cv2.ellipse(image, center, axes, rng.uniform(0, 180), 0, 360, _color(rng), -1, cv2.LINE_AA)


def _furniture(rng: np.random.Generator, image: np.ndarray) -> None:
    """Draw a table or chair: a board on legs, perhaps with a back."""
    height, width = image.shape[:2]
    wide, tall = width * rng.uniform(0.12, 0.35), height * rng.uniform(0.12, 0.35)
    left, top = rng.uniform(0, width - wide), rng.uniform(0.3 * height, height - 0.6 * tall)
    color, thick = _color(rng), int(max(2, width * rng.uniform(0.01, 0.025)))
    points = np.array([[left, top], [left + wide, top], [left, top + tall], [left + wide, top + tall]]).astype(int).tolist()
    cv2.line(image, points[0], points[2], shade(color, 0.75), thick, cv2.LINE_AA)
    cv2.line(image, points[1], points[3], shade(color, 0.75), thick, cv2.LINE_AA)
    if rng.random() < 0.5:
        back = points[rng.integers(2)]
        cv2.line(image, back, [back[0], int(top - tall)], color, thick, cv2.LINE_AA)
    cv2.rectangle(image, points[0], [points[1][0], points[1][1] + thick * 2], color, -1)


def _stroke(rng: np.random.Generator, image: np.ndarray) -> None:
    """Draw a branch, pole or pipe."""
    height, width = image.shape[:2]
    start = rng.uniform(0, 1, 2) * (width, height)
    end = start + rng.normal(0, 0.2, 2) * (width, height)
    thick = int(max(1, min(height, width) * rng.uniform(0.006, 0.035)))
    cv2.line(image, start.astype(int).tolist(), end.astype(int).tolist(), _color(rng), thick, cv2.LINE_AA)
