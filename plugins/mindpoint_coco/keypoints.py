"""The keypoint set: names, skeleton, mirrored pairs, tolerances, colours. All that depends on number or order of joints comes from here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
from mindpoint.contracts.fields import Field, Points, spread_hues
from mindpoint.errors import ConfigError

Joint = Union[int, str]


class AnnotatedJoints(Points):
    """Joints with visibility; a COCO record counts those that are labelled in ``num_keypoints``."""

    def to_coco(self, value: np.ndarray) -> Dict[str, object]:
        """Return the joints, numbers as short as float32 allows, and the count."""
        numbers = value.reshape(-1).astype("U32").astype(np.float64).tolist()
        flat = [int(number) if number.is_integer() else number for number in numbers]
        return {self.name: flat, "num_keypoints": int((value[:, 2] > 0).sum())}


_SIDES = (  # a left side in a name, and the right one that takes its place
    (re.compile(r"left"), "right"),
    (re.compile(r"Left"), "Right"),
    (re.compile(r"LEFT"), "RIGHT"),
    (re.compile(r"左"), "右"),
    (re.compile(r"(?<![A-Za-z])l"), "r"),
    (re.compile(r"(?<![A-Za-z])L"), "R"),
    (re.compile(r"(?<=[a-z0-9])L(?![A-Za-z])"), "R"),
)


def side_pairs(names: Sequence[str]) -> List[Tuple[str, str]]:
    """Return the pairs of names that differ only in their side: ``left_eye`` and ``right_eye``, ``leftear`` and ``rightear``, ``l_hip``
    and ``r_hip``, ``EyeL`` and ``EyeR``, ``左眼`` and ``右眼``."""
    pairs, known = {}, set(names)
    for name in names:
        for left, right in _SIDES:
            other = left.sub(right, name, count=1)
            if other != name and other in known:
                pairs.setdefault(name, other)
    return list(pairs.items())


@dataclass(frozen=True)
class Keypoints:
    """A set of keypoints (joints).

    Attributes:
        names: one name a joint, in the order of the annotation files.
        skeleton: pairs of joints to be joined by a line, by name or 0-based index.
        flip_pairs: pairs of joints that change places in a mirrored image, by name or 0-based index. ``None``:
            :func:`side_pairs` of the names.
        sigmas: per-joint standard deviation of object keypoint similarity, relative to the square root of the object's area
            (COCO's definition; the nose of a person has 0.026). Positive. ``None``: 0.05 for each joint.
        colors: per-joint colour, ``(blue, green, red)`` in 0..255. ``None``: evenly spread hues.

    Raises:
        ConfigError: a joint that does not exist or is paired twice, a repeated name, a list of the wrong length.
    """

    names: Sequence[str]
    skeleton: Sequence[Tuple[Joint, Joint]] = ()
    flip_pairs: Optional[Sequence[Tuple[Joint, Joint]]] = None
    sigmas: Optional[Sequence[float]] = None
    colors: Optional[Sequence[Tuple[int, int, int]]] = None
    flip_index: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731  the class is frozen
        put("names", tuple(str(name) for name in self.names))
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise ConfigError(f"keypoints.names: {', '.join(repeated)} is named more than once")
        put("skeleton", tuple(self._pair(pair, "skeleton") for pair in self.skeleton))
        pairs = side_pairs(self.names) if self.flip_pairs is None else self.flip_pairs
        put("flip_pairs", tuple(self._pair(pair, "flip_pairs") for pair in pairs))
        put("flip_index", self._flip_index())
        sigmas = [0.05] * len(self.names) if self.sigmas is None else self.sigmas
        put("sigmas", np.array(self._one_each(sigmas, "sigmas"), np.float64))
        if not (np.isfinite(self.sigmas).all() and (self.sigmas > 0).all()):
            raise ConfigError("keypoints.sigmas: every value must be a positive number")
        colors = spread_hues(len(self.names)) if self.colors is None else self.colors
        colors = self._one_each(colors, "colors")
        if not all(len(color) == 3 and all(0 <= value <= 255 for value in color) for color in colors):
            raise ConfigError("keypoints.colors: each colour has three numbers of 0 to 255: blue, green, red")
        put("colors", tuple(tuple(map(int, color)) for color in colors))

    def __len__(self) -> int:
        return len(self.names)

    def annotated(self) -> Points:
        """Return the field of annotated objects: x, y and visibility (0 not labelled, 1 hidden, 2 visible) of each joint."""
        return AnnotatedJoints("keypoints", len(self), entries=3, seen=2, **self._looks())

    def found(self) -> Tuple[Field, ...]:
        """Return the fields of detections: ``keypoints`` x, y; ``keypoint_scores`` in 0..1; ``from_heatmap``, whether the joint was taken
        from a joint heatmap and not from the object's regression."""
        return (
            Points("keypoints", len(self), **self._looks()),
            Field("keypoint_scores", (len(self),), of="keypoints", key="score"),
            Field("from_heatmap", (len(self),), "bool", of="keypoints"),
        )

    def _looks(self) -> Dict[str, object]:
        return {"names": self.names, "lines": self.skeleton, "swaps": self.flip_pairs, "colors": self.colors}

    def _index(self, joint: Joint, where: str) -> int:
        if isinstance(joint, str):
            if joint not in self.names:
                raise ConfigError(f"keypoints.{where}: no joint is named '{joint}'; there are {', '.join(self.names)}")
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
                    f"keypoints.flip_pairs: ('{self.names[first]}', '{self.names[second]}') repeats a joint; each belongs to one pair"
                )
            index[first], index[second] = second, first
        return index

    def _one_each(self, values: Sequence, where: str) -> Sequence:
        if len(values) != len(self.names):
            raise ConfigError(f"keypoints.{where}: {len(values)} values for {len(self.names)} joints")
        return values
