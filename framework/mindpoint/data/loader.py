"""Batches of training samples, determined by (seed, epoch, index, repetition), independent of the number of workers."""

from __future__ import annotations

import itertools
import logging
from typing import Dict, Iterator, List, Optional, Tuple

import numpy as np

from mindpoint.contracts.data import Sampler
from mindpoint.data.samples import TrainingSamples, Unreadable, too_many
from mindpoint.data.sampling import EpochOrder
from mindpoint.data.workers import Arrays, filled
from mindpoint.errors import ConfigError
from mindpoint.runtime import cpu

log = logging.getLogger("mindpoint")


class Loader:
    """Batches for a number of epochs.

    Args:
        samples: the samples to load.
        batch_size: images per batch; an incomplete last batch is dropped.
        ranks, rank: number of processes, and the index of this one. Each loads its part of a batch of ``ranks * batch_size`` images.
        workers: number of threads, or processes, that prepare samples; limited to the number of cores.
        processes: use processes as workers; faster if samples are prepared mostly in plain Python.
        sampler: chooses the images of an epoch; None: each one once.

    Attributes:
        batch_size: images per step, over all processes.
        order: computes the positions of the samples of each epoch, see :class:`TrainingSamples`.
        left_out: error messages of images that were left out for the first time in the last batch, by index.
        unreadable: all error messages passed to :meth:`leave_out` so far.
    """

    def __init__(
        self,
        samples: TrainingSamples,
        batch_size: int,
        workers: int,
        shuffle: bool,
        processes: bool,
        ranks: int = 1,
        rank: int = 0,
        sampler: Optional[Sampler] = None,
    ):
        self.samples, self.batch_size, self.own_size, self.rank = samples, ranks * batch_size, batch_size, rank
        if len(samples) < self.batch_size:
            parts = f" in each of {ranks} processes" if ranks > 1 else ""
            raise ConfigError(f"data.train.batch_size: {batch_size}{parts} exceeds the number of images, {len(samples)}")
        self.workers = min(workers, cpu.cores())
        self.processes, self.order = processes, EpochOrder(samples, shuffle, sampler)
        self.steps_per_epoch = len(samples) // self.batch_size
        self.left_out: Dict[int, str] = {}
        self.unreadable: Dict[int, str] = {}

    def epochs(self, last: int, epoch: int = 0, step: int = 0) -> Iterator[Iterator[Arrays]]:
        """Yield an iterator of batches (arrays by name, batch axis first) for each of the epochs ``epoch`` to ``last - 1``. The first epoch
        begins with batch number ``step``. A batch is valid until the next one is requested.

        Raises:
            DataError: more than ``max_unreadable`` images could not be read.
        """
        if self.order.follows_losses:  # read an epoch's batches only after the last step of the previous one
            for number in range(epoch, last):
                yield from self._stream(number + 1, number, step if number == epoch else 0)
        else:
            yield from self._stream(last, epoch, step)

    def _stream(self, last: int, epoch: int, step: int) -> Iterator[Iterator[Arrays]]:
        positions = self._positions(last, epoch, step)
        stream = filled(self.samples.write, self.samples.example, positions, self.own_size, self.workers, self.processes)
        try:
            for number in range(epoch, last):
                yield self._checked(itertools.islice(stream, self.steps_per_epoch - (step if number == epoch else 0)))
        finally:
            stream.close()

    def _positions(self, last: int, epoch: int, step: int) -> Iterator[np.ndarray]:
        for number in range(epoch, last):
            order = self.order.positions(number)
            for start in range(step if number == epoch else 0, self.steps_per_epoch):
                first = start * self.batch_size + self.rank * self.own_size
                yield order[first : first + self.own_size]

    def _checked(self, batches: Iterator[Tuple[Arrays, List[Unreadable]]]) -> Iterator[Arrays]:
        for batch, told in batches:
            self.left_out = {index: message for index, message in itertools.chain(*told) if index not in self.unreadable}
            if len(self.unreadable) + len(self.left_out) > self.samples.max_unreadable:
                self.leave_out(self.left_out)
            yield batch

    def leave_out(self, found: Dict[int, str]) -> None:
        """Count images, of all processes, that were left out for the first time in the last batch.

        Raises:
            DataError: more images than allowed.
        """
        most = self.samples.max_unreadable
        for index, message in found.items():
            self.unreadable[index] = message
            if len(self.unreadable) > most:
                raise too_many(list(self.unreadable.values()), most)
            log.warning("unreadable image replaced by the next one (%d of at most %d): %s", len(self.unreadable), most, message)
