"""Matching of detections to annotated objects as in COCO's evaluation, image by image."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Dict, Iterator, List, Sequence, Tuple

import numpy as np
from faster_coco_eval.core import mask

from mindpoint_coco.similarity import oks


@dataclass(frozen=True)
class Group:
    """The M annotated objects and N detections of one class in one image, best detections first.

    Attributes:
        image_id: the image. category_id: the class.
        truth: annotation records. results: result records.
        scores: ``(N,)``.
        crowd: ``(M,)`` bool.
        ignored: ``(M,)`` bool: does not count, such as a crowd.
        similarity: ``(N, M)``, 0..1: intersection over union of boxes, or object keypoint similarity.
    """

    image_id: int
    category_id: int
    truth: List[dict]
    results: List[dict]
    scores: np.ndarray
    crowd: np.ndarray
    ignored: np.ndarray
    similarity: np.ndarray

    def missed(self, taken: np.ndarray) -> np.ndarray:
        """Return a mask ``(M,)`` of the annotated objects, not ignored, that remain unmatched.

        Args:
            taken: ``(N,)`` index of the annotated object of each detection, or -1.
        """
        return ~self.ignored & ~np.isin(np.arange(len(self.truth)), taken)


@dataclass(frozen=True)
class PoseGroup(Group):
    """A group with joints; objects without a labelled joint are ignored.

    Attributes:
        truth_points: ``(M, J, 3)`` x, y, visibility. points: ``(N, J, 2)``.
        areas: ``(M,)`` in square pixels.
    """

    truth_points: np.ndarray
    points: np.ndarray
    areas: np.ndarray


def pose_groups(
    truth: dict, results: Sequence[dict], image_ids: Sequence[int], category_ids: Sequence[int], sigmas: np.ndarray, most: int
) -> Iterator[PoseGroup]:
    """Yield the group of each image and class with annotated objects or detections, image by image.

    Args:
        sigmas: ``(J,)`` tolerances of the joints.
        most: maximum number of results per image and class; only the best ones count.
    """
    for common in _common(truth, results, image_ids, category_ids, most):
        yield _with_poses(common, sigmas)


def box_groups(truth: dict, results: Sequence[dict], image_ids: Sequence[int], category_ids: Sequence[int], most: int) -> Iterator[Group]:
    """Yield the groups for boxes. The similarity with a crowd is the intersection over the area of the detected box, as in COCO's
    evaluation."""
    for common in _common(truth, results, image_ids, category_ids, most):
        overlap = overlaps(common["results"], common["truth"], common["crowd"])
        yield Group(**common, ignored=common["crowd"], similarity=overlap)


def overlaps(results: Sequence[dict], truth: Sequence[dict], crowd: np.ndarray) -> np.ndarray:
    """Return the intersections over union ``(N, M)`` of the boxes of records."""
    if not len(results) or not len(truth):
        return np.zeros((len(results), len(truth)))
    boxes = ([[float(value) for value in record["bbox"]] for record in records] for records in (results, truth))
    return np.asarray(mask.iou(*boxes, crowd.astype(int).tolist()), np.float64).reshape(len(results), len(truth))


def _common(truth: dict, results: Sequence[dict], image_ids: Sequence[int], category_ids: Sequence[int], most: int) -> Iterator[dict]:
    annotated: Dict[Tuple[int, int], List[dict]] = defaultdict(list)
    found: Dict[Tuple[int, int], List[dict]] = defaultdict(list)
    for records, by_place in ((truth["annotations"], annotated), (results, found)):
        for record in records:
            by_place[record["image_id"], record["category_id"]].append(record)
    for image_id in image_ids:
        for category_id in category_ids:
            objects, best = annotated.get((image_id, category_id), []), found.get((image_id, category_id), [])
            if objects or best:
                best = [best[place] for place in np.argsort([-record["score"] for record in best], kind="stable")[:most]]
                yield {
                    "image_id": image_id,
                    "category_id": category_id,
                    "truth": objects,
                    "results": best,
                    "scores": np.array([record["score"] for record in best], np.float64),
                    "crowd": np.array([bool(record["iscrowd"]) for record in objects], bool),
                }


def _with_poses(common: dict, sigmas: np.ndarray) -> PoseGroup:
    truth, results, joints = common["truth"], common["results"], len(sigmas)
    truth_points = np.array([record["keypoints"] for record in truth], np.float64).reshape(len(truth), joints, 3)
    points = np.array([record["keypoints"] for record in results], np.float64).reshape(len(results), joints, 3)[..., :2]
    areas = np.array([record["area"] for record in truth], np.float64)
    boxes = np.array([record["bbox"] for record in truth], np.float64).reshape(-1, 4)
    return PoseGroup(
        **common,
        ignored=common["crowd"] | np.array([record["num_keypoints"] == 0 for record in truth], bool),
        similarity=_similarity(points, truth_points, areas, boxes, sigmas),
        truth_points=truth_points,
        points=points,
        areas=areas,
    )


def _similarity(points: np.ndarray, truth: np.ndarray, areas: np.ndarray, boxes: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Return the keypoint similarity. For an object without labelled joints, it depends on the joints' distances to the box, extended by
    its own width and height on every side."""
    labelled = truth[..., 2] > 0
    similar = oks(points[:, None], truth[None, ..., :2], areas[None], sigmas, labelled)
    low, high = boxes[:, :2] - boxes[:, 2:], boxes[:, :2] + 2 * boxes[:, 2:]
    nearest = np.clip(points[:, None], low[None, :, None], high[None, :, None])
    return np.where(labelled.any(axis=1), similar, oks(points[:, None], nearest, areas[None], sigmas))


def match(group: Group, threshold: float) -> np.ndarray:
    """Return the index ``(N,)`` of the annotated object that each detection matches, or -1, as in COCO's evaluation.

    In order of score, each detection takes the free object with the highest similarity of at least ``threshold``. It takes an ignored
    object only if no other such object is free. Crowds can be taken repeatedly.
    """
    taken = np.full(len(group.results), -1)
    free = np.ones(len(group.truth), bool)
    for row, similarity in enumerate(group.similarity):
        for among in (~group.ignored, group.ignored):
            open_to = np.flatnonzero(among & (free | group.crowd) & (similarity >= threshold))
            if len(open_to):
                # COCO takes the last of equally similar objects
                taken[row] = open_to[len(open_to) - 1 - similarity[open_to][::-1].argmax()]
                free[taken[row]] = False
                break
    return taken
