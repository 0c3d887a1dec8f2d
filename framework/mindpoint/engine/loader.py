"""Batches of training samples, a function of (seed, epoch, index) whatever the number of workers."""

from __future__ import annotations

import os
import re
import sys
from typing import Dict, Iterator, Optional, Sequence

import cv2
import mindspore.dataset as de
import numpy as np

from mindpoint.contracts.data import Dataset, TargetEncoder, Transform
from mindpoint.contracts.image import InputSpec
from mindpoint.errors import ConfigError, DataError, MindpointError


class TrainingSamples:
    """What the workers run: index ``epoch * N + i`` to image, id and targets of image ``i`` as they are in that epoch.

    Attributes:
        columns: names of the arrays of a sample: ``image`` ``(3, H, W)`` float32, ``image_id`` int64, then the targets.
        targets: the names of the targets.
    """

    def __init__(self, dataset: Dataset, transforms: Sequence[Transform], encoder: TargetEncoder, input_spec: InputSpec, seed: int):
        if not len(dataset):
            raise DataError("data.train.dataset: it has no image to train on")
        self.dataset, self.transforms, self.encoder, self.input_spec, self.seed = dataset, transforms, encoder, input_spec, seed
        self.columns = list(self.sample(0))
        self.targets = self.columns[2:]

    def sample(self, position: int) -> Dict[str, np.ndarray]:
        epoch, index = divmod(int(position), len(self.dataset))
        rng = np.random.default_rng((self.seed, epoch, index))
        sample = self.dataset[index]
        for transform in self.transforms:
            sample = transform(sample, rng)
        if sample.view is None:
            raise ConfigError("data.train.transforms: none of them cuts out the window that the network sees")
        return {
            "image": self.input_spec.normalize(sample.image, sample.color),
            "image_id": np.asarray(sample.image_id, np.int64),
            **self.encoder(sample),
        }

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: int) -> tuple:
        return tuple(self.sample(position).values())


class _EpochSampler(de.Sampler):
    """Positions of one epoch after the other; MindSpore asks for a new iterator at the start of each."""

    def __init__(self, length: int, seed: int, shuffle: bool):
        super().__init__()
        self.length, self.seed, self.shuffle, self.epoch = length, seed, shuffle, 0

    def __iter__(self) -> Iterator[int]:
        order = np.arange(self.length)
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
        start = self.epoch * self.length
        self.epoch += 1
        yield from (int(start + index) for index in order)


class Loader:
    """Batches for a number of epochs.

    Args:
        samples: what to load.
        batch_size: images a batch; a rest that fills no batch is left out of the epoch.
        workers: threads, or processes, that prepare samples; never more than the machine has cores.
        processes: use processes; they cost memory in ``/dev/shm`` and pay where much of a sample is plain Python.
    """

    def __init__(self, samples: TrainingSamples, batch_size: int, workers: int, shuffle: bool, processes: bool):
        if len(samples) < batch_size:
            raise ConfigError(f"data.train.batch_size: {batch_size} is more than the {len(samples)} images there are")
        self.samples, self.batch_size = samples, batch_size
        self.workers = min(workers, os.cpu_count() or 1)  # MindSpore refuses more
        self.shuffle, self.processes = shuffle, processes
        self.steps_per_epoch = len(samples) // batch_size

    def epochs(self, count: int) -> Iterator[Iterator[Dict[str, np.ndarray]]]:
        """One iterator of batches (arrays by column, batch axis first) an epoch."""
        cv2.setNumThreads(0)  # the workers are the parallelism
        de.config.set_enable_autotune(False)
        data = de.GeneratorDataset(
            self.samples,
            self.samples.columns,
            sampler=_EpochSampler(len(self.samples), self.samples.seed, self.shuffle),
            num_parallel_workers=self.workers,
            python_multiprocessing=self.processes,
        ).batch(self.batch_size, drop_remainder=True)
        batches = data.create_dict_iterator(num_epochs=count, output_numpy=True)
        for _ in range(count):
            yield _own_errors(batches)


def _own_errors(batches: Iterator) -> Iterator:
    """MindSpore reports an exception of a worker as RuntimeError with the traceback as text; give ours back as what they were."""
    try:
        yield from batches
    except RuntimeError as error:
        raise _raised_in(str(error)) or error


def _raised_in(text: str) -> Optional[MindpointError]:
    """The MindpointError whose message ends the traceback in a text."""
    for module, name, message in re.findall(r"^([A-Za-z_][\w.]*)\.(\w+): (.*?)(?=\n\n-{10,}|\Z)", text, re.M | re.S):
        kind = getattr(sys.modules.get(module), name, None)
        if isinstance(kind, type) and issubclass(kind, MindpointError):
            return kind(message.strip())
    return None
