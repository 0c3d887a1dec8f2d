"""Shared code for covering, hiding and clipping objects, and for placing images into others.

Rectangles are left, top, right, bottom in pixels.
"""

from __future__ import annotations

from typing import List, Sequence

import cv2
import numpy as np
from mindpoint.contracts.fields import Boxes, Points, Rasters
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.contracts.motion import Motion, Projection, laid_over


def in_pixels(sample: Sample) -> Objects:
    """Return the sample's objects in pixels of ``sample.image``, also after the window was cut out."""
    if sample.view is None:
        return sample.objects
    height, width = sample.image.shape[:2]
    return sample.objects.transform(Projection(np.vstack([sample.view.affine(width, height), (0, 0, 1)])))


def covered(boxes: np.ndarray, rectangle: np.ndarray) -> np.ndarray:
    """Return the share ``(N,)`` of each box ``(N, 4)`` inside the rectangle, 0..1; for empty boxes, 1 if inside."""
    left_top, right_bottom = np.maximum(boxes[:, :2], rectangle[:2]), np.minimum(boxes[:, 2:], rectangle[2:])
    common, whole = np.maximum(right_bottom - left_top, 0).prod(axis=1), np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1)
    inside = (left_top <= right_bottom).all(axis=1).astype(np.float64)
    return np.where(whole > 0, common / np.where(whole > 0, whole, 1), inside)


def hidden(objects: Objects, rectangle: np.ndarray, shown: Objects) -> Objects:
    """Return the objects with visible points in the rectangle marked as hidden (COCO's visibility 1 instead of 2).

    Args:
        shown: the objects in the rectangle's pixels.
    """
    values = {}
    for field in objects.fields:
        if isinstance(field, Points) and field.seen is not None:
            values[field.name] = value = objects.values[field.name].copy()
            seen = value[..., field.seen]  # a view of the copy
            seen[_inside(shown.values[field.name], rectangle) & (seen > 1)] = 1
    return objects.replace(**values)


def cut(objects: Objects, rectangle: np.ndarray, least: float) -> Objects:
    """Return the objects clipped to a rectangle.

    Boxes are clipped, areas shrink with them, and points outside become unlabelled (zeros) where their field has a visibility. Points that
    their data set lacks (negative visibility) stay marked.

    Args:
        least: minimum share of a box inside the rectangle, 0..1; other objects are removed.
    """
    share = covered(objects.boxes, rectangle)
    kept = share >= least
    objects, share = objects.select(kept), share[kept]
    clip = lambda boxes: np.clip(boxes, np.tile(rectangle[:2], 2), np.tile(rectangle[2:], 2))  # noqa: E731
    boxes = clip(objects.boxes)
    values = {"boxes": boxes, "areas": objects.areas * share}
    for field in objects.fields:
        value = objects.values[field.name]
        if isinstance(field, Points) and field.seen is not None:
            never = value[..., field.seen] < 0
            values[field.name] = np.where((_inside(value, rectangle) | never)[..., None], value, 0)
        elif isinstance(field, Boxes):
            values[field.name] = clip(value)
        elif isinstance(field, Rasters):
            values[field.name] = laid_over(value, objects.boxes, boxes, np.eye(3))
    return objects.replace(**{name: value.astype(objects.values[name].dtype) for name, value in values.items()})


def _inside(points: np.ndarray, rectangle: np.ndarray) -> np.ndarray:
    """Return a mask of the points ``(..., entries)`` whose nearest pixel is in the rectangle; pixel centres are whole numbers."""
    middles = points[..., :2] + 0.5
    return ((middles >= rectangle[:2]) & (middles < rectangle[2:])).all(axis=-1)


def resized(image: np.ndarray, factor: float) -> np.ndarray:
    """Return the image resized so that a point ``x`` moves to ``(x + 0.5) * factor - 0.5``, see :func:`resizing`; at least one pixel.

    Args:
        factor: positive factor, at least :func:`least_factor` of the image.
    """
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)


def least_factor(image: np.ndarray) -> float:
    """Return the factor that shrinks the shorter side of an image to one pixel."""
    return 0.51 / min(image.shape[:2])


def resizing(factor: float, left: float = 0.0, top: float = 0.0) -> Motion:
    """Return the motion to a resized image whose first pixel is placed at ``(left, top)`` of another one."""
    return Motion(np.eye(2) * factor, np.array([left, top]) + (factor - 1) / 2)


def same_kind(samples: Sequence[Sample]) -> List[np.ndarray]:
    """Return the images of samples with pending colour changes applied, all uint8 or all float32."""
    images = [sample.pixels() for sample in samples]
    if all(image.dtype == np.uint8 for image in images):
        return images
    return [image.astype(np.float32) / 255 if image.dtype == np.uint8 else image for image in images]
