"""The intermediate form of imported labels, before the conversion to COCO: pictures, classes with joints, objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from mindpoint.errors import DataError

Point = Tuple[float, float, int]
"""x and y in pixels (or fractions of the image), visibility: 0 not labelled, 1 hidden, 2 visible."""
MOST_JOINTS = 1000


@dataclass(eq=False)
class Kind:
    """A class of objects.

    Attributes:
        name: its name.
        joints: the names of its joints, in order.
        skeleton: lines between joints, by position from 0.
        pairs: joints that are swapped by mirroring, by position from 0; None: guessed from the names.
        sigmas: sigmas of the joints, if published.
    """

    name: str
    joints: List[str] = field(default_factory=list)
    skeleton: List[Tuple[int, int]] = field(default_factory=list)
    pairs: Optional[List[Tuple[int, int]]] = None
    sigmas: Optional[List[float]] = None

    def points(self, places: Mapping[str, Point]) -> List[float]:
        """Return the flat list of x, y, visibility of all joints; new joints are appended to the class."""
        for name in places:
            if name not in self.joints:
                if len(self.joints) >= MOST_JOINTS:
                    raise DataError(f"class '{self.name}': has more than {MOST_JOINTS} joints; '{name}' exceeds the limit")
                self.joints.append(name)
        return [number for name in self.joints for number in places.get(name, (0, 0, 0))]


@dataclass(eq=False)
class Thing:
    """One object.

    Attributes:
        kind: the name of its class.
        where: file and record, for messages.
        box: left, top, width, height; None: the bounding box of its joints.
        points: flat x, y, visibility of the class's joints; may be shorter if the last ones are not labelled.
        area: area of its outline, if known.
        crowd: whether the box holds a group.
        extra: further keys of its COCO record.
    """

    kind: str
    where: str
    box: Optional[Sequence[float]] = None
    points: Sequence[float] = ()
    area: Optional[float] = None
    crowd: bool = False
    extra: dict = field(default_factory=dict)


@dataclass(eq=False)
class Picture:
    """One image with its objects.

    Attributes:
        name: the file's name in the format: a path of any kind, with or without ending.
        where: file and record, for messages.
        size: width and height in pixels, if the format has them.
        things: the objects.
        relative: coordinates are fractions of width and height instead of pixels.
        video, frame: its video, and the frame's number from 0.
        extra: further keys of its COCO record.
    """

    name: str
    where: str
    size: Optional[Tuple[int, int]] = None
    things: List[Thing] = field(default_factory=list)
    relative: bool = False
    video: Optional[str] = None
    frame: int = 0
    extra: dict = field(default_factory=dict)


class Labels:
    """The labels that an importer has read.

    Attributes:
        pictures: the pictures, in the order of the source.
        kinds: classes by name, in the order of their numbers.
        notes: remarks for the user, each with its number of occurrences and an example.
    """

    def __init__(self) -> None:
        self.pictures: List[Picture] = []
        self.kinds: Dict[str, Kind] = {}
        self.notes: Dict[str, Tuple[int, str]] = {}

    def kind(self, name: str) -> Kind:
        """Return the class of this name; add it if it is new."""
        return self.kinds.setdefault(name, Kind(name))

    def note(self, text: str, example: str = "", count: int = 1) -> None:
        """Add a note. Equal notes are reported once, with their number and the first example."""
        before, first = self.notes.get(text, (0, example))
        self.notes[text] = before + count, first

    def told(self) -> List[str]:
        """Return the notes as sentences."""
        return [f"{text}: {count}, such as {example}" if example else text for text, (count, example) in self.notes.items()]


def extent(xs: Sequence[float], ys: Sequence[float]) -> List[float]:
    """Return left, top, width, height of the bounding box of points."""
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def corners(left: float, top: float, right: float, bottom: float) -> List[float]:
    """Return left, top, width, height of a box whose corners may come in any order."""
    return extent((left, right), (top, bottom))
