"""COCO's precision and recall on resampled images, for bootstrap intervals.

Objects are matched once. A resample then only sums up the matches. Each image counts as often as it is drawn, which gives the
same numbers as COCO's evaluation of a data set with copies of these images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, List, Sequence

import numpy as np

from mindpoint_coco.metrics.evaluator import Curves, Task


@dataclass(frozen=True)
class _Matched:
    """The D detections of one class and range of area, best first, at T thresholds.

    Attributes:
        images: ``(D,)`` position of the image.
        ranks: ``(D,)`` rank among the detections of the image.
        right, wrong: ``(T, D)`` bool; both False for ignored ones.
        wanted: ``(images,)`` number of annotated objects that count.
    """

    images: np.ndarray
    ranks: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    wanted: np.ndarray


def resampler(task: Task, kind: str, results: Sequence[dict]) -> Callable[[np.ndarray], Curves]:
    """Match all objects, and return a function that computes the curves, given how often each image counts ``(images,)``.

    Args:
        kind: ``keypoints`` or ``bbox``.
        results: result records of known images.
    """
    run = task.matched(kind, results)
    params = run.params
    place = {image_id: number for number, image_id in enumerate(task.image_ids)}
    shape = len(params.catIds), len(params.areaRng), len(params.imgIds)
    cells = np.empty(shape, object)
    cells.flat[:] = run.evalImgs
    matched = [[_matched(cells[k, a], len(params.iouThrs), place) for a in range(shape[1])] for k in range(shape[0])]

    def curves(counts: np.ndarray) -> Curves:
        most, levels = params.maxDets, params.recThrs
        precision = -np.ones((len(params.iouThrs), len(levels), *shape[:2], len(most)))
        recall = -np.ones((len(params.iouThrs), *shape[:2], len(most)))
        for k, row in enumerate(matched):
            for a, cell in enumerate(row):
                for m, number in enumerate(most):
                    _fill(precision[:, :, k, a, m], recall[:, k, a, m], cell, counts, number, levels)
        category_ids = [int(category_id) for category_id in params.catIds]
        return Curves(precision, recall, params.iouThrs, levels, params.areaRngLbl, most, category_ids)

    return curves


def _matched(images: Sequence[dict], thresholds: int, place: dict) -> _Matched:
    """Join pycocotools' outcomes of single images. The outcome of an image with neither objects nor detections is None."""
    found: List[dict] = [one for one in images if one is not None]
    wanted = np.zeros(len(place))
    for one in found:
        wanted[place[one["image_id"]]] = np.count_nonzero(np.asarray(one["gtIgnore"]) == 0)
    scores = np.concatenate([one["dtScores"] for one in found] or [np.zeros(0)])
    order = np.argsort(-scores, kind="mergesort")  # as COCO's evaluation does

    def joined(key: str) -> np.ndarray:
        return np.concatenate([one[key] for one in found] or [np.zeros((thresholds, 0))], axis=1)[:, order].astype(bool)

    right, ignored = joined("dtMatches"), joined("dtIgnore")
    rows = [np.full(len(one["dtScores"]), place[one["image_id"]]) for one in found] or [np.zeros(0, int)]
    ranks = [np.arange(len(one["dtScores"])) for one in found] or [np.zeros(0, int)]
    return _Matched(np.concatenate(rows)[order], np.concatenate(ranks)[order], right & ~ignored, ~right & ~ignored, wanted)


def _fill(precision: np.ndarray, recall: np.ndarray, matched: _Matched, counts: np.ndarray, most: int, levels: np.ndarray) -> None:
    """Write precision ``(T, levels)`` and recall ``(T,)``; they stay -1 without objects that count."""
    wanted = float((matched.wanted * counts).sum())
    if not wanted:
        return
    chosen = (matched.ranks < most) & (counts[matched.images] > 0)
    weights = counts[matched.images[chosen]]
    right = np.cumsum(matched.right[:, chosen] * weights, axis=1)
    wrong = np.cumsum(matched.wrong[:, chosen] * weights, axis=1)
    reached = right / wanted
    recall[:] = reached[:, -1] if reached.shape[1] else 0
    best = np.maximum.accumulate((right / (right + wrong + np.spacing(1)))[:, ::-1], axis=1)[:, ::-1]
    for row, at in enumerate(np.searchsorted(one, levels) for one in reached):
        precision[row] = np.append(best[row], 0.0)[at]
