"""The images of an epoch and their order: a function of the seed, the epoch and, with a sampler, its weights."""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from mindpoint.contracts.data import Sampler
from mindpoint.contracts.guard import mistake, part_call
from mindpoint.data.samples import TrainingSamples


def epoch_order(length: int, seed: int, epoch: int, shuffle: bool) -> np.ndarray:
    """Return the indices of all samples in the order of an epoch."""
    return np.random.default_rng((seed, epoch)).permutation(length) if shuffle else np.arange(length)


def weighted_order(weights: np.ndarray, seed: int, epoch: int, shuffle: bool) -> np.ndarray:
    """Draw as many indices as there are weights. Each occurs in proportion to its weight, rounded up or down.

    Systematic sampling: the weights, scaled to a sum of ``N``, form consecutive intervals in random order. ``N`` points at a
    distance of 1, the first one random, each select the index of their interval.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(weights))
    ends = np.cumsum(weights[order])
    ends *= len(weights) / ends[-1]
    ends[-1] = len(weights)
    drawn = np.repeat(order, np.diff(np.floor(ends + rng.random()), prepend=0).astype(np.int64))
    return rng.permutation(drawn) if shuffle else np.sort(drawn)


def repeats(indices: np.ndarray) -> np.ndarray:
    """Return for each entry the number of equal entries before it."""
    by_index = np.argsort(indices, kind="stable")
    ordered = indices[by_index]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    counts = np.empty(len(indices), np.int64)
    counts[by_index] = np.arange(len(indices)) - np.repeat(starts, np.diff(starts, append=len(indices)))
    return counts


class EpochOrder:
    """The positions of the samples of each epoch.

    Args:
        shuffle: use a random order; otherwise the order of the data set.
        sampler: chooses the images; None: each one once.

    Attributes:
        follows_losses: whether the sampler must have seen the losses of an epoch before the next one can be drawn.
    """

    def __init__(self, samples: TrainingSamples, shuffle: bool, sampler: Optional[Sampler] = None):
        self.samples, self.shuffle, self.sampler = samples, shuffle, sampler
        self.follows_losses = sampler is not None and sampler.needs_losses
        self._drawn: Tuple[int, np.ndarray] = (-1, np.zeros(0))  # the running epoch and its weights
        self._index_of: Dict[int, int] = {}

    def positions(self, epoch: int) -> np.ndarray:
        """Return the positions, see :meth:`TrainingSamples.position`, ``(N,)``."""
        length, seed = len(self.samples), self.samples.seed
        if self.sampler is None:
            return self.samples.position(epoch, epoch_order(length, seed, epoch, self.shuffle))
        if self._drawn[0] != epoch:
            self._drawn = (epoch, self._weights())
        indices = weighted_order(self._drawn[1], seed, epoch, self.shuffle)
        return self.samples.position(epoch, indices, repeats(indices))

    def _weights(self) -> np.ndarray:
        block, length = f"{self.samples.block}.sampler", len(self.samples.dataset)
        with part_call(block, self.sampler):
            weights = np.asarray(self.sampler.weights(), np.float64)
        if weights.shape != (length,) or not np.isfinite(weights).all() or weights.min() < 0 or not weights.max() > 0:
            raise mistake(
                block, self.sampler, f"returned weights of shape {weights.shape}; return {length} finite weights, at least 0, not all 0"
            )
        return weights[self.samples.images]

    def observe(self, image_ids: Sequence[int], losses: Sequence[float]) -> None:
        """Pass the finite losses of images to the sampler."""
        self._index_of = self._index_of or {image_id: index for index, image_id in enumerate(self.samples.dataset.ids())}
        with part_call(f"{self.samples.block}.sampler", self.sampler):
            for image_id, loss in zip(image_ids, losses):
                if np.isfinite(loss):
                    self.sampler.observe(self._index_of[image_id], float(loss))

    def state(self) -> Dict[str, object]:
        """Return the state of a sampler that follows losses as JSON values, with the weights of the running epoch; otherwise an empty
        dictionary."""
        if not self.follows_losses:
            return {}
        kind = type(self.sampler).__name__
        return {"epoch": self._drawn[0], "weights": self._drawn[1].tolist(), "type": kind, "sampler": self.sampler.state_dict()}

    def restore(self, state: Mapping[str, object]) -> None:
        """Restore the result of :meth:`state`; a sampler of another type, or for another number of images, starts from scratch."""
        if self.follows_losses and state.get("type") == type(self.sampler).__name__ and len(state["weights"]) == len(self.samples):
            self._drawn = (state["epoch"], np.array(state["weights"]))
            self.sampler.load_state_dict(state["sampler"])
