"""Declared attributes of objects: their names, shapes and types, how they move with the image, and their names in files.

Every object has a box, a label and a score. Everything else is a field: the joints of people, a rotation, a depth, a track id, a mask. All
code that handles objects (selecting, joining, mirroring, scaling, JSON, COCO records, CSV, exported decoders, comparison, drawing) loops
over the declared fields. A new kind of field therefore only needs a subclass of :class:`Field`.

Values are arrays ``(N, *shape)``, one row for each object.
"""

from __future__ import annotations

import colorsys
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from mindpoint.contracts.motion import Motion
from mindpoint.errors import ConfigError

Shape = Tuple[Optional[int], ...]
Color = Tuple[int, int, int]


class Field:
    """A value that does not move with the image: a depth, a track id, an embedding, dimensions in metres.

    Args:
        name: an identifier; the attribute of :class:`~mindpoint.contracts.instances.Instances`, the key in JSON and COCO records.
        shape: shape of one object's value; None for an axis of any size.
        dtype: numpy's name of the type, such as ``float32``, ``int64``, ``bool``.
        of: the :class:`Points` field whose points this one describes; its first axis counts the points. JSON and CSV then show the values
            together with the points, under ``key``.
        key: see ``of``; ``name`` if not given.
        tolerance: largest difference of two values that count as equal, e.g. after an export; None: 0.001, and 0 for whole numbers
            and flags.

    Raises:
        ConfigError: the name is not an identifier.
    """

    in_pixels = False
    """True if values are lengths or positions in pixels, whose tolerance grows with the image."""

    def __init__(
        self,
        name: str,
        shape: Sequence[Optional[int]] = (),
        dtype: str = "float32",
        of: Optional[str] = None,
        key: Optional[str] = None,
        tolerance: Optional[float] = None,
    ):
        if not name.isidentifier() or name.startswith("_"):
            raise ConfigError(f"field '{name}': the name must consist of letters, digits and _")
        self.name, self.shape, self.dtype = name, tuple(shape), np.dtype(dtype)
        self.of, self.key = of, key or name
        self.tolerance = tolerance if tolerance is not None else 1e-3 if self.dtype.kind == "f" else 0.0

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Field)
            and type(self) is type(other)
            and self.name == other.name
            and self.shape == other.shape
            and self.dtype == other.dtype
        )

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.shape}, {self.dtype})"

    def empty(self, count: int = 0) -> np.ndarray:
        """Return ``count`` rows of zeros; axes of any size have length 0."""
        return np.zeros((count, *(size or 0 for size in self.shape)), self.dtype)

    def check(self, values: np.ndarray, count: int) -> Optional[str]:
        """Return an error message if the values do not fit ``count`` objects, or None."""
        values = np.asarray(values)
        fits = values.ndim == 1 + len(self.shape) and all(want in (None, size) for want, size in zip(self.shape, values.shape[1:]))
        if not fits or len(values) != count:
            declared = ", ".join(["N", *("any" if size is None else str(size) for size in self.shape)])
            return f"field '{self.name}' is declared as ({declared}) and has the shape {values.shape} for {count} objects"
        if not np.can_cast(values.dtype, self.dtype, "same_kind"):
            return f"field '{self.name}' is declared as {self.dtype} and has the type {values.dtype}"
        return None

    def mirror(self, values: np.ndarray, width: int) -> np.ndarray:
        """Return the values in the mirrored image of ``width`` pixels, in which x becomes ``width - 1 - x``."""
        return values

    def transform(self, values: np.ndarray, motion: Motion) -> np.ndarray:
        """Return the values after moving all pixels of the image by ``motion``."""
        return values

    def to_json(self, value: np.ndarray) -> object:
        """Return one object's value as JSON."""
        return value.tolist()

    def to_coco(self, value: np.ndarray) -> Dict[str, object]:
        """Return the entries of one object's value in a record of COCO's annotation or result format, by key."""
        return {self.name: value.tolist()}

    def from_coco(self, record: dict) -> object:
        """Return one object's value from a record of COCO's annotation or result format, as an array of the field's shape; zeros if the
        record lacks it.

        Raises:
            ValueError: the record holds another type of value; the message gives the expected type.
        """
        if record.get(self.name) is None:
            return self.empty(1)[0]
        try:
            value = _array(record[self.name], self.dtype)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"'{self.name}' is {record[self.name]!r}, not {self._said()}") from error
        if value.dtype.kind == "f" and not np.isfinite(value).all() or self.check(value[None], 1):
            raise ValueError(f"'{self.name}' is {record[self.name]!r}, not {self._said()}")
        return value

    def _said(self) -> str:
        kind = {"f": "finite numbers", "b": "true or false"}.get(self.dtype.kind, "whole numbers")
        return f"{kind} of shape {list(self.shape)}" if self.shape else kind

    def columns(self) -> List[str]:
        """Return the names of the table columns of one object's value; empty if it does not fit into a table."""
        sizes = [size for size in self.shape if size is not None]
        if len(sizes) < len(self.shape) or int(np.prod(sizes)) > 64:
            return []
        places = np.ndindex(*sizes)
        return ["_".join([self.name, *map(str, place)]) for place in places]

    def cells(self, value: np.ndarray) -> List[object]:
        """Return one object's value as table cells in the order of :meth:`columns`; flags as 0 and 1."""
        if not self.columns():
            return []
        return [int(cell) if isinstance(cell, bool) else cell for cell in value.reshape(-1).tolist()]

    def differs(self, first: np.ndarray, second: np.ndarray, pixels: float) -> np.ndarray:
        """Tell for each row of ``first`` ``(N, *shape)`` whether it differs from ``second`` ``(*shape)`` by more than the tolerance.

        Args:
            pixels: tolerance of values in pixels.
        """
        if first.shape[1:] != second.shape:
            return np.ones(len(first), bool)
        distance = self.distance(first, second).reshape(len(first), -1).max(axis=1, initial=0.0)
        return ~(distance <= (pixels if self.in_pixels else self.tolerance))

    def distance(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the absolute differences of values, in the unit of the tolerance."""
        if self.dtype.kind == "f":
            return np.where(np.isnan(first) & np.isnan(second), 0, np.abs(first - second))
        return (first != second).astype(np.float64)


class Lengths(Field):
    """Lengths in pixels, scaled with the image."""

    in_pixels = True

    def transform(self, values: np.ndarray, motion: Motion) -> np.ndarray:
        return motion.lengths(values).astype(self.dtype)


class Angles(Field):
    """Directions in radians, from the x axis towards the y axis (clockwise on the screen). They are mirrored and rotated with the image.

    Angles that differ by a full turn are equal; an axis without a direction may use half of the range.
    """

    def mirror(self, values: np.ndarray, width: int) -> np.ndarray:
        return self._wrapped(np.pi - values)

    def transform(self, values: np.ndarray, motion: Motion) -> np.ndarray:
        turned = motion.angles(values)
        return values if turned is values else self._wrapped(turned)

    def distance(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.abs(self._wrapped(first - second))

    def _wrapped(self, values: np.ndarray) -> np.ndarray:
        """Return the angles in ``(-pi, pi]``."""
        return (np.pi - np.mod(np.pi - values, 2 * np.pi)).astype(self.dtype)


class Boxes(Field):
    """Boxes ``(..., 4)``: left, top, right, bottom in pixels. They stay axis-aligned: rotating the image rotates only their two corners;
    shear and perspective move all four."""

    in_pixels = True

    def mirror(self, values: np.ndarray, width: int) -> np.ndarray:
        mirrored = values.copy()
        mirrored[..., [0, 2]] = width - values[..., [2, 0]] - 1
        return mirrored

    def transform(self, values: np.ndarray, motion: Motion) -> np.ndarray:
        return motion.boxes(values).astype(self.dtype)


class Rasters(Field):
    """Pictures ``(..., h, w)`` laid over each object's box, such as masks. They are mirrored with the image and move with the box."""

    def mirror(self, values: np.ndarray, width: int) -> np.ndarray:
        return np.ascontiguousarray(values[..., ::-1])

    def transform(self, values: np.ndarray, motion: Motion) -> np.ndarray:
        return motion.rasters(values)


class PointSet(NamedTuple):
    """The points that the objects of one class have.

    Attributes:
        names: names of the points, in the order of a record.
        places: index of each among all points of the field.
        lines: pairs of indices into ``names`` of points that are connected in pictures.
    """

    names: Sequence[str]
    places: Sequence[int]
    lines: Sequence[Tuple[int, int]]


class Points(Field):
    """Named points ``(count, entries)``: x and y in pixels, then further values of the point, such as its visibility.

    Args:
        name: see :class:`Field`.
        count: number of points of an object.
        entries: numbers per point, at least 2; those after x and y do not move.
        names: names of the points; their indices if not given.
        lines: pairs of point indices that are connected in pictures.
        swaps: pairs of point indices that are exchanged in a mirrored image, such as left and right.
        colors: blue, green, red in 0..255 for each point; None: evenly spread hues.
        seen: index of the entry that tells whether a point is present: above 0 if it is, below 0 if the object's data set does not annotate
            this point. None: all points are present.
        sets: the points of each class, by label; an object's other points are NaN, or marked as not present. None: every object has all.
    """

    in_pixels = True

    def __init__(
        self,
        name: str,
        count: int,
        entries: int = 2,
        names: Sequence[str] = (),
        lines: Sequence[Tuple[int, int]] = (),
        swaps: Sequence[Tuple[int, int]] = (),
        colors: Optional[Sequence[Color]] = None,
        seen: Optional[int] = None,
        sets: Optional[Sequence[PointSet]] = None,
    ):
        super().__init__(name, (count, entries))
        self.names = tuple(names) or tuple(map(str, range(count)))
        self.lines, self.seen = tuple(lines), seen
        self.colors = tuple(colors) if colors is not None else spread_hues(count)
        self.order = np.arange(count)
        for first, second in swaps:
            self.order[[first, second]] = second, first
        self.sets = sets

    def set_of(self, label: int) -> PointSet:
        """Return the points that the objects with a label have."""
        return PointSet(self.names, range(len(self.names)), self.lines) if self.sets is None else self.sets[label]

    def own(self, value: np.ndarray, label: int) -> np.ndarray:
        """Return the rows of one object's value ``(count, ...)`` that are its own points, in the order of :meth:`set_of`."""
        return value if self.sets is None else value[list(self.sets[label].places)]

    @property
    def owned(self) -> Optional[np.ndarray]:
        """Return a mask ``(labels, count)`` of the points that each class has; None if every object has all."""
        if self.sets is None:
            return None
        mask = np.zeros((len(self.sets), len(self.names)), bool)
        for row, each in zip(mask, self.sets):
            row[list(each.places)] = True
        return mask

    def mirror(self, values: np.ndarray, width: int) -> np.ndarray:
        mirrored = values[:, self.order]
        mirrored[..., 0] = width - mirrored[..., 0] - 1
        return mirrored

    def transform(self, values: np.ndarray, motion: Motion) -> np.ndarray:
        moved = values.copy()
        moved[..., :2] = motion.points(values[..., :2])
        return moved

    def there(self, values: np.ndarray) -> np.ndarray:
        """Return a mask ``(..., count)`` of the points that are present in values ``(..., count, entries)``."""
        finite = np.isfinite(values[..., :2]).all(axis=-1)
        return finite if self.seen is None else finite & (values[..., self.seen] > 0)

    def to_coco(self, value: np.ndarray) -> Dict[str, object]:
        """Return x, y and the third entry of each point in one list; the third is 1 if the points have only x and y."""
        third = value[:, 2:3] if value.shape[1] > 2 else np.ones((len(value), 1), value.dtype)
        return {self.name: np.concatenate([value[:, :2], third], axis=1).reshape(-1).tolist()}

    def from_coco(self, record: dict) -> np.ndarray:
        """Return the points of a record; zeros, marked as not present, if it has no points."""
        flat = record.get(self.name)
        if flat is None or isinstance(flat, list) and not flat:
            return self.empty(1)[0]
        points = self.empty(1)[0]
        count, entries = points.shape
        try:
            value = _array(flat, np.float64)
        except (TypeError, ValueError, OverflowError):
            value = np.full(0, np.nan)
        if value.shape != (3 * count,) or not np.isfinite(value).all():
            raise ValueError(f"'{self.name}' is not a list of {3 * count} finite numbers (x, y, visibility of {count} points)")
        points[:, : min(3, entries)] = value.reshape(count, 3)[:, : min(3, entries)]
        return points


def _array(value: object, dtype: Union[type, np.dtype]) -> np.ndarray:
    """Return the numbers of a JSON value as an array. Raises ValueError for texts, which NumPy would read as numbers."""
    found = np.array(value)
    if found.dtype.kind in "US" or found.dtype.kind == "O" and any(isinstance(inner, str) for inner in found.flat):
        raise ValueError("got a text instead of a number")
    return np.array(value, dtype)


def spread_hues(count: int) -> Tuple[Color, ...]:
    """Return ``count`` colours, blue, green, red in 0..255, whose hues are evenly spread."""
    rgb = (colorsys.hsv_to_rgb(number / count, 0.85, 1.0) for number in range(count))
    return tuple((int(255 * b), int(255 * g), int(255 * r)) for r, g, b in rgb)
