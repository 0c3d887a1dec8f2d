"""Batches of training samples, a function of (seed, epoch, index) whatever the number of workers."""

from __future__ import annotations

import itertools
import os
from typing import Iterator, Sequence, Tuple

import numpy as np

from mindpoint.contracts.data import Dataset, TargetEncoder, Transform
from mindpoint.contracts.image import InputSpec, Sample
from mindpoint.engine.preprocess import show_whole
from mindpoint.engine.workers import Arrays, filled
from mindpoint.errors import ConfigError, DataError


class TrainingSamples:
    """What the workers run: index ``epoch * N + i`` to image, id and targets of image ``i`` as they are in that epoch.

    Attributes:
        example: the first sample, see :meth:`sample`; all have its names, shapes and types.
        targets: the names of the targets.
    """

    def __init__(self, dataset: Dataset, transforms: Sequence[Transform], encoder: TargetEncoder, input_spec: InputSpec, seed: int):
        if not len(dataset):
            raise DataError("data.train.dataset: it has no image to train on")
        self.dataset, self.transforms, self.encoder, self.input_spec, self.seed = dataset, transforms, encoder, input_spec, seed
        self.example = self.sample(0)
        self.targets = list(self.example)[2:]

    def __len__(self) -> int:
        return len(self.dataset)

    def sample(self, position: int) -> Arrays:
        """``image`` ``(3, H, W)`` float32, ``image_id`` int64, then the targets."""
        sample, targets = self._prepare(position)
        image = self.input_spec.normalize(sample.image, sample.color)
        return {"image": image, "image_id": np.asarray(sample.image_id, np.int64), **targets}

    def write(self, position: int, arrays: Arrays) -> None:
        """:meth:`sample` into arrays that are there."""
        sample, targets = self._prepare(position)
        self._same_shape(sample, "image", (3, *sample.image.shape[:2]))
        for name in self.targets:
            self._same_shape(sample, name, targets[name].shape)
            arrays[name][...] = targets[name]
        arrays["image_id"][...] = sample.image_id
        self.input_spec.normalize(sample.image, sample.color, arrays["image"])

    def _same_shape(self, sample: Sample, name: str, shape: Tuple[int, ...]) -> None:
        usual = self.example[name].shape
        if shape != usual:
            raise ConfigError(f"data.train: '{name}' of {sample.name} has shape {shape}, of the first image {usual}; all must have one")

    def _prepare(self, position: int) -> Tuple[Sample, Arrays]:
        epoch, index = divmod(int(position), len(self.dataset))
        rng = np.random.default_rng((self.seed, epoch, index))
        sample = self.dataset[index]
        for transform in self.transforms:
            sample = transform(sample, rng)
        if sample.view is None:  # no transform has chosen a window
            sample = show_whole(sample, self.input_spec)
        return sample, self.encoder(sample)


def epoch_order(length: int, seed: int, epoch: int, shuffle: bool) -> np.ndarray:
    """The indices of all samples in the order of an epoch."""
    return np.random.default_rng((seed, epoch)).permutation(length) if shuffle else np.arange(length)


class Loader:
    """Batches for a number of epochs.

    Args:
        samples: what to load.
        batch_size: images a batch; a rest that fills no batch is left out of the epoch.
        workers: threads, or processes, that prepare samples; never more than the machine has cores.
        processes: use processes; they pay where much of a sample is plain Python.
    """

    def __init__(self, samples: TrainingSamples, batch_size: int, workers: int, shuffle: bool, processes: bool):
        if len(samples) < batch_size:
            raise ConfigError(f"data.train.batch_size: {batch_size} is more than the {len(samples)} images there are")
        self.samples, self.batch_size = samples, batch_size
        self.workers = min(workers, os.cpu_count() or 1)
        self.shuffle, self.processes = shuffle, processes
        self.steps_per_epoch = len(samples) // batch_size

    def epochs(self, count: int) -> Iterator[Iterator[Arrays]]:
        """One iterator of batches (arrays by column, batch axis first) an epoch. A batch is valid until the next one is asked for."""
        stream = filled(self.samples.write, self.samples.example, self._positions(count), self.batch_size, self.workers, self.processes)
        try:
            for _ in range(count):
                yield (batch for batch, _ in itertools.islice(stream, self.steps_per_epoch))
        finally:
            stream.close()

    def _positions(self, epochs: int) -> Iterator[np.ndarray]:
        for epoch in range(epochs):
            order = epoch_order(len(self.samples), self.samples.seed, epoch, self.shuffle) + epoch * len(self.samples)
            for step in range(self.steps_per_epoch):
                yield order[step * self.batch_size : (step + 1) * self.batch_size]
