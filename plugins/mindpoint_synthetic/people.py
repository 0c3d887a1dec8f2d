"""Built-in data: drawings of people."""

from __future__ import annotations

from typing import List, Literal, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from mindpoint.contracts.instances import Objects
from mindpoint.errors import ConfigError
from mindpoint_coco.keypoints import Keypoints

from mindpoint_synthetic.background import Stool
from mindpoint_synthetic.drawing import LABELS_EACH, Drawing, draw
from mindpoint_synthetic.figure import ACTIONS, ALL_JOINTS, ARMS, FACINGS, JOINTS, USUAL, Figure, sample_figure
from mindpoint_synthetic.outfit import cloth, sample_outfit
from mindpoint_synthetic.scene import DrawnDataset, overlap, visible

_CATEGORY = "person"
_MARGIN = 0.1  # extent of a body beyond its joints, relative to the standing height
_FEWEST_SEEN = 5  # minimum number of visible joints; other figures are left out of the picture


class _Person(NamedTuple):
    drawing: Drawing
    stool: Optional[Stool]

    def paint(self, image: np.ndarray) -> None:
        if self.stool is not None:
            self.stool.paint(image)
        self.drawing.paint(image)


class SyntheticPeople(DrawnDataset):
    """A data set of drawn people in cluttered scenes, to try pose estimation without data.

    Pixels and annotations are a function of (seed, index). Only annotations are cached, on first use. Boxes are tight around the
    visible pixels of a person, areas count these pixels. Joints have COCO's visibility: 2 visible; 1 hidden by a body, next to a visible
    joint; 0 outside of the image, on the far side of the head, or deeply hidden. Coordinates are rounded to 1/100 pixel.

    Args:
        count: number of images.
        seed: random seed of the images.
        classes: category names; ``person`` must be one.
        keypoints: the joints to annotate, by COCO's names or ``neck`` and ``head_top``, any subset in any order; by default boxes only. If
            classes have joints of their own, the joints of ``person`` are used.
        size: height and width of the images in pixels.
        people: minimum and maximum number of people per image; fewer if the image is too crowded.
        actions: possible actions: stand, wide (legs apart), walk, run, sit, crouch, bend, kick, tumble (any pose of the limbs, half of the
            people turned by any angle). By default all but tumble.
        facing: possible directions: front, side, back. All by default.
        arms: possible poses of the arms: hang, hip, raise, stretch, reach, fold, lap. All by default. Walking and running people mostly
            swing them.
        height: minimum and maximum standing height of a person relative to the image's height (or 1.4 times its width if that is less).

    Raises:
        ConfigError: a joint that the figures lack, a missing class ``person``, a value out of range.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        classes: Sequence[str],
        keypoints: Optional[Keypoints] = None,
        size: Sequence[int] = (256, 256),
        people: Sequence[int] = (1, 4),
        height: Sequence[float] = (0.35, 0.85),
        actions: Sequence[Literal["stand", "wide", "walk", "run", "sit", "crouch", "bend", "kick", "tumble"]] = USUAL,
        facing: Sequence[Literal["front", "side", "back"]] = tuple(FACINGS),
        arms: Sequence[Literal["hang", "hip", "raise", "stretch", "reach", "fold", "lap"]] = tuple(ARMS),
    ) -> None:
        unknown = [name for name in keypoints.of(_CATEGORY).names if name not in ALL_JOINTS] if keypoints is not None else []
        if unknown:
            raise ConfigError(
                f"keypoints.names: SyntheticPeople has no joint named {', '.join(map(repr, unknown))}; it has {', '.join(ALL_JOINTS)}"
            )
        if _CATEGORY not in classes:
            raise ConfigError(f"classes: SyntheticPeople needs '{_CATEGORY}', which is not among {', '.join(classes)}")
        super().__init__(count, seed, classes, size)
        self._check("people", len(people) == 2 and 1 <= people[0] <= people[1], people, "[least, most] with 1 <= least <= most")
        self._check("height", len(height) == 2 and 0 < height[0] <= height[1], height, "[least, most] with 0 < least <= most")
        for name, chosen, known in (("actions", actions, ACTIONS), ("facing", facing, FACINGS), ("arms", arms, ARMS)):
            self._check(name, len(chosen) > 0 and set(chosen) <= set(known), chosen, f"some of {', '.join(known)}")
        self.actions, self.facing, self.arms = tuple(actions), tuple(facing), tuple(arms)
        self.keypoints, self.people, self.height = keypoints, tuple(people), tuple(height)
        self.fields = (keypoints.annotated(classes),) if keypoints is not None else ()

    def categories(self) -> List[dict]:
        """See :class:`Dataset`; with the joints' names and the lines between them, as in COCO's files."""
        records = super().categories()
        for record, name in zip(records, self.classes if self.keypoints is not None else ()):
            own = self.keypoints.of(name)
            record.update(keypoints=list(own.names), skeleton=[[first + 1, second + 1] for first, second in own.skeleton])
        return records

    def scene(self, rng: np.random.Generator) -> Tuple[List[_Person], Objects]:
        """See :class:`DrawnDataset`."""
        people = self._place(rng)
        while True:
            labels = np.zeros(self.size, np.int16)
            for number, person in enumerate(people):
                if person.stool is not None:
                    person.stool.mark(labels)
                person.drawing.mark(labels, number)
            visibility = [person.drawing.visibility(labels, number) for number, person in enumerate(people)]
            clear = [(seen[: len(JOINTS)] == 2).sum() >= _FEWEST_SEEN for seen in visibility]
            if all(clear):
                return people, self._objects(people, visibility, labels)
            people = [person for person, keep in zip(people, clear) if keep]

    def _place(self, rng: np.random.Generator) -> List[_Person]:
        """Sample people and find room for them, nearest (largest) first; return them farthest first."""
        rows, columns = self.size
        scales = rng.uniform(*self.height, rng.integers(self.people[0], self.people[1] + 1)) * min(rows, 1.4 * columns)
        people: List[_Person] = []
        taken: List[np.ndarray] = []
        for scale in sorted(scales, reverse=True):
            figure = sample_figure(rng, self.actions, self.facing, self.arms)
            extent = _extent(figure) * scale
            cut_off = rng.random() < 0.12
            for _ in range(12):
                origin = self._origin(rng, extent, cut_off)
                box = extent + np.tile(origin, 2)
                if all(overlap(box, other) < 0.4 for other in taken):
                    break
            else:
                continue
            taken.append(box)
            people.append(_Person(draw(figure, sample_outfit(rng), scale, origin), _stool(rng, figure, scale, origin)))
        return people[::-1]

    def _origin(self, rng: np.random.Generator, extent: np.ndarray, cut_off: bool) -> np.ndarray:
        """Return the position of the middle of the hips, given the ``extent`` (left, top, right, bottom) around it."""
        span = extent[2:] - extent[:2]
        least = -extent[:2] - 0.06 * span
        most = np.array(self.size[::-1]) - extent[2:] + (0.35 if cut_off else 0.03) * span
        return least + rng.random(2) ** (1.0, 0.6) * np.maximum(most - least, 0)

    def _objects(self, people: List[_Person], visibility: List[np.ndarray], labels: np.ndarray) -> Objects:
        boxes, areas = visible(labels // LABELS_EACH, len(people))
        joints = np.zeros((len(people), len(ALL_JOINTS), 3), np.float32)
        for number, person in enumerate(people):
            joints[number, :, :2] = np.round(person.drawing.joints, 2)
            joints[number, :, 2] = visibility[number]
        joints[joints[:, :, 2] == 0] = 0
        label = np.full(len(people), self.classes.index(_CATEGORY), np.int64)
        values = {}
        if self.keypoints is not None:
            own = self.fields[0].set_of(self.classes.index(_CATEGORY))
            values["keypoints"] = np.zeros((len(people), len(self.keypoints), 3), np.float32)
            values["keypoints"][:, list(own.places)] = joints[:, [ALL_JOINTS.index(name) for name in own.names]]
        return Objects(boxes, label, areas, fields=self.fields, values=values)


def _extent(figure: Figure) -> np.ndarray:
    """Return left, top, right, bottom around the figure relative to the middle of its hips, in units of standing height."""
    points = np.stack([*figure.points.values(), figure.head.origin])[:, :2]
    return np.concatenate([points.min(axis=0) - _MARGIN * np.array([0.4, 0.8]), points.max(axis=0) + _MARGIN * np.array([0.4, 0.2])])


def _stool(rng: np.random.Generator, figure: Figure, scale: float, origin: np.ndarray) -> Optional[Stool]:
    if not figure.seated:
        return None
    half, under, floor = rng.uniform(0.1, 0.16), 0.05, max(max(point[1] for point in figure.points.values()), 0.1)
    corners = np.tile(origin, 2) + scale * np.array([-half, under, half, floor])
    return Stool(tuple(corners.astype(int).tolist()), cloth(rng))
