"""Batches of training samples, a function of (seed, epoch, index) whatever the number of workers."""

from __future__ import annotations

import itertools
import logging
import os
from typing import Dict, Iterator, List, Sequence, Tuple

import numpy as np

from mindpoint.contracts.data import Dataset, TargetEncoder, Transform
from mindpoint.contracts.image import InputSpec, Sample
from mindpoint.engine.preprocess import show_whole
from mindpoint.engine.workers import Arrays, filled
from mindpoint.errors import ConfigError, DataError

log = logging.getLogger("mindpoint")

Unreadable = List[Tuple[int, str]]
"""Index and error of every image that could not be read."""


class TrainingSamples:
    """What the workers run: index ``epoch * N + i`` to image, id and targets of image ``i`` as they are in that epoch.

    An image that cannot be read is replaced by the next one that can, so that batches stay full.

    Args:
        max_unreadable: after so many of them in a row the error of the next one is raised.

    Attributes:
        example: the first sample, see :meth:`sample`; all have its names, shapes and types.
        targets: the names of the targets.
    """

    def __init__(
        self,
        dataset: Dataset,
        transforms: Sequence[Transform],
        encoder: TargetEncoder,
        input_spec: InputSpec,
        seed: int,
        max_unreadable: int = 0,
    ):
        if not len(dataset):
            raise DataError("data.train.dataset: it has no image to train on")
        self.dataset, self.transforms, self.encoder, self.input_spec, self.seed = dataset, transforms, encoder, input_spec, seed
        self.max_unreadable = max_unreadable
        self.example = self.sample(0)
        self.targets = list(self.example)[2:]

    def __len__(self) -> int:
        return len(self.dataset)

    def sample(self, position: int) -> Arrays:
        """``image`` ``(3, H, W)`` float32, ``image_id`` int64, then the targets."""
        sample, targets, _ = self.prepare(position)
        image = self.input_spec.normalize(sample.image, sample.color)
        return {"image": image, "image_id": np.asarray(sample.image_id, np.int64), **targets}

    def write(self, position: int, arrays: Arrays) -> Unreadable:
        """:meth:`sample` into arrays that are there; tells which images had to be left out for it."""
        sample, targets, unreadable = self.prepare(position)
        self._same_shape(sample, "image", (3, *sample.image.shape[:2]))
        for name in self.targets:
            self._same_shape(sample, name, targets[name].shape)
            arrays[name][...] = targets[name]
        arrays["image_id"][...] = sample.image_id
        self.input_spec.normalize(sample.image, sample.color, arrays["image"])
        return unreadable

    def _same_shape(self, sample: Sample, name: str, shape: Tuple[int, ...]) -> None:
        usual = self.example[name].shape
        if shape != usual:
            raise ConfigError(f"data.train: '{name}' of {sample.name} has shape {shape}, of the first image {usual}; all must have one")

    def prepare(self, position: int) -> Tuple[Sample, Arrays, Unreadable]:
        """The transformed sample before normalising, its targets, and which images had to be left out for it."""
        epoch, index = divmod(int(position), len(self.dataset))
        rng = np.random.default_rng((self.seed, epoch, index))
        sample, unreadable = self._read(index)
        for transform in self.transforms:
            sample = transform(sample, rng)
        if sample.view is None:  # no transform has chosen a window
            sample = show_whole(sample, self.input_spec)
        return sample, self.encoder(sample), unreadable

    def _read(self, index: int) -> Tuple[Sample, Unreadable]:
        unreadable: Unreadable = []
        while True:
            try:
                return self.dataset[index], unreadable
            except DataError as error:
                unreadable.append((index, str(error)))
                if len(unreadable) > self.max_unreadable:
                    if self.max_unreadable:
                        raise _too_many([message for _, message in unreadable], self.max_unreadable) from error
                    raise
                index = (index + 1) % len(self.dataset)


def _too_many(messages: List[str], most: int) -> DataError:
    return DataError("\n".join([f"{len(messages)} images could not be read, data.train.max_unreadable allows {most}:", *messages]))


def epoch_order(length: int, seed: int, epoch: int, shuffle: bool) -> np.ndarray:
    """The indices of all samples in the order of an epoch."""
    return np.random.default_rng((seed, epoch)).permutation(length) if shuffle else np.arange(length)


class Loader:
    """Batches for a number of epochs.

    Args:
        samples: what to load.
        batch_size: images a batch; a rest that fills no batch is left out of the epoch.
        ranks, rank: of how many processes this is which. Each has its own part of what would be one batch of ``ranks * batch_size``.
        workers: threads, or processes, that prepare samples; never more than the machine has cores.
        processes: use processes; they pay where much of a sample is plain Python.

    Attributes:
        batch_size: images a step, over all processes.
        left_out: what was wrong with images that the last batch does without for the first time, by index.
        unreadable: the same of all batches so far.
    """

    def __init__(
        self, samples: TrainingSamples, batch_size: int, workers: int, shuffle: bool, processes: bool, ranks: int = 1, rank: int = 0
    ):
        self.samples, self.batch_size, self.own_size, self.rank = samples, ranks * batch_size, batch_size, rank
        if len(samples) < self.batch_size:
            parts = f" in each of {ranks} processes" if ranks > 1 else ""
            raise ConfigError(f"data.train.batch_size: {batch_size}{parts} is more than the {len(samples)} images there are")
        self.workers = min(workers, os.cpu_count() or 1)
        self.shuffle, self.processes = shuffle, processes
        self.steps_per_epoch = len(samples) // self.batch_size
        self.left_out: Dict[int, str] = {}
        self.unreadable: Dict[int, str] = {}

    def epochs(self, last: int, epoch: int = 0, step: int = 0) -> Iterator[Iterator[Arrays]]:
        """One iterator of batches (arrays by column, batch axis first) for each of the epochs ``epoch`` to ``last - 1``; the first one
        begins with the batch number ``step``. A batch is valid until the next one is asked for.

        Raises:
            DataError: more images than ``max_unreadable`` of the samples could not be read.
        """
        positions = self._positions(last, epoch, step)
        stream = filled(self.samples.write, self.samples.example, positions, self.own_size, self.workers, self.processes)
        try:
            for number in range(epoch, last):
                yield self._checked(itertools.islice(stream, self.steps_per_epoch - (step if number == epoch else 0)))
        finally:
            stream.close()

    def _positions(self, last: int, epoch: int, step: int) -> Iterator[np.ndarray]:
        for number in range(epoch, last):
            order = epoch_order(len(self.samples), self.samples.seed, number, self.shuffle) + number * len(self.samples)
            for start in range(step if number == epoch else 0, self.steps_per_epoch):
                first = start * self.batch_size + self.rank * self.own_size
                yield order[first : first + self.own_size]

    def _checked(self, batches: Iterator[Tuple[Arrays, List[Unreadable]]]) -> Iterator[Arrays]:
        for batch, told in batches:
            self.left_out = {}
            for index, message in itertools.chain(*told):
                if index not in self.unreadable:
                    self._leave_out(index, message)
            yield batch

    def _leave_out(self, index: int, message: str) -> None:
        self.left_out[index] = self.unreadable[index] = message
        most, count = self.samples.max_unreadable, len(self.unreadable)
        if count > most:
            raise _too_many(list(self.unreadable.values()), most)
        log.warning("image left out, the next one stands in for it (%d of at most %d): %s", count, most, message)
