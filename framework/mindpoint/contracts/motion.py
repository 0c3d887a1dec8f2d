"""Motions of image content: scaling, rotation and shift; shear and perspective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Union

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

    def at(self, boxes: np.ndarray) -> "Motion":
        """Return the motion of the objects with these boxes ``(N, 4)``; by default it is the same for all objects."""
        return self

    def points(self, points: np.ndarray) -> np.ndarray:
        """Move points ``(..., 2)``, x before y."""
        return points @ self.linear.T + self.offset

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Move boxes ``(..., 4)``: left, top, right, bottom. This class moves their two corners."""
        return self.points(boxes.reshape(*boxes.shape[:-1], 2, 2)).reshape(boxes.shape)

    def lengths(self, values: np.ndarray, power: int = 1) -> np.ndarray:
        """Scale lengths of objects ``(N, ...)``, or areas if ``power`` is 2."""
        return values * self.factor**power

    def angles(self, values: np.ndarray) -> np.ndarray:
        """Rotate directions of objects ``(N, ...)``, in radians."""
        return values + self.angle if self.angle else values

    def rasters(self, values: np.ndarray) -> np.ndarray:
        """Transform pictures ``(N, ..., h, w)`` over the boxes of objects. In this class they move with the boxes and stay unchanged."""
        return values

    @property
    def factor(self) -> Union[float, np.ndarray]:
        """Return the factor by which lengths are scaled."""
        return float(np.sqrt(abs(np.linalg.det(self.linear))))

    @property
    def angle(self) -> Union[float, np.ndarray]:
        """Return the rotation in radians, from the x axis towards the y axis."""
        return float(np.arctan2(self.linear[1, 0], self.linear[0, 0]))

    @staticmethod
    def scaling(factor: float, offset: float = 0.0) -> "Motion":
        """Return the motion that multiplies all coordinates by ``factor`` and then adds ``offset``."""
        return Motion(np.eye(2) * factor, np.full(2, offset))


class Projection(Motion):
    """A projective map of the plane, such as a shear or a perspective.

    Its effect on lengths and directions varies over the plane. For an object, it is given by the map's derivative at the centre of the box;
    :meth:`at` sets the objects, and :meth:`Instances.transform` calls it. Boxes stay axis-aligned: they become those around their four
    moved corners.

    Args:
        matrix: ``(3, 3)``: the homogeneous ``(x, y, 1)`` becomes ``matrix @ (x, y, 1)``, divided by its third entry, which is positive
            at all moved points.
        objects: ``(N, 4)`` boxes of objects; None: no object.
    """

    matrix: np.ndarray
    _objects: np.ndarray

    def __init__(self, matrix: np.ndarray, objects: Optional[np.ndarray] = None):
        matrix = np.asarray(matrix, np.float64)
        boxes = np.zeros((0, 4)) if objects is None else objects.astype(np.float64)
        middles = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, np.ones((len(boxes), 1))], axis=1)
        moved = middles @ matrix.T
        depth = _positive(moved[:, 2:])
        linear = (matrix[:2, :2] - (moved[:, :2] / depth)[..., None] * matrix[2, :2]) / depth[..., None]
        super().__init__(linear, np.zeros(2))
        object.__setattr__(self, "matrix", matrix)  # the class is frozen
        object.__setattr__(self, "_objects", boxes)

    def at(self, boxes: np.ndarray) -> "Projection":
        return Projection(self.matrix, boxes)

    def points(self, points: np.ndarray) -> np.ndarray:
        moved = points @ self.matrix[:, :2].T + self.matrix[:, 2]
        return moved[..., :2] / _positive(moved[..., 2:])

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        corners = self.points(boxes[..., [0, 1, 2, 1, 2, 3, 0, 3]].reshape(*boxes.shape[:-1], 4, 2))
        return np.concatenate([corners.min(axis=-2), corners.max(axis=-2)], axis=-1)

    @property
    def factor(self) -> np.ndarray:
        """Return the factor ``(N,)`` by which the lengths of each object are scaled."""
        return np.sqrt(np.abs(np.linalg.det(self.linear)))

    @property
    def angle(self) -> np.ndarray:
        """Return the rotation ``(N,)`` of the x axis at each object, in radians."""
        return np.arctan2(self.linear[:, 1, 0], self.linear[:, 0, 0])

    def lengths(self, values: np.ndarray, power: int = 1) -> np.ndarray:
        return values * _beside(self.factor**power, values)

    def angles(self, values: np.ndarray) -> np.ndarray:
        linear = [_beside(self.linear[:, row, column], values) for row in (0, 1) for column in (0, 1)]
        x, y = np.cos(values), np.sin(values)
        return np.arctan2(linear[2] * x + linear[3] * y, linear[0] * x + linear[1] * y)

    def rasters(self, values: np.ndarray) -> np.ndarray:
        return laid_over(values, self._objects, self.boxes(self._objects), self.matrix)


def laid_over(values: np.ndarray, before: np.ndarray, after: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Resample pictures ``(N, ..., h, w)`` from their old boxes to new boxes, at the same size; they are 0 outside of the old boxes.

    Args:
        values: floating-point numbers are interpolated; whole numbers and flags are taken from the nearest pixel.
        before: ``(N, 4)`` boxes that the old pictures lie over.
        after: ``(N, 4)`` boxes that the new pictures lie over.
        matrix: ``(3, 3)`` from pixels of the old image to those of the new one.
    """
    import cv2  # not needed for reading configurations

    (height, width), laid = values.shape[-2:], np.empty_like(values)
    kind = cv2.INTER_LINEAR if values.dtype.kind == "f" else cv2.INTER_NEAREST
    for row, (old, new) in enumerate(zip(before, after)):
        change = np.linalg.inv(_placement(new, width, height)) @ matrix @ _placement(old, width, height)
        shown = cv2.warpPerspective(np.ones((height, width)), change, (width, height), flags=cv2.INTER_NEAREST)
        for place in np.ndindex(values.shape[1:-2]):
            picture = values[(row, *place)].astype(np.float64)
            moved = cv2.warpPerspective(picture, change, (width, height), flags=kind, borderMode=cv2.BORDER_REPLICATE)
            laid[(row, *place)] = moved * shown
    return laid


def _placement(box: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the matrix ``(3, 3)`` from pixels of a ``width`` x ``height`` picture to pixels of the image; the picture's corners become
    those of the box."""
    left, top = box[:2].astype(np.float64)
    across, down = np.maximum(box[2:].astype(np.float64) - box[:2], 1e-3) / (width, height)
    return np.array([[across, 0, left + across / 2], [0, down, top + down / 2], [0, 0, 1]])


def _beside(numbers: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return one number per object, with axes to broadcast over the values ``(N, ...)``."""
    return numbers.reshape(-1, *(1,) * (values.ndim - 1))


def _positive(depth: np.ndarray) -> np.ndarray:
    return np.maximum(depth, 1e-6)
