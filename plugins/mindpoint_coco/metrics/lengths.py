"""The length of an object, to normalise distances of its joints."""

from __future__ import annotations

import re
from typing import List, Optional, Sequence, Tuple, Union

import numpy as np
from mindpoint.errors import ConfigError

from mindpoint_coco.keypoints import Keypoints

End = Union[str, Sequence[str]]
Said = Union[str, Sequence[End]]
"""A key of ``BOXES``, ``torso``, ``head``, or two ends, each a joint or the mean of several."""

BOXES = {"box": "the longer side of the box", "diagonal": "the diagonal of the box", "area": "the square root of the object's area"}
_HEAD_TOPS, _NECKS = ("headtop", "topofhead", "head"), ("upperneck", "neck")


class Length:
    """A length of annotated objects, in pixels.

    - ``box``: the longer side of the box (Yang and Ramanan 2013, "Articulated Human Detection with Flexible Mixtures of Parts");
      ``diagonal``: the diagonal of the box; ``area``: the square root of the object's area.
    - ``torso``: from the right shoulder to the left hip (Sapp and Taskar 2013, "MODEC"), or from the left shoulder to the right hip where
      one of these is not labelled.
    - ``head``: from the top of the head to the neck, as joints (PCKh, Andriluka et al. 2014, "2D Human Pose Estimation"). MPII's own
      code uses 0.6 of the diagonal of an annotated head box, which COCO's format lacks.
    - two ends, each the name of a joint or a list of names, whose mean is the end.

    Args:
        said: one of the lengths above; None: ``torso`` if the joints have shoulders and hips, otherwise ``box``.
        keypoints: the joints.

    Attributes:
        text: the length in words.

    Raises:
        ConfigError: an unknown word, or joints that do not exist.
    """

    def __init__(self, said: Optional[Said], keypoints: Keypoints) -> None:
        self._names = list(keypoints.names)
        self.said = said if said is not None else "torso" if _torso(self._names) else "box"
        self._ends = self._found()
        if self._ends:
            first, second = (" and ".join(self._names[joint] for joint in joints) for joints in self._ends[0])
            self.text = f"{f'the {self.said}, ' if isinstance(self.said, str) else ''}{first} to {second}"
        else:
            self.text = BOXES[self.said]

    def __call__(self, points: np.ndarray, boxes: np.ndarray, areas: np.ndarray) -> np.ndarray:
        """Return the length ``(M,)`` of each object; NaN where its joints are not labelled or the length is 0.

        Args:
            points: ``(M, J, 3)`` x, y, visibility.
            boxes: ``(M, 4)`` left, top, width, height.
            areas: ``(M,)`` square pixels.
        """
        if self._ends:
            found = np.full(len(points), np.nan)
            for first, second in self._ends:
                found = np.where(np.isnan(found), np.linalg.norm(_end(points, first) - _end(points, second), axis=-1), found)
        else:
            width, height = boxes[:, 2], boxes[:, 3]
            found = {"box": np.maximum(width, height), "diagonal": np.hypot(width, height), "area": np.sqrt(areas)}[self.said]
        return np.where(found > 0, found, np.nan)

    def _found(self) -> List[Tuple[List[int], List[int]]]:
        """Return the pairs of ends, in the order of preference; empty for lengths of boxes."""
        if not isinstance(self.said, str):
            return [self._given()]
        if self.said in BOXES:
            return []
        if self.said not in _PARTS:
            raise ConfigError(f"CocoMetric.length: '{self.said}' is not one of {', '.join((*BOXES, *_PARTS))}, or a list of two joints")
        ends = _PARTS[self.said](self._names)
        if not ends:
            raise ConfigError(
                f"CocoMetric.length: the joints {', '.join(self._names)} include no {self.said} by name; give its two ends, such as "
                f"[{self._names[0]}, {self._names[-1]}]"
            )
        return ends

    def _given(self) -> Tuple[List[int], List[int]]:
        names = self._names
        ends = [[end] if isinstance(end, str) else list(end) for end in self.said]
        unknown = [name for end in ends for name in end if name not in names]
        if len(ends) != 2 or not all(ends) or unknown or ends[0] == ends[1]:
            wrong = f"no joint is named '{unknown[0]}'; there are {', '.join(names)}" if unknown else "give two different ends"
            raise ConfigError(f"CocoMetric.length: {self.said}: {wrong}")
        first, second = ([names.index(name) for name in end] for end in ends)
        return first, second


def _torso(names: Sequence[str]) -> List[Tuple[List[int], List[int]]]:
    ends = [(_side(names, one, "shoulder"), _side(names, other, "hip")) for one, other in (("right", "left"), ("left", "right"))]
    return [([first], [second]) for first, second in ends if first is not None and second is not None]


def _head(names: Sequence[str]) -> List[Tuple[List[int], List[int]]]:
    top, neck = _named(names, _HEAD_TOPS), _named(names, _NECKS)
    return [] if top is None or neck is None else [([top], [neck])]


_PARTS = {"torso": _torso, "head": _head}


def _side(names: Sequence[str], side: str, part: str) -> Optional[int]:
    return _named(names, (side + part, side[0] + part, part + side, part + side[0]))


def _named(names: Sequence[str], wanted: Sequence[str]) -> Optional[int]:
    """Return the position of the first wanted name, ignoring case and separators."""
    plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in names]
    return next((plain.index(name) for name in wanted if name in plain), None)


def _end(points: np.ndarray, joints: Sequence[int]) -> np.ndarray:
    """Return the mean position ``(M, 2)`` of some joints of each object; NaN if any of them is not labelled."""
    chosen = points[:, joints]
    return np.where(chosen[..., 2:] > 0, chosen[..., :2], np.nan).mean(axis=1)
