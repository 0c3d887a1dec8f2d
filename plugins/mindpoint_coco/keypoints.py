"""The keypoint set: names, skeleton, mirrored pairs, sigmas, colours. Everything that depends on number or order of joints comes from
here."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
from mindpoint.contracts.fields import Field, Points, PointSet, spread_hues
from mindpoint.errors import ConfigError

from mindpoint_coco.sides import side_pairs

Joint = Union[int, str]


NEVER_ANNOTATED = -1
"""Visibility of a joint that the object's data set lacks."""


class AnnotatedJoints(Points):
    """Joints with visibility; a COCO record has the number of labelled ones in ``num_keypoints``.

    Attributes:
        keypoints: the configuration's section.
        aliases: mapping from a file's joint names to the configuration's, where they differ.
        orders: by category id, if the file has another order of joints: for each joint of a record, its index among ``keypoints``, or -1 if
            it is not among them.
        by_name: ids of the categories whose joints were matched by name.
        lacking: for each category id, the indices of the joints that the class has but the category lacks.
    """

    keypoints: "Keypoints"
    aliases: Mapping[str, str] = MappingProxyType({})
    orders: Mapping[int, Tuple[int, ...]] = MappingProxyType({})
    by_name: Sequence[int] = ()
    lacking: Mapping[int, Sequence[int]] = MappingProxyType({})

    def of_classes(self, classes: Sequence[str]) -> "AnnotatedJoints":
        """Return a copy of this field for objects of these classes, by label. Raises ConfigError, see :meth:`Keypoints.annotated`."""
        other = copy.copy(self)
        other.sets = self.keypoints.sets_of(classes)
        return other

    def ordered(self, orders: Mapping[int, Tuple[int, ...]], lacking: Mapping[int, Sequence[int]]) -> "AnnotatedJoints":
        """Return a copy of this field for a file with these :attr:`orders`, which already include the aliases.

        Args:
            lacking: see the attribute; it has an entry for every category whose joints were matched by name.
        """
        other = copy.copy(self)
        other.orders, other.by_name, other.lacking, other.aliases = dict(orders), tuple(lacking), dict(lacking), {}
        return other

    def places(self, record: dict) -> Optional[Tuple[int, ...]]:
        """Return, for each joint of a record, its index among ``keypoints``; None if the order is the same."""
        category = record.get("category_id")
        return self.orders.get(category) if isinstance(category, (int, float)) else None

    def listed(self, record: dict) -> int:
        """Return the number of joints that a record lists."""
        order = self.places(record)
        return len(self.names) if order is None else len(order)

    def from_coco(self, record: dict) -> np.ndarray:
        """Return the joints of a record; those that the file lacks are :data:`NEVER_ANNOTATED`."""
        order = self.places(record)
        if order is None:
            return super().from_coco(record)
        if not order:
            return self.empty(1)[0]
        theirs, places = copy.copy(self), np.array(order)
        theirs.shape = (len(order), 3)
        values, points = Points.from_coco(theirs, record), self.empty(1)[0]
        points[places[places >= 0]] = values[places >= 0]
        points[list(self.lacking.get(record["category_id"], ())), 2] = NEVER_ANNOTATED
        return points

    def to_coco(self, value: np.ndarray) -> Dict[str, object]:
        """Return the joints, with numbers as short as float32 allows, and the count."""
        value = np.where(value[:, 2:] < 0, 0, value)
        numbers = value.reshape(-1).astype("U32").astype(np.float64).tolist()
        flat = [int(number) if number.is_integer() else number for number in numbers]
        return {self.name: flat, "num_keypoints": int((value[:, 2] > 0).sum())}


@dataclass(frozen=True)
class Keypoints:
    """A set of keypoints (joints), the same for all classes, or one for each class.

    With ``classes``, the joints of all classes are concatenated, one output of the network for each; all attributes
    refer to this list. A name that several classes have becomes ``CLASS_NAME``, unless it is shared.

    Attributes:
        names: one name per joint, in the order of the annotation files.
        skeleton: pairs of joints connected by a line, by name or 0-based index.
        flip_pairs: pairs of joints that are swapped in a mirrored image, by name or 0-based index. ``None``:
            :func:`~mindpoint_coco.sides.side_pairs` of the names.
        sigmas: standard deviation of each joint in object keypoint similarity, relative to the square root of the object's area
            (COCO's definition; the nose of a person has 0.026). Positive. ``None``: 0.05 for each joint.
        colors: colour of each joint, ``(blue, green, red)`` in 0..255. ``None``: evenly spread hues.
        classes: the keys above for each class, by name, instead of for all classes. Other classes have no joints.
        shared: names of joints that are the same joint in all classes that have them.

    Raises:
        ConfigError: a joint that does not exist or is paired twice, a repeated name, a list of the wrong length.
    """

    names: Optional[Sequence[str]] = None
    skeleton: Sequence[Tuple[Joint, Joint]] = ()
    flip_pairs: Optional[Sequence[Tuple[Joint, Joint]]] = None
    sigmas: Optional[Sequence[float]] = None
    colors: Optional[Sequence[Tuple[int, int, int]]] = None
    classes: Optional[Mapping[str, Mapping[str, object]]] = None
    shared: Sequence[str] = ()
    flip_index: np.ndarray = field(init=False, repr=False, compare=False)
    sigmas_given: bool = field(init=False, repr=False, compare=False)
    parts: Mapping[str, "Keypoints"] = field(init=False, repr=False, compare=False)
    places: Mapping[str, Tuple[int, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731  the class is frozen
        if (self.names is None) == (self.classes is None):
            raise ConfigError("keypoints: give either 'names', the joints of all classes, or 'classes', the joints of each class")
        put("places", {})
        put("parts", {name: _of_class(name, block) for name, block in (self.classes or {}).items()})
        if self.classes is not None:
            self._join(put)
        put("names", tuple(str(name) for name in self.names))
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise ConfigError(f"keypoints.names: names must differ; repeated: {', '.join(repeated)}")
        put("skeleton", tuple(self._pair(pair, "skeleton") for pair in self.skeleton))
        pairs = side_pairs(self.names) if self.flip_pairs is None else self.flip_pairs
        put("flip_pairs", tuple(self._pair(pair, "flip_pairs") for pair in pairs))
        put("flip_index", self._flip_index())
        put("sigmas_given", self.sigmas is not None)
        sigmas = [0.05] * len(self.names) if self.sigmas is None else self.sigmas
        put("sigmas", np.array(self._one_each(sigmas, "sigmas"), np.float64))
        if not (np.isfinite(self.sigmas).all() and (self.sigmas > 0).all()):
            raise ConfigError("keypoints.sigmas: every value must be a positive number")
        colors = spread_hues(len(self.names)) if self.colors is None else self.colors
        colors = self._one_each(colors, "colors")
        if not all(len(color) == 3 and all(0 <= value <= 255 for value in color) for color in colors):
            raise ConfigError("keypoints.colors: each colour must be three numbers in 0..255: blue, green, red")
        put("colors", tuple(tuple(map(int, color)) for color in colors))

    def __len__(self) -> int:
        return len(self.names)

    def of(self, name: str) -> "Keypoints":
        """Return the joints of one class; empty for a class without joints."""
        return self if self.classes is None else self.parts.get(name, NO_KEYPOINTS)

    def sets_of(self, classes: Sequence[str]) -> Optional[Tuple[PointSet, ...]]:
        """Return the indices of each class's joints among all joints, by label; None if every class has all.

        Raises:
            ConfigError: joints of a class that does not exist.
        """
        if self.classes is None:
            return None
        lost = [name for name in self.classes if name not in classes]
        if lost:
            raise ConfigError(f"keypoints.classes: unknown class '{lost[0]}'; 'classes' has {', '.join(classes)}")
        return tuple(PointSet(self.of(name).names, self.places.get(name, ()), self.of(name).skeleton) for name in classes)

    def annotated(self, classes: Sequence[str] = (), aliases: Optional[Mapping[str, str]] = None) -> AnnotatedJoints:
        """Return the field of annotated objects: x, y and visibility (0 not labelled, 1 hidden, 2 visible, or :data:`NEVER_ANNOTATED`)
        of each joint.

        Args:
            classes: names by label, if classes have joints of their own; otherwise every object has all joints.
            aliases: mapping from a file's joint names to the configuration's.

        Raises:
            ConfigError: an alias of a joint that does not exist, or joints of a class that does not exist.
        """
        joints = AnnotatedJoints("keypoints", len(self), entries=3, seen=2, **self._looks(classes))
        joints.keypoints, joints.aliases = self, dict(aliases or {})
        known = list(dict.fromkeys([*self.names, *(name for part in self.parts.values() for name in part.names)]))
        lost = [name for name in joints.aliases.values() if name not in known]
        if lost:
            raise ConfigError(f"joints: no joint is named '{lost[0]}'; keypoints has {', '.join(known)}")
        return joints

    def found(self, classes: Sequence[str] = ()) -> Tuple[Field, ...]:
        """Return the fields of detections: ``keypoints`` x, y; ``keypoint_scores`` in 0..1; ``from_heatmap``, whether the joint comes
        from a joint heatmap instead of the object's regression. Joints that the class lacks are NaN, with score 0.

        Args:
            classes: see :meth:`annotated`.
        """
        return (
            Points("keypoints", len(self), **self._looks(classes)),
            Field("keypoint_scores", (len(self),), of="keypoints", key="score"),
            Field("from_heatmap", (len(self),), "bool", of="keypoints"),
        )

    def _looks(self, classes: Sequence[str]) -> Dict[str, object]:
        sets = self.sets_of(classes) if classes else None
        return {"names": self.names, "lines": self.skeleton, "swaps": self.flip_pairs, "colors": self.colors, "sets": sets}

    def _join(self, put: Callable[[str, object], None]) -> None:
        """Join the joints of all classes, and set the attributes of the whole from them."""
        if self.skeleton or any(value is not None for value in (self.flip_pairs, self.sigmas, self.colors)):
            raise ConfigError("keypoints: with 'classes', set skeleton, flip_pairs, sigmas and colors for each class")
        counts = Counter(name for part in self.parts.values() for name in part.names)
        lone = [name for name in self.shared if counts[name] < 2]
        if lone:
            raise ConfigError(f"keypoints.shared: '{lone[0]}' must be a joint of at least two classes")
        names: List[str] = []
        places, pairs, lines, looks = {}, {}, {}, {}
        for owner, part in self.parts.items():
            full = [name if counts[name] == 1 or name in self.shared else f"{owner}_{name}" for name in part.names]
            names += [name for own, name in zip(part.names, full) if own not in self.shared or name not in names]
            places[owner] = own = tuple(map(names.index, full))
            lines.update(dict.fromkeys((own[first], own[second]) for first, second in part.skeleton))
            pairs.update({frozenset((own[first], own[second])): (own[first], own[second]) for first, second in part.flip_pairs})
            for place, sigma, color in zip(own, part.sigmas.tolist(), part.colors):
                looks.setdefault(place, (sigma, color))
        if len(set(names)) < len(names):
            raise ConfigError(
                f"keypoints.classes: two joints are named '{next(name for name in names if names.count(name) > 1)}'; rename one"
            )
        for name, value in (("names", names), ("places", places), ("skeleton", list(lines)), ("flip_pairs", list(pairs.values()))):
            put(name, value)
        put("sigmas", [looks[place][0] for place in range(len(names))])
        put("colors", [looks[place][1] for place in range(len(names))])
        for owner, own in places.items():
            alone = [names[place] for pair in pairs if len(pair & set(own)) == 1 for place in pair - set(own)]
            if alone:
                raise ConfigError(
                    f"keypoints.classes.{owner}: the joint '{alone[0]}' is missing; other classes pair it with a joint of this class"
                )

    def _index(self, joint: Joint, where: str) -> int:
        if isinstance(joint, str):
            if joint not in self.names:
                raise ConfigError(f"keypoints.{where}: no joint is named '{joint}'; 'names' has {', '.join(self.names)}")
            return self.names.index(joint)
        if isinstance(joint, bool) or not isinstance(joint, (int, np.integer)) or not 0 <= joint < len(self.names):
            raise ConfigError(f"keypoints.{where}: joint {joint} is not in 0..{len(self.names) - 1}")
        return int(joint)

    def _pair(self, pair: Sequence[Joint], where: str) -> Tuple[int, int]:
        if isinstance(pair, str) or len(pair) != 2:
            raise ConfigError(f"keypoints.{where}: {pair!r} is not a pair of joints")
        first, second = self._index(pair[0], where), self._index(pair[1], where)
        if first == second:
            raise ConfigError(f"keypoints.{where}: '{self.names[first]}' is paired with itself")
        return first, second

    def _flip_index(self) -> np.ndarray:
        index = np.arange(len(self.names))
        for first, second in self.flip_pairs:
            if index[first] != first or index[second] != second:
                raise ConfigError(
                    f"keypoints.flip_pairs: ('{self.names[first]}', '{self.names[second]}') repeats a joint; each may be in one pair only"
                )
            index[first], index[second] = second, first
        return index

    def _one_each(self, values: Sequence, where: str) -> Sequence:
        if len(values) != len(self.names):
            raise ConfigError(f"keypoints.{where}: {len(values)} values for {len(self.names)} joints")
        return values


def _of_class(name: str, block: Mapping[str, object]) -> Keypoints:
    """Return the joints of a class. Raises ConfigError, whose message names the class's place in the section."""
    known = ("names", "skeleton", "flip_pairs", "sigmas", "colors")
    unknown = [key for key in block if key not in known]
    if unknown:
        raise ConfigError(f"keypoints.classes.{name}: unknown key '{unknown[0]}'; the keys are {', '.join(known)}")
    if "names" not in block:
        raise ConfigError(f"keypoints.classes.{name}: 'names' is missing")
    try:
        return Keypoints(**block)
    except ConfigError as error:
        raise ConfigError(str(error).replace("keypoints", f"keypoints.classes.{name}", 1)) from error


NO_KEYPOINTS = Keypoints([])
