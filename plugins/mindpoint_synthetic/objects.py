"""Built-in data: drawings of things of several classes."""

from __future__ import annotations

from typing import List, Sequence, Tuple

import numpy as np
from mindpoint.contracts.instances import Objects
from mindpoint.errors import ConfigError

from mindpoint_synthetic.scene import DrawnDataset, overlap, visible
from mindpoint_synthetic.things import THINGS, Thing, thing

_LEAST_SEEN = 0.3  # minimum visible share of a thing's pixels; other things are left out of the picture
_FEWEST_PIXELS = 20


class SyntheticObjects(DrawnDataset):
    """A data set of drawn things in cluttered scenes, with occlusion, to try object detection without data.

    The classes are ball, book, bottle, clock, fish, key, leaf, mug, star and umbrella. Each varies in proportions, colours and pose. Some
    are larger than others: an umbrella has 1.3 times the length of a fish, a key 0.75 times.
    Pixels and annotations are a function of (seed, index). Only annotations are cached, on first use. Boxes are tight around the
    visible pixels of a thing, areas count these pixels. Things that would be more than 70 % hidden are left out.

    Args:
        count: number of images.
        seed: random seed of the images.
        classes: category names to draw; each must be one of the above.
        size: height and width of the images in pixels.
        things: minimum and maximum number of things per image; fewer if the image is too crowded.
        length: minimum and maximum length of a thing of medium size, such as a fish, relative to the shorter side of the image.
        crowding: largest share of a thing's box covered by another one's, 0..1.

    Raises:
        ConfigError: a class that cannot be drawn, a value out of range.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        classes: Sequence[str],
        size: Sequence[int] = (256, 256),
        things: Sequence[int] = (2, 6),
        length: Sequence[float] = (0.15, 0.55),
        crowding: float = 0.4,
    ) -> None:
        super().__init__(count, seed, classes, size)
        unknown = [name for name in classes if name not in THINGS]
        if unknown:
            raise ConfigError(f"classes: SyntheticObjects cannot draw {', '.join(map(repr, unknown))}; it draws {', '.join(THINGS)}")
        self._check("classes", len(classes) > 0, list(classes), "at least one class")
        self._check("things", len(things) == 2 and 1 <= things[0] <= things[1], things, "[least, most] with 1 <= least <= most")
        self._check("length", len(length) == 2 and 0 < length[0] <= length[1] <= 1, length, "[least, most] with 0 < least <= most <= 1")
        self._check("crowding", 0 <= crowding <= 1, crowding, "between 0 and 1")
        self.things, self.length, self.crowding = tuple(things), tuple(length), crowding
        self.fields = ()

    def scene(self, rng: np.random.Generator) -> Tuple[List[Thing], Objects]:
        """See :class:`DrawnDataset`."""
        things = self._place(rng)
        whole = [np.count_nonzero(self._owner([one])) for one in things]
        while True:
            owner = self._owner(things)
            seen = np.bincount(owner.ravel(), minlength=len(things) + 1)[1:]
            clear = [pixels >= max(_FEWEST_PIXELS, _LEAST_SEEN * own) for pixels, own in zip(seen, whole)]
            if all(clear):
                boxes, areas = visible(owner, len(things))
                return things, Objects(boxes, np.array([one.label for one in things], np.int64), areas)
            things = [one for one, keep in zip(things, clear) if keep]
            whole = [own for own, keep in zip(whole, clear) if keep]

    def _owner(self, things: Sequence[Thing]) -> np.ndarray:
        owner = np.zeros(self.size, np.int16)
        for number, one in enumerate(things, start=1):
            one.mark(owner, number)
        return owner

    def _place(self, rng: np.random.Generator) -> List[Thing]:
        """Return placed things in painting order, which does not depend on their sizes."""
        rows, columns = self.size
        placed: List[Thing] = []
        least, most = self.length
        for _ in range(rng.integers(self.things[0], self.things[1] + 1)):
            length = min(rows, columns) * (least + (most - least) * rng.random() ** 1.5)
            label = int(rng.integers(len(self.classes)))
            length *= THINGS[self.classes[label]].size
            for _ in range(12):
                margin = 0.3 * length
                center = complex(rng.uniform(margin, columns - margin), rng.uniform(margin, rows - margin))
                one = thing(rng, label, self.classes[label], length, center)
                if all(overlap(one.extent(), other.extent()) <= self.crowding for other in placed):
                    placed.append(one)
                    break
        return placed
