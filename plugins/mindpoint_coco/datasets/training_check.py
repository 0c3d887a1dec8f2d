"""Checks of the boxes of training data, as in ``data check``."""

from __future__ import annotations

import logging
from typing import Sequence

import numpy as np
from mindpoint.errors import DataError

from mindpoint_coco.datasets.rules import box_kinds, few

log = logging.getLogger("mindpoint")
_USELESS = {
    "empty box": "have an empty box",
    "box off the image": "have a box outside the image",
    "box in fractions": "have a box in fractions of the image, not in pixels",
}


def check_boxes(source: str, boxes: np.ndarray, sizes: np.ndarray, crowd: np.ndarray, ids: Sequence[int]) -> None:
    """Log objects that cannot be learnt, and boxes that do not seem to be left, top, width, height.

    Args:
        source: name of the data in messages.
        boxes: ``(N, 4)`` float64: left, top, width, height.
        sizes: ``(N, 2)``: width and height of each object's image.
        crowd: ``(N,)``, True for crowds, which are not used for training.
        ids: ids of the annotations.

    Raises:
        DataError: no usable object is left; the message says why.
    """
    kinds = {kind: found & ~crowd for kind, found in box_kinds(boxes, sizes).items()}
    total, useless = int((~crowd).sum()), np.zeros(len(boxes), bool)
    said = []
    for kind, words in _USELESS.items():
        useless |= kinds[kind]
        if kinds[kind].any():
            said.append(f"{_count(kinds[kind], total, ids, words)} and cannot be learnt")
    over = kinds["box over the edge"]
    if over.any():
        hint = "; they seem to be left, top, right, bottom" if are_corners(boxes[~crowd], sizes[~crowd], over[~crowd]) else ""
        said.append(_count(over, total, ids, "have a box that extends beyond its image") + hint)
    if said:
        text = "; ".join(said) + ". List them with 'mindpoint data check', and fix them with its option --fix"
        if total and useless.sum() == total:
            raise DataError(f"{source}: no usable object is left to train on: {text}")
        log.warning("%s: %s", source, text)


def _count(found: np.ndarray, total: int, ids: Sequence[int], words: str) -> str:
    return f"{found.sum()} of {total} objects {words} (annotations {few([ids[row] for row in np.flatnonzero(found)[:6]])})"


def are_corners(boxes: np.ndarray, sizes: np.ndarray, over: np.ndarray) -> bool:
    """Return whether the boxes as a whole seem to be corners: the second point always lies below and right of the first, and inside the
    image."""
    if not len(boxes):
        return False
    near, far = boxes[:, :2], boxes[:, 2:]
    return bool(((near >= 0) & (far > near) & (far <= sizes + 1)).all() and over.mean() > 0.2)
