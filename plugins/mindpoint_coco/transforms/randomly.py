"""The base class of random transforms: probability, and checks of ranges."""

from __future__ import annotations

from abc import abstractmethod
from typing import Sequence, Tuple

import numpy as np
from mindpoint.contracts.data import Transform
from mindpoint.contracts.image import Sample
from mindpoint.errors import ConfigError


class Randomly(Transform):
    """A transform that changes some samples and leaves the others unchanged.

    Args:
        probability: probability of a change, 0..1.

    Raises:
        ConfigError: the probability is out of range.
    """

    def __init__(self, probability: float) -> None:
        self.probability = self.within("probability", probability, 0, 1)

    def __call__(self, sample: Sample, rng: np.random.Generator, *pool: object) -> Sample:
        return self.change(sample, rng, *pool) if rng.random() < self.probability else sample

    @abstractmethod
    def change(self, sample: Sample, rng: np.random.Generator, *pool: object) -> Sample:
        """Return the changed sample. The arguments are those of ``__call__``."""

    def within(self, name: str, value: float, least: float, most: float) -> float:
        """Return the value of an argument. Raises ConfigError if it leaves ``least .. most``."""
        if not least <= value <= most:
            raise ConfigError(f"{type(self).__name__}.{name}: {value} is not in {least:g}..{most:g}")
        return value

    def range(self, name: str, values: Sequence[float], least: float, most: float) -> Tuple[float, float]:
        """Return the ends of a range. Raises ConfigError unless they are two ascending numbers in ``least .. most``."""
        if len(values) != 2 or not least <= values[0] <= values[1] <= most:
            raise ConfigError(
                f"{type(self).__name__}.{name}: {list(values)} is not allowed; give two numbers in {least:g}..{most:g}, smaller one first"
            )
        return values[0], values[1]
