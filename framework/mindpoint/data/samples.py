"""Training samples, determined by (seed, epoch, index), independent of the number of workers."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Mapping, Optional, Tuple, Union

import numpy as np

from mindpoint.contracts.data import Dataset, InputEncoder, PoolTransform, SamplePool, TargetEncoder, Transform
from mindpoint.contracts.guard import mistake, part_call
from mindpoint.contracts.image import InputSpec, Sample
from mindpoint.data.preprocess import letterbox
from mindpoint.data.sample_check import check_inputs, check_sample, check_targets
from mindpoint.data.workers import Arrays
from mindpoint.errors import ConfigError, DataError

_EPOCHS = 2**31  # more epochs than any training has

Unreadable = List[Tuple[int, str]]
"""Index and error of every image that could not be read."""


class TrainingSamples:
    """The samples for the workers. Position ``epoch * N + i`` is sample ``i`` (image, id, targets) of that epoch. It shows image ``i`` or,
    if the data set repeats images, image ``images[i]``. :meth:`position` returns positions of repetitions.

    An image that cannot be read is replaced by the next readable one, so that batches stay full.

    Args:
        transforms: transforms by block name, in the order of application, except that those with ``before_view`` come first.
        max_unreadable: maximum number of unreadable images in a row; one more raises DataError.
        block: path of the parts in the configuration.
        input_encoder: computes further inputs, as in testing; all other inputs come from the samples.

    Attributes:
        images: index of the image of each sample in an epoch.
        example: the first sample, see :meth:`sample`; all samples have its names, shapes and types.
        inputs: the names of the further inputs.
        targets: the names of the targets.

    Raises:
        PartError: data set, transforms or target encoder break their contracts for the first sample.
    """

    def __init__(
        self,
        dataset: Dataset,
        transforms: Mapping[str, Transform],
        encoder: TargetEncoder,
        input_spec: InputSpec,
        seed: int,
        max_unreadable: int = 0,
        block: str = "data.train",
        input_encoder: Optional[InputEncoder] = None,
    ):
        if not len(dataset):
            raise DataError(f"{block}.dataset: has no images to train on")
        self.dataset, self.encoder, self.input_spec, self.seed = dataset, encoder, input_spec, seed
        self.transforms = dict(sorted(transforms.items(), key=lambda item: not item[1].before_view))
        self.max_unreadable, self.block, self.input_encoder = max_unreadable, block, input_encoder
        self.images = np.repeat(np.arange(len(dataset)), 1 if dataset.repeats is None else dataset.repeats)
        first, _ = self._read(0)
        check_sample(f"{block}.dataset", dataset, first)
        sample, targets, _ = self.prepare(0)
        check_targets(f"{block}.targets", encoder, targets, ("image", "image_id", *sample.inputs))
        self.inputs, self.targets = list(sample.inputs), list(targets)
        self.example = self.sample(0)

    def __len__(self) -> int:
        return len(self.images)

    def position(self, epoch: int, index: np.ndarray, repeat: Union[int, np.ndarray] = 0) -> np.ndarray:
        """Return the positions of images in an epoch, as integers of unlimited size. ``repeat`` is how often the epoch has shown each image
        before."""
        return (np.asarray(repeat, object) * _EPOCHS + epoch) * len(self) + index

    def sample(self, position: int) -> Arrays:
        """Return ``image`` ``(3, H, W)`` float32, ``image_id`` int64, further inputs, then the targets."""
        sample, targets, _ = self.prepare(position)
        image = self.input_spec.normalize(sample.image, sample.color_matrix)
        return {"image": image, "image_id": np.asarray(sample.image_id, np.int64), **sample.inputs, **targets}

    def write(self, position: int, arrays: Arrays) -> Unreadable:
        """Write :meth:`sample` into existing arrays; return the images that were left out."""
        sample, targets, unreadable = self.prepare(position)
        self._same(sample, "image", (3, *sample.image.shape[:2]))
        for names, values in ((self.inputs, sample.inputs), (self.targets, targets)):
            if list(values) != names:
                raise ConfigError(f"{self.block}: {sample.name} has {list(values)}, but the first image has {names}; all must agree")
            for name in names:
                self._same(sample, name, values[name].shape)
                arrays[name][...] = values[name]
        arrays["image_id"][...] = sample.image_id
        self.input_spec.normalize(sample.image, sample.color_matrix, arrays["image"])
        return unreadable

    def _same(self, sample: Sample, name: str, shape: Tuple[int, ...]) -> None:
        usual = self.example[name].shape
        if shape != usual:
            raise ConfigError(f"{self.block}: '{name}' of {sample.name} has shape {shape}, but the first image has {usual}; all must agree")

    def prepare(self, position: int) -> Tuple[Sample, Arrays, Unreadable]:
        """Return the transformed sample before normalising, its targets, and the images that were left out."""
        epoch, number = divmod(int(position), len(self))
        repeat, epoch = divmod(epoch, _EPOCHS)
        unreadable: Unreadable = []
        rng = np.random.default_rng((self.seed, epoch, number, repeat))  # a trailing 0 has no effect
        sample = self.transformed(int(self.images[number]), rng, epoch, len(self.transforms), unreadable)
        if sample.view is None:  # no transform has set a window
            sample = letterbox(sample, self.input_spec)
        if self.input_encoder is not None:
            with part_call("model.inputs", self.input_encoder):
                sample = replace(sample, inputs={**sample.inputs, **self.input_encoder(sample)})
        check_inputs(self.block, sample)
        with part_call(f"{self.block}.targets", self.encoder):
            targets = self.encoder(sample)
        return sample, targets, unreadable

    def transformed(self, index: int, rng: np.random.Generator, epoch: int, count: int, unreadable: Unreadable) -> Sample:
        """Return the image at ``index`` after the first ``count`` transforms; add images that were left out to ``unreadable``."""
        sample, left_out = self._read(index)
        unreadable += left_out
        for number, name in enumerate(list(self.transforms)[:count]):
            sample = self.transform(name, sample, rng, _Pool(self, epoch, number, unreadable))
        return sample

    def transform(self, name: str, sample: Sample, rng: np.random.Generator, pool: SamplePool) -> Sample:
        """Return the sample after the transform of this name. Raises PartError if the transform fails or returns another type."""
        block, transform = f"{self.block}.transforms.{name}", self.transforms[name]
        with part_call(block, transform):
            changed = transform(sample, rng, pool) if isinstance(transform, PoolTransform) else transform(sample, rng)
        if not isinstance(changed, Sample):
            raise mistake(block, transform, f"returned {type(changed).__name__}; it must return a Sample")
        return changed

    def pool(self, epoch: int, name: str) -> SamplePool:
        """Return the pool that the transform of this name draws from."""
        return _Pool(self, epoch, list(self.transforms).index(name), [])

    def _read(self, index: int) -> Tuple[Sample, Unreadable]:
        unreadable: Unreadable = []
        while True:
            try:
                with part_call(f"{self.block}.dataset", self.dataset):
                    return self.dataset[index], unreadable
            except DataError as error:
                unreadable.append((index, str(error)))
                if len(unreadable) > self.max_unreadable:
                    if self.max_unreadable:
                        raise too_many([message for _, message in unreadable], self.max_unreadable) from error
                    raise
                index = (index + 1) % len(self.dataset)


class _Pool(SamplePool):
    """The pool of a transform that follows ``count`` other transforms."""

    def __init__(self, samples: TrainingSamples, epoch: int, count: int, unreadable: Unreadable):
        self.samples, self.epoch, self.count, self.unreadable = samples, epoch, count, unreadable

    def __len__(self) -> int:
        return len(self.samples)

    def draw(self, rng: np.random.Generator) -> Sample:
        number, seed = int(rng.integers(len(self.samples))), int(rng.integers(2**63))
        return self.samples.transformed(
            int(self.samples.images[number]), np.random.default_rng(seed), self.epoch, self.count, self.unreadable
        )


def too_many(messages: List[str], most: int) -> DataError:
    """Return the error that names all unreadable images."""
    return DataError("\n".join([f"{len(messages)} images could not be read, but data.train.max_unreadable is {most}:", *messages]))
