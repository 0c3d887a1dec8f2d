"""Pictures of one sample: annotations, mirrored copy, network input with its targets."""

from __future__ import annotations

import copy
from typing import Dict, Tuple

import cv2
import numpy as np
from mindpoint.contracts.data import TargetEncoder
from mindpoint.contracts.fields import Field, Points
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.contracts.visualizer import Visualizer
from mindpoint.visual.draw import canvas_of, captioned, grid

_HEIGHT, _SMALL = 480, 160  # heights in pixels: of a picture, and of a detail
_FIRST, _SECOND, _MIDDLE = (0, 140, 255), (255, 120, 0), (80, 220, 80)  # blue-green-red: orange, blue, green
Pictures = Dict[str, np.ndarray]


def annotated(sample: Sample, visualizer: Visualizer) -> Pictures:
    """Draw the annotations into the image and into its mirrored copy; return both pictures by caption.

    If the objects have points, the first of each swapped pair is orange in both pictures, the second blue.

    Args:
        sample: the sample as the data set returns it.
    """
    objects = in_side_colors(sample.objects)
    paired = any(isinstance(field, Points) and (field.order != np.arange(len(field.order))).any() for field in objects.fields)
    captions = ("annotated: first of a pair orange, second blue", "mirrored, pairs swapped") if paired else ("annotated", "mirrored")
    mirrored = cv2.flip(sample.image, 1), objects.mirror(sample.image.shape[1])
    drawn = (visualizer.draw_objects(*each) for each in ((sample.image, objects), mirrored))
    return {caption: _sized(picture, _HEIGHT) for caption, picture in zip(captions, drawn)}


def learnt(sample: Sample, targets: Dict[str, np.ndarray], encoder: TargetEncoder, details: bool) -> Tuple[Pictures, Pictures]:
    """Return pictures of the network's input and targets, and further details, by caption.

    Args:
        sample: the transformed sample.
        targets: the encoded targets of the sample.
        details: include the details; otherwise the second dictionary is empty.
    """
    pictures = {"network input": canvas_of(sample.pixels()), **encoder.pictures(sample, targets)}
    more = encoder.pictures(sample, targets, details=True) if details else {}
    return (
        {caption: _sized(picture, _HEIGHT) for caption, picture in pictures.items()},
        {caption: _sized(picture, _SMALL) for caption, picture in more.items() if caption not in pictures},
    )


def sheet(pictures: Pictures, columns: int) -> np.ndarray:
    """Return the pictures side by side, each below its caption."""
    return grid([captioned(picture, caption) for caption, picture in pictures.items()], columns)


def in_side_colors(objects: Objects) -> Objects:
    """Return the objects with points in the colours of their sides: the first of each swapped pair orange, the second blue."""
    fields = tuple(map(_sided, objects.fields))
    values = {field.name: objects.values[field.name] for field in fields}
    return Objects(objects.boxes, objects.labels, objects.areas, objects.crowd, fields, values)


def _sided(field: Field) -> Field:
    """Return points in the colours of the two sides."""
    if not isinstance(field, Points):
        return field
    sided, numbers = copy.copy(field), np.arange(len(field.order))
    sides = np.sign(field.order - numbers).tolist()
    sided.colors = tuple({1: _FIRST, -1: _SECOND, 0: _MIDDLE}[side] for side in sides)
    return sided


def _sized(picture: np.ndarray, height: int) -> np.ndarray:
    """Return the picture scaled to a height; enlarging keeps pixels sharp."""
    scale = height / len(picture)
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
