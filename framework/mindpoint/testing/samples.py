"""Building blocks of the test classes: failures with a message, and samples with drawn boxes."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Sequence, Tuple
from unittest import SkipTest

import numpy as np

from mindpoint.contracts.data import Dataset
from mindpoint.contracts.fields import Field, Points
from mindpoint.contracts.image import InputSpec, Sample, View, letterbox_size
from mindpoint.contracts.instances import Objects


class PartTests:
    """Base of the test classes."""

    def make(self):
        """Return a new part with the same properties each time. It is called for every test."""
        raise NotImplementedError(f"{type(self).__name__}.make must return the part to test")


def need(holds: object, message: str) -> None:
    """Raise AssertionError with the contract's requirement, unless it holds."""
    if not holds:
        raise AssertionError(message)


def skip(reason: str) -> None:
    """Skip a test; pytest and ``plugins test`` show the reason."""
    raise SkipTest(reason)


def input_spec(height: int = 128, width: int = 128) -> InputSpec:
    """Return the section ``input`` of a small network."""
    return InputSpec((height, width), (0.4, 0.4, 0.4), (0.3, 0.3, 0.3))


def whole_view(width: int, height: int, size: Tuple[int, int]) -> View:
    """Return the view of a whole image of that size on a raster ``(height, width)``."""
    return View((width / 2, height / 2), letterbox_size(width, height, size))


def drawn_samples(spec: InputSpec, classes: int, fields: Sequence[Field] = (), count: int = 3) -> List[Sample]:
    """Return samples with one to three boxes each, of all classes in turn; the view is set, ``image`` is the raster.

    A single box fills most of the image. Several boxes lie in different quarters and differ in size: of three boxes, the last one has sides
    of a fifth to two fifths of the image's. In an image larger than 128 pixels, the first box is as large as in an image of 128 pixels.

    Points lie inside their box and are all visible; other fields hold small random values.
    """
    return [_drawn(spec, classes, fields, number) for number in range(count)]


def _drawn(spec: InputSpec, classes: int, fields: Sequence[Field], number: int) -> Sample:
    rng = np.random.default_rng(number)
    height, width = spec.size
    corners = rng.permutation(4)[: 1 + number % 3]
    middles = np.stack([width * (0.25 + 0.5 * (corners % 2)), height * (0.25 + 0.5 * (corners // 2))], axis=1)
    size = np.array([width, height])
    small = np.minimum(size, 128)
    halves = rng.uniform(0.1, 0.2, (2, len(corners))).T * small * (size / small) ** (np.arange(len(corners))[:, None] / 2)
    if len(corners) == 1:
        middles, halves = size[None] / 2, (0.25 + halves / small) * size
    boxes = np.concatenate([middles - halves, middles + halves], axis=1).astype(np.float32)
    labels = (np.arange(len(corners)) + number) % classes
    values = {field.name: _values(field, boxes, rng) for field in fields}
    objects = Objects(boxes, labels.astype(np.int64), fields=fields, values=values)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    return Sample(number, f"drawn {number}", image, objects, whole_view(width, height, spec.size))


def _values(field: Field, boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shape = (len(boxes), *(size or 2 for size in field.shape))
    if isinstance(field, Points):
        points = np.full(shape, 2.0)
        inside = rng.uniform(0.2, 0.8, (*shape[:2], 2))
        points[..., :2] = boxes[:, None, :2] + inside * (boxes[:, None, 2:] - boxes[:, None, :2])
        return points.astype(field.dtype)
    return rng.uniform(0, 1, shape).astype(field.dtype)


class DrawnObjects(Dataset):
    """A data set of drawn samples.

    Args:
        classes: names of the classes.
        fields: fields of the objects.
    """

    def __init__(self, classes: Sequence[str], fields: Sequence[Field] = ()) -> None:
        self.classes, self.fields = list(classes), tuple(fields)
        self._samples = drawn_samples(input_spec(), len(classes), fields)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        return replace(self._samples[index], view=None)


def records(arrays: Dict[str, np.ndarray]) -> Dict[str, Tuple[Tuple[int, ...], str]]:
    """Return shape and type of each array by name."""
    return {name: (array.shape, array.dtype.name) for name, array in arrays.items()}
