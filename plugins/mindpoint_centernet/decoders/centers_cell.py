"""The common part of CenterNet's decoders as a MindSpore cell, for exported files that include decoding.

The steps are those of :mod:`mindpoint_centernet.decoders.centers`. Symbols: B images, C channels, N detections.
"""

from __future__ import annotations

from typing import Sequence

import mindspore as ms
from mindspore import nn, ops


class CenterCell(nn.Cell):
    """``construct(*maps) -> (boxes (B, N, 4), scores (B, N), labels (B, N) int64)``.

    Boxes are x1, y1, x2, y2 in pixels of the network's input. Rows after an image's last detection have score 0.

    Args:
        maps: names of the raw maps, in order.
        activated: names of the maps to which a sigmoid is applied.
        top_k: the number of detections N, which is smaller only if the heatmap has fewer values.
        class_sizes: whether ``wh`` has two channels per class.
        stride: input pixels per pixel of the maps.
    """

    def __init__(self, maps: Sequence[str], activated: Sequence[str], top_k: int, class_sizes: bool, stride: int):
        super().__init__()
        self.names, self.activated, self.top_k = tuple(maps), tuple(activated), top_k
        self.class_sizes, self.stride = class_sizes, float(stride)
        self.highest = nn.MaxPool2d(3, 1, pad_mode="same")

    def active(self, maps):
        """Return the maps by name, with a sigmoid applied to the activated ones."""
        named = {}
        for index, name in enumerate(self.names):
            named[name] = sigmoid(maps[index]) if name in self.activated else maps[index]
        return named

    def peaks(self, heat, groups, absent):
        """Return the highest local maxima of each of ``groups`` equal groups of channels, best first.

        Maxima of equal score are ordered by channel, row and column. Entries after the last maximum have the score ``absent``.

        Returns:
            Scores, channels within the group, and places (flat indices row * W + column), each (B, groups, N); pixels x, y
            (B, groups, N, 2).
        """
        _, channels, height, width = heat.shape
        size = channels // groups * height * width
        flat = ops.reshape(ops.where(heat == self.highest(heat), heat, absent), (-1, groups, size))
        scores, found = in_order(*ops.topk(flat, min(self.top_k, size)))
        places = found % (height * width)
        pixels = ops.stack((places % width, places // width), 3).astype(ms.float32)
        return scores, found // (height * width), places, pixels

    def centers(self, maps):
        """Return top left and bottom right corners (B, N, 2) in pixels of the maps; scores, labels and places (B, N); pixels (B, N, 2)."""
        scores, labels, places, pixels = self.peaks(maps["hm"], 1, 0.0)
        scores, labels, places, pixels = scores[:, 0], labels[:, 0], places[:, 0], pixels[:, 0]
        if "hm" not in self.activated:  # after training with squared error, scores may leave 0..1
            scores = ops.clamp(scores, 0.0, 1.0)
        sizes = at(maps["wh"], places)
        if self.class_sizes:
            across = ops.gather_elements(sizes, 2, ops.expand_dims(2 * labels, 2))
            down = ops.gather_elements(sizes, 2, ops.expand_dims(2 * labels + 1, 2))
            sizes = ops.concat((across, down), 2)
        middles = pixels + (at(maps["reg"], places) if "reg" in self.names else 0.5)
        return middles - sizes / 2, middles + sizes / 2, scores, labels, places, pixels

    def boxes(self, first, last):
        return ops.concat((first, last), 2) * self.stride

    def construct(self, *maps):
        first, last, scores, labels, _, _ = self.centers(self.active(maps))
        return self.boxes(first, last), scores, labels.astype(ms.int64)


def in_order(scores, indices):
    """Sort scores and indices (..., N) of ``topk`` by falling score, and equal scores, which it orders arbitrarily, by rising index."""
    one, other = ops.expand_dims(scores, -1), ops.expand_dims(scores, -2)
    lower = ops.expand_dims(indices, -1) > ops.expand_dims(indices, -2)
    ranks = ops.logical_or(other > one, ops.logical_and(other == one, lower)).astype(ms.float32).sum(-1)
    _, order = ops.topk(-ranks, scores.shape[-1])
    return ops.gather_elements(scores, -1, order), ops.gather_elements(indices, -1, order)


def sigmoid(values):
    """Return ``1 / (1 + exp(-x))``, computed as in the NumPy decoder."""
    return 1 / (1 + ops.exp(ops.minimum(-values, 88.0)))


def at(values, places):
    """Return the values (B, N, C) of a map (B, C, H, W) at the flat indices ``places`` (B, N)."""
    _, channels, height, width = values.shape
    index = ops.tile(ops.expand_dims(places, 1), (1, channels, 1))
    return ops.transpose(ops.gather_elements(ops.reshape(values, (-1, channels, height * width)), 2, index), (0, 2, 1))
