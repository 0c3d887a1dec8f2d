"""Motions of image content: scaling, rotation and shift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Motion:
    """A similarity of the plane, ``p -> linear @ p + offset``, from pixels of one image to pixels of another.

    Attributes:
        linear: ``(2, 2)``, a rotation times a positive factor.
        offset: ``(2,)`` pixels.
    """

    linear: np.ndarray
    offset: np.ndarray

    def points(self, points: np.ndarray) -> np.ndarray:
        """Move points ``(..., 2)``, x before y."""
        return points @ self.linear.T + self.offset

    @property
    def factor(self) -> float:
        """Return the factor by which lengths are scaled."""
        return float(np.sqrt(abs(np.linalg.det(self.linear))))

    @property
    def angle(self) -> float:
        """Return the rotation in radians, from the x axis towards the y axis."""
        return float(np.arctan2(self.linear[1, 0], self.linear[0, 0]))

    @staticmethod
    def scaling(factor: float, offset: float = 0.0) -> "Motion":
        """Return the motion that multiplies all coordinates by ``factor`` and then adds ``offset``."""
        return Motion(np.eye(2) * factor, np.full(2, offset))
