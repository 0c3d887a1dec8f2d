"""Copy-paste augmentation: paste objects of other images."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional, Sequence, Tuple

import cv2
import numpy as np
from mindpoint.contracts.data import PoolTransform, SamplePool
from mindpoint.contracts.fields import Rasters
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.contracts.motion import laid_over

from mindpoint_coco.transforms.placing import covered, cut, hidden, resized, resizing, same_kind
from mindpoint_coco.transforms.randomly import Randomly

_TRIES = 10
_MARGIN = 0.1  # margin around a box without a mask, on each side, where the patch fades out; as a share of the box
_RIM = _MARGIN / (1 + 2 * _MARGIN)  # the margin as a share of the patch
_LEAST = 0.5  # minimum visible share of another object's box in a patch to keep the object


class CopyPaste(Randomly, PoolTransform):
    """Paste objects of random images at random positions (Ghiasi et al., 2021, https://arxiv.org/abs/2012.07177).

    If objects have masks (a field of :class:`~mindpoint.contracts.fields.Rasters` with two axes), masked pixels are pasted. Otherwise, the
    box is pasted with a margin of a tenth, which fades out towards its edges. Another object in this patch is added too, if at least half
    of its box is visible. Crowds are not pasted.

    Covered joints of this image become hidden (visibility 1). A position that would cover too much of an object is drawn
    again, up to ten times.

    Args:
        probability: probability of pasting into an image, 0..1.
        count: range of the number of pasted objects, 1..20.
        scale: range of an object's scale; at 1, its image just fits into this one; 0.05..10.
        most_covered: largest covered share of another object's box, 0..1; crowds may be covered.
    """

    before_view = True

    def __init__(
        self, probability: float = 0.3, count: Sequence[int] = (1, 3), scale: Sequence[float] = (0.5, 1.2), most_covered: float = 0.5
    ) -> None:
        super().__init__(probability)
        self.count, self.scale = self.range("count", count, 1, 20), self.range("scale", scale, 0.05, 10)
        self.most_covered = self.within("most_covered", most_covered, 0, 1)

    def change(self, sample: Sample, rng: np.random.Generator, pool: SamplePool) -> Sample:
        for _ in range(rng.integers(self.count[0], self.count[1] + 1)):
            sample = self._paste(sample, pool.draw(rng), rng)
        return sample

    def _paste(self, sample: Sample, other: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with an object of another sample pasted in; unchanged without an object or a free position."""
        below, image = same_kind([sample, other])
        (height, width), (rows, columns) = below.shape[:2], image.shape[:2]
        edge = np.array([columns, rows, columns, rows])
        boxes = np.clip(other.objects.boxes, 0, edge)
        usable = np.flatnonzero(~other.objects.crowd & (boxes[:, 2:] - boxes[:, :2] >= 2).all(axis=1))
        if not len(usable):
            return sample
        row = int(rng.choice(usable))
        mask = _mask(other.objects, row)
        margin = 0 if mask is not None else _MARGIN * np.tile(boxes[row, 2:] - boxes[row, :2], 2) * (-1, -1, 1, 1)
        patch = np.clip(boxes[row] + margin, 0, edge)
        left, top, right, bottom = (*np.floor(patch[:2]).astype(int), *np.ceil(patch[2:]).astype(int))
        factor = rng.uniform(*self.scale) * min(height / rows, width / columns)
        factor = min(factor, width / (right - left), height / (bottom - top))
        if factor * min(right - left, bottom - top) < 1:
            return sample
        pixels = resized(image[top:bottom, left:right], factor)[:height, :width]
        place = self._place(sample, pixels.shape[:2], rng)
        if place is None:
            return sample
        x, y = place
        chosen = other.objects.select([row]) if mask is not None else other.objects
        rectangle = np.array([left, top, right, bottom])
        motion = resizing(factor, x - factor * left, y - factor * top)
        pasted = cut(cut(chosen, rectangle, _LEAST).transform(motion), np.array([x, y, x + pixels.shape[1], y + pixels.shape[0]]), 0.0)
        shown = _fading(pixels.shape[:2]) if mask is None else _of_mask(mask, other.objects.boxes[row], rectangle, pixels.shape[:2])
        out = below.copy()
        window = out[y : y + pixels.shape[0], x : x + pixels.shape[1]]  # a view of the copy
        blend = shown[..., None] * pixels + (1 - shown[..., None]) * window
        window[...] = np.rint(blend) if out.dtype == np.uint8 else blend
        kept = sample.objects
        for box in pasted.boxes:
            kept = hidden(kept, box, kept)
        return replace(sample, image=out, objects=Objects.concatenate([kept, pasted]), color_matrix=None)

    def _place(self, sample: Sample, size: Tuple[int, int], rng: np.random.Generator) -> Optional[Tuple[int, int]]:
        """Return the upper left pixel of a position for a patch ``(height, width)``; None if all tries cover too much."""
        (height, width), boxes = sample.image.shape[:2], sample.objects.boxes[~sample.objects.crowd]
        for _ in range(_TRIES):
            x, y = int(rng.integers(width - size[1] + 1)), int(rng.integers(height - size[0] + 1))
            if not (covered(boxes, np.array([x, y, x + size[1], y + size[0]])) > self.most_covered).any():
                return x, y
        return None


def _mask(objects: Objects, row: int) -> Optional[np.ndarray]:
    """Return the mask of an object, ``(1, h, w)`` in 0..1; None if it is missing or empty."""
    names = [field.name for field in objects.fields if isinstance(field, Rasters) and len(field.shape) == 2]
    mask = objects.values[names[0]][row : row + 1].astype(np.float32) if names else np.zeros((1, 0, 0))
    return mask if mask.any() else None


def _of_mask(mask: np.ndarray, box: np.ndarray, rectangle: np.ndarray, size: Tuple[int, int]) -> np.ndarray:
    """Return the opacity, 0..1, of each pixel of a patch that covers a rectangle, given a mask that covers a box."""
    large = cv2.resize(mask[0], size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.clip(laid_over(large[None], box[None], rectangle[None], np.eye(3))[0], 0, 1)


def _fading(size: Tuple[int, int]) -> np.ndarray:
    """Return the opacity, 0..1, of each pixel of a patch ``(height, width)``: 1 inside, falling towards the edges."""
    down, across = (np.clip((np.minimum(np.arange(side), side - 1 - np.arange(side)) + 1) / (_RIM * side + 1), 0, 1) for side in size)
    return np.outer(down, across)
