"""Convex polygons of body parts, seen from the camera."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Tuple

import cv2
import numpy as np

from mindpoint_synthetic.outfit import Color, shade

PARTS = (
    "head", "trunk", "hips", "left_arm", "right_arm", "left_forearm", "right_forearm",
    "left_thigh", "right_thigh", "left_shin", "right_shin",
)  # fmt: skip
SHIFT = 4  # fractional bits of polygon corners
CIRCLE = np.stack([np.cos(np.arange(16) * np.pi / 8), np.sin(np.arange(16) * np.pi / 8)], axis=1)
_ARC = np.exp(1j * np.linspace(-np.pi / 2, np.pi / 2, 7))  # half a circle in the complex plane, bulging to the right
_THINNEST = 0.55  # pixels; half the width of the finest visible stroke


class Shape(NamedTuple):
    """A convex polygon with corners ``(K, 1, 2)`` int32 in 1/16 pixel, of the part ``PARTS[part]``."""

    corners: np.ndarray
    part: int
    color: Color
    edge: Optional[Color]


class Layer(NamedTuple):
    """Shapes that are painted together, in this order. The layers of a figure are painted from far to near."""

    nearness: float
    shapes: List[Shape]


class Pen:
    """Converts points in the camera frame of a figure to shapes.

    Args:
        scale: pixels per unit of length (the figure's standing height).
        origin: pixel of the camera frame's origin.
    """

    def __init__(self, scale: float, origin: Tuple[float, float]) -> None:
        self.scale = scale
        self.origin = np.asarray(origin, float)
        self._shift = complex(*origin)

    def flat(self, points: np.ndarray) -> np.ndarray:
        """Project points ``(..., 3)`` in space to pixels ``(..., 2)``."""
        return self.origin + self.scale * points[..., :2]

    def _complex(self, point: np.ndarray) -> complex:
        x, y, _ = point.tolist()
        return self.scale * complex(x, y) + self._shift

    def hull(self, pixels: np.ndarray, part: str, color: Color, edge: bool = True) -> Shape:
        """Return the convex hull of pixels ``(N, 2)``, with a darker edge to separate parts of the same colour."""
        corners = cv2.convexHull((pixels * (1 << SHIFT) + 0.5).astype(np.int32))
        return Shape(corners, PARTS.index(part), color, shade(color, 0.66) if edge else None)

    def solid(self, points: np.ndarray, part: str, color: Color, edge: bool = True) -> Shape:
        """Return the outline of a convex body with corners ``(N, 3)``."""
        return self.hull(self.flat(points), part, color, edge)

    def limb(self, start: np.ndarray, end: np.ndarray, radii: Tuple[float, float], part: str, color: Color, edge: bool = True) -> Shape:
        """Return a rounded, tapered limb from ``start`` to ``end``."""
        first, last = self._complex(start), self._complex(end)
        length = abs(last - first)
        along = (last - first) / length if length else 1.0
        outline = np.empty(2 * len(_ARC), complex)
        outline[: len(_ARC)] = first - along * max(radii[0] * self.scale, _THINNEST) * _ARC
        outline[len(_ARC) :] = last + along * max(radii[1] * self.scale, _THINNEST) * _ARC
        return self.hull(outline.view(float).reshape(-1, 2), part, color, edge)

    def ellipsoid(self, center: np.ndarray, axes: np.ndarray, part: str, color: Color, edge: bool = True) -> Shape:
        """Return the outline of the ellipsoid whose semi-axes are the columns of ``axes``.

        The outline is the image of a unit circle under the square root of the projected matrix ``axes axes^T``.
        """
        root = np.linalg.cholesky((axes @ axes.T)[:2, :2])
        return self.hull(self.flat(center) + self.scale * (CIRCLE @ root.T), part, color, edge)


def ring(center: np.ndarray, axes: np.ndarray, wide: float, deep: float) -> np.ndarray:
    """Return points ``(16, 3)`` around a slice of the body: ``wide`` to the sides, ``deep`` to front and back."""
    return center + CIRCLE @ np.stack([axes[:, 0] * wide, axes[:, 2] * deep])
