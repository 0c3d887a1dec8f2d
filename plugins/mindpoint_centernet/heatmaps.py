"""Heatmaps in numpy: width of peaks (CenterNet ``utils/image.py``), drawing peaks, finding peaks.

Importing this module does not import MindSpore; loss terms are in :mod:`mindpoint_centernet.functional`. Both modules are public for
plugins: names and meaning are stable.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, NamedTuple, Tuple

import cv2
import numpy as np

__all__ = ["Peaks", "RadiusRule", "gaussian", "gaussian32", "gaussian_radius", "peaks", "sigma_of", "stamp", "window"]

RadiusRule = Literal["official", "model_zoo", "corrected"]
_NEIGHBOURS = np.ones((3, 3), np.uint8)


def gaussian_radius(height: float, width: float, rule: RadiusRule = "official", overlap: float = 0.7) -> int:
    """Return the radius of a box's peak. With the rule ``corrected``, the box keeps the IoU ``overlap`` if its corners move by it.

    Three quadratic equations bound the radius (the box is shifted, shrunk or enlarged by it); the smallest root is used.

    Args:
        height, width: size of the box in heatmap pixels.
        rule: ``official`` omits the division by 2a (CenterNet's formula, where the smallest root is about 2.8 times too large),
            ``model_zoo`` divides and rounds up, ``corrected`` also takes the smaller roots (CornerNet's correction).

    Returns:
        Whole heatmap pixels, at least 0.
    """
    total, area = height + width, width * height
    # (a, b, c) and the sign of the root that CornerNet's correction takes
    equations = (
        (1.0, total, area * (1 - overlap) / (1 + overlap), -1),
        (4.0, 2 * total, (1 - overlap) * area, -1),
        (4 * overlap, -2 * overlap * total, (overlap - 1) * area, 1),
    )
    roots = []
    for a, b, c, corrected_sign in equations:
        sign = corrected_sign if rule == "corrected" else 1
        divisor = 2 if rule == "official" else 2 * a
        roots.append((b + sign * math.sqrt(b * b - 4 * a * c)) / divisor)
    smallest = min(roots)
    return max(0, math.ceil(smallest) if rule == "model_zoo" else int(smallest))


@lru_cache(maxsize=1024)
def gaussian(radius: int, sigma: float) -> np.ndarray:
    """Return a peak of height 1, ``(2 radius + 1, 2 radius + 1)`` float64, read-only."""
    squares = np.arange(-radius, radius + 1, dtype=np.float64) ** 2
    kernel = np.exp(-(squares[:, None] + squares[None, :]) / (2 * sigma * sigma))
    kernel.flags.writeable = False
    return kernel


@lru_cache(maxsize=1024)
def gaussian32(radius: int, sigma: float) -> np.ndarray:
    """Return :func:`gaussian` in float32, which needs no conversion when drawn."""
    kernel = gaussian(radius, sigma).astype(np.float32)
    kernel.flags.writeable = False
    return kernel


def sigma_of(radius: int) -> float:
    """Return the standard deviation for a radius: a sixth of the diameter."""
    return (2 * radius + 1) / 6


def window(x: int, y: int, radius: int, width: int, height: int) -> Tuple[Tuple[slice, slice], Tuple[slice, slice]]:
    """Return the slices (rows, columns) of a ``width`` x ``height`` map that a peak at pixel ``(x, y)`` covers, and those of the kernel."""
    left, right = min(x, radius), min(width - x, radius + 1)
    top, bottom = min(y, radius), min(height - y, radius + 1)
    on_map = (slice(y - top, y + bottom), slice(x - left, x + right))
    in_kernel = (slice(radius - top, radius + bottom), slice(radius - left, radius + right))
    return on_map, in_kernel


def stamp(heatmap: np.ndarray, x: int, y: int, kernel: np.ndarray) -> None:
    """Draw a peak at pixel ``(x, y)`` of ``heatmap`` ``(H, W)``, in place; each pixel keeps the larger value."""
    height, width = heatmap.shape
    radius = kernel.shape[0] // 2
    if radius <= x < width - radius and radius <= y < height - radius:
        part = heatmap[y - radius : y + radius + 1, x - radius : x + radius + 1]
    else:
        on_map, in_kernel = window(x, y, radius, width, height)
        part, kernel = heatmap[on_map], kernel[in_kernel]
    np.maximum(part, kernel, part)


class Peaks(NamedTuple):
    """Peaks of heatmaps, best first.

    Attributes:
        scores: ``(N,)`` values of the heatmap.
        channels, rows, columns: ``(N,)`` positions in the heatmaps.
    """

    scores: np.ndarray
    channels: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


def peaks(heatmaps: np.ndarray, count: int, above: float = 0.0) -> Peaks:
    """Return the best ``count`` local maxima in 3x3 windows.

    Among equal scores, the lower channel comes first, then the upper row, then the left column.

    Args:
        heatmaps: ``(C, H, W)`` float32.
        above: threshold that scores must exceed.
    """
    highest = np.stack([cv2.dilate(channel, _NEIGHBOURS) for channel in heatmaps])
    places = np.flatnonzero((heatmaps == highest) & (heatmaps > above))
    scores = heatmaps.reshape(-1)[places]
    best = np.argsort(-scores, kind="stable")[:count]
    return Peaks(scores[best], *np.unravel_index(places[best], heatmaps.shape))
