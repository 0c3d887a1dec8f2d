"""The objects of one image, annotated or detected: boxes, labels and declared fields."""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Sequence, Tuple, TypeVar

import numpy as np

from mindpoint.contracts.fields import Boxes, Field
from mindpoint.contracts.motion import Motion
from mindpoint.errors import DataError

BOXES = Boxes("boxes", (4,))
LABELS = Field("labels", (), "int64")
SCORES = Field("scores")
Self = TypeVar("Self", bound="Instances")


class Areas(Field):
    """Areas in square pixels."""

    in_pixels = True

    def transform(self, values: np.ndarray, motion: Motion) -> np.ndarray:
        return motion.lengths(values, 2).astype(self.dtype)


class Instances:
    """N objects of one image; coordinates in pixels of that image. Treat it as immutable.

    Every value is also an attribute: ``found.rotation`` is ``found.values["rotation"]``.

    Args:
        fields: fields of the objects beyond the class's ``own`` fields.
        values: arrays ``(N, *shape)`` by name, one for each own and each further field.

    Raises:
        DataError: names, lengths, shapes or types differ from the declared ones.
    """

    own: Tuple[Field, ...] = (BOXES, LABELS)

    def __init__(self, fields: Sequence[Field], values: Mapping[str, np.ndarray]):
        self.fields = tuple(fields)
        every = (*self.own, *self.fields)
        if sorted(values) != sorted(field.name for field in every):
            declared = ", ".join(field.name for field in every)
            raise DataError(f"objects have the values {', '.join(values)}; they must have the declared {declared}")
        count = len(values["boxes"])
        self.values: Dict[str, np.ndarray] = {}
        for field in every:
            array = np.asarray(values[field.name])
            problem = field.check(array, count)
            if problem:
                raise DataError(problem)
            self.values[field.name] = array.astype(field.dtype, copy=False)

    def __getattr__(self, name: str) -> np.ndarray:
        values = self.__dict__.get("values", {})
        if name in values:
            return values[name]
        raise AttributeError(f"{type(self).__name__} has no field '{name}'; it has {', '.join(values) or 'nothing'}")

    def __len__(self) -> int:
        return len(self.values["boxes"])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} objects: {', '.join(self.values)})"

    def replace(self: Self, **values: np.ndarray) -> Self:
        """Return the objects with some of the values replaced. Raises DataError like the constructor."""
        other = object.__new__(type(self))
        Instances.__init__(other, self.fields, {**self.values, **values})
        return other

    def select(self: Self, rows: np.ndarray) -> Self:
        """Return the objects that an index array, slice or mask ``(N,)`` selects, in its order."""
        return self._with({name: array[rows] for name, array in self.values.items()})

    def mirror(self: Self, width: int) -> Self:
        """Return the objects in the mirrored image of ``width`` pixels."""
        return self._with({field.name: field.mirror(self.values[field.name], width) for field in (*self.own, *self.fields)})

    def transform(self: Self, motion: Motion) -> Self:
        """Return the objects after moving all pixels of the image by ``motion``."""
        motion = motion.at(self.values["boxes"])
        return self._with({field.name: field.transform(self.values[field.name], motion) for field in (*self.own, *self.fields)})

    @staticmethod
    def concatenate(parts: Sequence[Self]) -> Self:
        """Return the objects of one or more parts with the same fields, concatenated."""
        first = parts[0]
        return first._with({name: np.concatenate([part.values[name] for part in parts]) for name in first.values})

    def _with(self: Self, values: Dict[str, np.ndarray]) -> Self:
        """Return objects of the same class and fields, without checking the values."""
        other = object.__new__(type(self))
        other.fields, other.values = self.fields, values
        return other


class Objects(Instances):
    """The annotated objects of one image.

    Args:
        boxes: ``(N, 4)`` left, top, right, bottom.
        labels: ``(N,)`` whole numbers, index into the configuration's ``classes``.
        areas: ``(N,)`` square pixels; the areas of the boxes if not given.
        crowd: ``(N,)`` bool, True if the box holds a group; all False if not given.
        fields: see :class:`Instances`.
        values: see :class:`Instances`.
    """

    own = (BOXES, LABELS, Areas("areas"), Field("crowd", (), "bool"))

    def __init__(
        self,
        boxes: np.ndarray,
        labels: np.ndarray,
        areas: Optional[np.ndarray] = None,
        crowd: Optional[np.ndarray] = None,
        fields: Sequence[Field] = (),
        values: Optional[Mapping[str, np.ndarray]] = None,
    ):
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) if areas is None else areas
        crowd = np.zeros(len(boxes), bool) if crowd is None else crowd
        super().__init__(fields, {"boxes": boxes, "labels": labels, "areas": areas, "crowd": crowd, **(values or {})})

    @staticmethod
    def none(fields: Sequence[Field] = ()) -> "Objects":
        """Return an empty set of objects with these fields."""
        values = {field.name: field.empty() for field in fields}
        return Objects(BOXES.empty(), LABELS.empty(), fields=fields, values=values)

    def reduced(self, factor: int) -> "Objects":
        """Return the objects in an image reduced by ``factor``, in which a pixel covers ``factor`` by ``factor`` pixels of this one."""
        return self if factor == 1 else self.transform(Motion.scaling(1 / factor, 0.5 / factor - 0.5))


class Detections(Instances):
    """The objects found in one image, best first.

    Args:
        boxes: ``(N, 4)`` left, top, right, bottom.
        scores: ``(N,)`` in 0..1.
        labels: ``(N,)`` whole numbers, index into the configuration's ``classes``.
        fields: see :class:`Instances`.
        values: see :class:`Instances`.
    """

    own = (BOXES, SCORES, LABELS)

    def __init__(
        self,
        boxes: np.ndarray,
        scores: np.ndarray,
        labels: np.ndarray,
        fields: Sequence[Field] = (),
        values: Optional[Mapping[str, np.ndarray]] = None,
    ):
        super().__init__(fields, {"boxes": boxes, "scores": scores, "labels": labels, **(values or {})})
