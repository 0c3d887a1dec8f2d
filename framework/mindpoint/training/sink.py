"""Several consecutive steps on an Ascend without returning to the host (``train.sink``), with MindSpore's data sinking."""

from __future__ import annotations

from typing import Callable, Dict, Iterator, Optional, Tuple

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from mindpoint.data.loader import Loader
from mindpoint.data.workers import Arrays
from mindpoint.errors import ConfigError
from mindpoint.runtime import device
from mindpoint.training.step import TrainStep


class _Step(nn.Cell):
    """A training step whose arguments are the columns of a row: learning rate, image, further inputs, targets."""

    def __init__(self, step: TrainStep):
        super().__init__(auto_prefix=False)
        self.step, self.last = step, Tensor(True)

    def construct(self, learning_rate, image, *values):
        return self.step(image, learning_rate, self.last, *values)


class Sunk:
    """A training step and its data, ``size`` steps at a time.

    Args:
        rate: function from the number of completed steps to the learning rate of the next step.
        total: number of steps of the whole training.

    Raises:
        ConfigError: the device cannot sink data, or the steps cannot be run in groups of ``size``.
    """

    def __init__(self, step: TrainStep, loader: Loader, rate: Callable[[int], float], size: int, total: int):
        if device.name() != "Ascend":
            raise ConfigError(f"train.sink: needs an Ascend, but the device is a {device.name()}; set it to null")
        if step.num_shards > 1 and step.normalizers is not None:
            raise ConfigError("train.sink: cannot be used with several processes or train.accumulate; set it to null")
        if loader.order.follows_losses:
            raise ConfigError("train.sink: data.train.sampler needs the losses of each step; set one of them to null")
        if loader.steps_per_epoch % size or total % size:
            raise ConfigError(
                f"train.sink: {size} must divide the {loader.steps_per_epoch} steps of an epoch and the {total} of the training"
            )
        self.step, self.loader, self.rate, self.size = step, loader, rate, size
        self.run_many: Optional[Callable[[], Tuple]] = None
        self._left_out: Dict[int, str] = {}

    @property
    def left_out(self) -> Dict[int, str]:
        """Return the error messages of images that any batch so far has left out and :meth:`Loader.leave_out` has not counted yet."""
        return {index: message for index, message in list(self._left_out.items()) if index not in self.loader.unreadable}

    def epochs(self, last: int, epoch: int = 0, step: int = 0) -> Iterator[Iterator[Arrays]]:
        """Yield batches like :meth:`mindpoint.data.loader.Loader.epochs`, but one empty batch for ``size`` steps, because the data goes
        directly to the device."""
        columns = ["learning_rate", "image", *self.step.input_names, *self.step.target_names]
        rows = self._rows(last, epoch, step)
        left = (last - epoch) * self.loader.steps_per_epoch - step
        source = ms.dataset.GeneratorDataset(_Rows(rows, left), columns, shuffle=False, num_parallel_workers=1)
        self.run_many = ms.data_sink(_Step(self.step), source, sink_size=self.size)
        for number in range(epoch, last):
            steps = self.loader.steps_per_epoch - (step if number == epoch else 0)
            yield ({} for _ in range(steps // self.size))

    def _rows(self, last: int, epoch: int, step: int) -> Iterator[Tuple[np.ndarray, ...]]:
        done = epoch * self.loader.steps_per_epoch + step
        for batches in self.loader.epochs(last, epoch, step):
            for batch in batches:
                self._left_out.update(self.loader.left_out)
                arrays = (batch[name].copy() for name in ("image", *self.step.input_names, *self.step.target_names))
                yield (np.asarray(self.rate(done), np.float32), *arrays)
                done += 1

    def run(self) -> Tuple[Dict[str, float], bool]:
        """Run ``size`` steps; return the result of :meth:`TrainStep.run` for the last one."""
        values, finite = self.run_many()
        return self.step.named(values), bool(finite)


class _Rows:
    """An iterable of a known number of rows that can be used once."""

    def __init__(self, rows: Iterator[Tuple[np.ndarray, ...]], count: int):
        self.rows, self.count = rows, count

    def __iter__(self) -> Iterator[Tuple[np.ndarray, ...]]:
        return self.rows

    def __len__(self) -> int:
        return self.count
