"""Training samples, a function of (seed, epoch, index) whatever the number of workers."""

from __future__ import annotations

from typing import List, Sequence, Tuple

import numpy as np

from mindpoint.contracts.data import Dataset, TargetEncoder, Transform
from mindpoint.contracts.image import InputSpec, Sample
from mindpoint.data.preprocess import letterbox
from mindpoint.data.workers import Arrays
from mindpoint.errors import ConfigError, DataError

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
        image = self.input_spec.normalize(sample.image, sample.color_matrix)
        return {"image": image, "image_id": np.asarray(sample.image_id, np.int64), **targets}

    def write(self, position: int, arrays: Arrays) -> Unreadable:
        """:meth:`sample` into arrays that are there; tells which images had to be left out for it."""
        sample, targets, unreadable = self.prepare(position)
        self._same_shape(sample, "image", (3, *sample.image.shape[:2]))
        for name in self.targets:
            self._same_shape(sample, name, targets[name].shape)
            arrays[name][...] = targets[name]
        arrays["image_id"][...] = sample.image_id
        self.input_spec.normalize(sample.image, sample.color_matrix, arrays["image"])
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
            sample = letterbox(sample, self.input_spec)
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
                        raise too_many([message for _, message in unreadable], self.max_unreadable) from error
                    raise
                index = (index + 1) % len(self.dataset)


def too_many(messages: List[str], most: int) -> DataError:
    """Return the error that names all images that could not be read."""
    return DataError("\n".join([f"{len(messages)} images could not be read, data.train.max_unreadable allows {most}:", *messages]))
