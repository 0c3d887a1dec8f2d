"""Samplers that show images of rare classes, or with a high loss, more often."""

from __future__ import annotations

from typing import Dict

import numpy as np
from mindpoint.contracts.data import Dataset, Sampler
from mindpoint.errors import ConfigError


class RepeatFactorSampler(Sampler):
    """Show images of rare classes more often: repeat factor sampling (Gupta et al., 2019, LVIS, https://arxiv.org/abs/1908.03195).

    If a share ``f`` of the images have an object of a class, the factor of the class is ``max(1, sqrt(threshold / f))``. The factor of an
    image is the largest factor of its classes, or 1 without objects. Crowds are ignored. Factors are relative: an epoch keeps its length,
    so images of frequent classes are shown less often than once.

    Args:
        dataset: the training images; provided by the run. Its ``objects`` are read once.
        threshold: share of the images, above 0 and up to 1, below which a class is rare. LVIS, with 1203 classes, uses 0.001.

    Raises:
        ConfigError: the threshold is out of range.
    """

    def __init__(self, dataset: Dataset, threshold: float) -> None:
        if not 0 < threshold <= 1:
            raise ConfigError(f"RepeatFactorSampler.threshold: {threshold} is not allowed; it must be above 0 and at most 1")
        found = [objects.labels[~objects.crowd] for objects in map(dataset.objects, range(len(dataset)))]
        present = np.zeros((len(dataset), len(dataset.classes)), bool)
        for row, labels in enumerate(found):
            present[row, labels] = True
        shares = present.mean(axis=0)
        factors = np.sqrt(np.maximum(1, threshold / np.where(shares > 0, shares, 1)))
        self._weights = np.where(present, factors, 1).max(axis=1)

    def weights(self) -> np.ndarray:
        return self._weights


class HardImageSampler(Sampler):
    """Show images with a high loss more often.

    Each image has a running mean of its losses. Its weight is the ratio of that mean to the mean of all images, to the power of ``power``
    (as in prioritized replay, Schaul et al., 2016, https://arxiv.org/abs/1511.05952), limited to ``1 / most .. most``. Images that have not
    been seen have the weight 1. Images with wrong annotations have high losses, too: correct them first, and keep ``most`` low.

    Args:
        dataset: the training images; provided by the run.
        power: 0: all images equally often; 1: in proportion to the loss. 0..2.
        most: limit of the weights, 1..100.
        momentum: weight of the old running mean in an update, 0 <= momentum < 1.

    Raises:
        ConfigError: a value is out of range.
    """

    needs_losses = True

    def __init__(self, dataset: Dataset, power: float = 0.5, most: float = 3.0, momentum: float = 0.5) -> None:
        for name, value, fits, range_ in (
            ("power", power, 0 <= power <= 2, "in 0..2"),
            ("most", most, 1 <= most <= 100, "in 1..100"),
            ("momentum", momentum, 0 <= momentum < 1, "at least 0 and below 1"),
        ):
            if not fits:
                raise ConfigError(f"HardImageSampler.{name}: {value} is not allowed; it must be {range_}")
        self.power, self.most, self.momentum = power, most, momentum
        self._losses = np.full(len(dataset), np.nan)

    def weights(self) -> np.ndarray:
        seen = ~np.isnan(self._losses)
        weights, mean = np.ones(len(seen)), self._losses[seen].mean() if seen.any() else 0.0
        if mean > 0:
            weights[seen] = np.clip((self._losses[seen] / mean) ** self.power, 1 / self.most, self.most)
        return weights

    def observe(self, index: int, loss: float) -> None:
        """Record a loss; a negative one counts as 0."""
        before = self._losses[index]
        share = 0.0 if np.isnan(before) else self.momentum
        self._losses[index] = share * np.nan_to_num(before) + (1 - share) * max(loss, 0.0)

    def state_dict(self) -> Dict[str, object]:
        """Return the running means; None for images that have not been seen."""
        return {"losses": [None if np.isnan(loss) else loss for loss in self._losses.tolist()]}

    def load_state_dict(self, state: Dict[str, object]) -> None:
        self._losses = np.array(state["losses"], np.float64)
