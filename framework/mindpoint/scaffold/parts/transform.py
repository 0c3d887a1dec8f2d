"""A transform of training samples."""

from dataclasses import replace

import numpy as np

from mindpoint.contracts.data import Transform
from mindpoint.contracts.image import Sample
from mindpoint.errors import ConfigError


class AcmeTransform(Transform):
    """Makes the image darker or brighter.

    Args:
        most: largest change of the brightness, 0..1.
    """

    def __init__(self, most: float = 0.2) -> None:
        if not 0 <= most <= 1:
            raise ConfigError("must be in 0..1", key="most")
        self.most = most

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        image = sample.image if sample.image.dtype == np.float32 else sample.image.astype(np.float32) / 255
        factor = np.float32(rng.uniform(1 - self.most, 1 + self.most))
        return replace(sample, image=np.clip(image * factor, 0, 1))
