"""Augmentations that combine several images: mosaic and mixup."""

from __future__ import annotations

from dataclasses import replace
from typing import Sequence

import numpy as np
from mindpoint.contracts.data import PoolTransform, SamplePool
from mindpoint.contracts.image import InputSpec, Sample, letterbox_size
from mindpoint.contracts.instances import Objects

from mindpoint_coco.transforms.placing import cut, least_factor, resized, resizing, same_kind
from mindpoint_coco.transforms.randomly import Randomly


class Mosaic(Randomly, PoolTransform):
    """Arrange this and three random images around a random point, in random order (Bochkovskiy et al., 2020,
    https://arxiv.org/abs/2004.10934).

    Each image touches the point with a corner and is clipped to its quarter; the rest is 0. ``RandomView`` then chooses
    a window of the mosaic. A mosaic has more objects than an image: raise ``max_objects`` of the targets if needed.

    Args:
        probability: probability of a mosaic, 0..1.
        size: height and width of the mosaic relative to the network's input, 0.5..4. Objects shrink on the input by about this factor.
        scale: range of an image's scale; at 1, it just fits into the network's input; 0.1..10.
        least: minimum visible share of a box, 0..1; other objects are removed.
    """

    before_view = True

    def __init__(
        self,
        input_spec: InputSpec,
        probability: float = 0.5,
        size: float = 1.5,
        scale: Sequence[float] = (0.6, 1.2),
        least: float = 0.3,
    ) -> None:
        super().__init__(probability)
        self.input_size, self.size = input_spec.size, self.within("size", size, 0.5, 4)
        self.scale, self.least = self.range("scale", scale, 0.1, 10), self.within("least", least, 0, 1)

    def change(self, sample: Sample, rng: np.random.Generator, pool: SamplePool) -> Sample:
        samples = [sample, *(pool.draw(rng) for _ in range(3))]
        samples = [samples[index] for index in rng.permutation(4)]
        height, width = (max(2, round(self.size * side)) for side in self.input_size)
        x, y = (int(rng.integers(side // 4, side - side // 4)) for side in (width, height))
        images = same_kind(samples)
        mosaic, parts = np.zeros((height, width, 3), images[0].dtype), []
        for number, (one, image) in enumerate(zip(samples, images)):
            across, down = number % 2, number // 2
            factor = rng.uniform(*self.scale) * self.input_size[1] / letterbox_size(image.shape[1], image.shape[0], self.input_size)
            factor = max(factor, least_factor(image))
            part = resized(image, factor)
            left, top = (x, x - part.shape[1])[1 - across], (y, y - part.shape[0])[1 - down]
            quarter = np.array([(0, x)[across], (0, y)[down], (x, width)[across], (y, height)[down]])
            shown = np.array([left, top, left + part.shape[1], top + part.shape[0]])
            shown = np.concatenate([np.maximum(shown[:2], quarter[:2]), np.minimum(shown[2:], quarter[2:])])
            mosaic[shown[1] : shown[3], shown[0] : shown[2]] = part[shown[1] - top : shown[3] - top, shown[0] - left : shown[2] - left]
            parts.append(cut(one.objects.transform(resizing(factor, left, top)), shown, self.least))
        return replace(sample, image=mosaic, objects=Objects.concatenate(parts), color_matrix=None)


class MixUp(Randomly, PoolTransform):
    """Blend this image with a random one, and keep the objects of both (Zhang et al., 2018, https://arxiv.org/abs/1710.09412; for detection
    Zhang et al., 2019, https://arxiv.org/abs/1902.04103).

    The random image is scaled to fit into this one and blended over its centre; this image stays unchanged around it.

    Args:
        probability: probability of a blend, 0..1.
        alpha: both parameters of the beta distribution of this image's weight, 0.1..1000; large values give weights close to 0.5.
    """

    before_view = True

    def __init__(self, probability: float = 0.2, alpha: float = 8.0) -> None:
        super().__init__(probability)
        self.alpha = self.within("alpha", alpha, 0.1, 1000)

    def change(self, sample: Sample, rng: np.random.Generator, pool: SamplePool) -> Sample:
        other, share = pool.draw(rng), rng.beta(self.alpha, self.alpha)
        below, image = same_kind([sample, other])
        (height, width), (rows, columns) = below.shape[:2], image.shape[:2]
        factor = max(min(height / rows, width / columns), least_factor(image))
        laid = resized(image, factor)[:height, :width]
        left, top = (width - laid.shape[1]) // 2, (height - laid.shape[0]) // 2
        frame = np.array([left, top, left + laid.shape[1], top + laid.shape[0]])
        blend = below.copy()
        window = blend[frame[1] : frame[3], frame[0] : frame[2]]  # a view of the blend
        mixed = share * window + (1 - share) * laid
        window[...] = np.rint(mixed) if blend.dtype == np.uint8 else mixed
        laid_objects = cut(other.objects.transform(resizing(factor, left, top)), frame, 0.0)
        return replace(sample, image=blend, objects=Objects.concatenate([sample.objects, laid_objects]), color_matrix=None)
