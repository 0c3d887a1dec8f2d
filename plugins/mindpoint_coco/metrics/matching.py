"""Which detection is meant for which annotated object: object keypoint similarity and COCO's matching, image by image."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import List, Sequence

import numpy as np

from mindpoint_coco.similarity import oks


@dataclass(frozen=True)
class Group:
    """The M annotated and N found objects of one class in one image, the found ones best first.

    Attributes:
        image_id: the image.
        truth: annotation records. results: result records.
        truth_points: ``(M, J, 3)`` x, y, visibility. points: ``(N, J, 2)``. scores: ``(N,)``.
        areas: ``(M,)`` in square pixels.
        crowd: ``(M,)`` bool. ignored: ``(M,)`` bool: a crowd, or without a labelled joint.
        similarity: ``(N, M)`` object keypoint similarity, 0..1.
    """

    image_id: int
    truth: List[dict]
    results: List[dict]
    truth_points: np.ndarray
    points: np.ndarray
    scores: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    ignored: np.ndarray
    similarity: np.ndarray


def groups(truth: dict, results: Sequence[dict], image_ids: Sequence[int], category_ids: Sequence[int], sigmas: np.ndarray, most: int):
    """The :class:`Group` of each image and class that has an object of either kind, image by image; the best ``most`` results count."""
    annotated, found = defaultdict(list), defaultdict(list)
    for records, by_place in ((truth["annotations"], annotated), (results, found)):
        for record in records:
            by_place[record["image_id"], record["category_id"]].append(record)
    for image_id in image_ids:
        for category_id in category_ids:
            here = annotated[image_id, category_id], found[image_id, category_id]
            if any(here):
                yield _group(image_id, *here, sigmas, most)


def _group(image_id: int, truth: List[dict], results: List[dict], sigmas: np.ndarray, most: int) -> Group:
    order = np.argsort([-record["score"] for record in results], kind="stable")[:most]
    results = [results[place] for place in order]
    joints = len(sigmas)
    truth_points = np.array([record["keypoints"] for record in truth], np.float64).reshape(len(truth), joints, 3)
    points = np.array([record["keypoints"] for record in results], np.float64).reshape(len(results), joints, 3)[..., :2]
    areas = np.array([record["area"] for record in truth], np.float64)
    crowd = np.array([bool(record["iscrowd"]) for record in truth], bool)
    boxes = np.array([record["bbox"] for record in truth], np.float64).reshape(-1, 4)
    return Group(
        image_id=image_id,
        truth=truth,
        results=results,
        truth_points=truth_points,
        points=points,
        scores=np.array([record["score"] for record in results], np.float64),
        areas=areas,
        crowd=crowd,
        ignored=crowd | np.array([record["num_keypoints"] == 0 for record in truth], bool),
        similarity=_similarity(points, truth_points, areas, boxes, sigmas),
    )


def _similarity(points: np.ndarray, truth: np.ndarray, areas: np.ndarray, boxes: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Mean over the labelled joints; of an object without one, how far the joints lie outside of its box made twice as large."""
    labelled = truth[..., 2] > 0
    similar = oks(points[:, None], truth[None, ..., :2], areas[None], sigmas, labelled)
    low, high = boxes[:, :2] - boxes[:, 2:], boxes[:, :2] + 2 * boxes[:, 2:]
    nearest = np.clip(points[:, None], low[None, :, None], high[None, :, None])
    return np.where(labelled.any(axis=1), similar, oks(points[:, None], nearest, areas[None], sigmas))


def match(group: Group, threshold: float) -> np.ndarray:
    """``(N,)`` the annotated object that each found one takes, -1 for none, as COCO's evaluation assigns them.

    The best-scored chooses first, the most similar object of at least ``threshold`` that is free; ignored objects only where no
    other is left; crowds are never used up.
    """
    taken = np.full(len(group.results), -1)
    free = np.ones(len(group.truth), bool)
    for row, similarity in enumerate(group.similarity):
        for among in (~group.ignored, group.ignored):
            open_to = np.flatnonzero(among & (free | group.crowd) & (similarity >= threshold))
            if len(open_to):
                # of equal ones COCO takes the last
                taken[row] = open_to[len(open_to) - 1 - similarity[open_to][::-1].argmax()]
                free[taken[row]] = False
                break
    return taken
