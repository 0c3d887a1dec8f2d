"""Causes of lost average precision: the errors of Ronchi and Perona 2017, "Benchmarking and Error Diagnosis in Multi-Instance Pose
Estimation", and the cost of each.

Detections and annotated objects are matched at an object keypoint similarity of 0.1. Each joint of a matched detection is classified by the
nearest annotated joint. Candidates are all joints in the image with the same name or the name of the mirrored partner. With the keypoint
similarity s to the nearest joint, the detected joint is:

- good: the nearest joint is the object's own, s >= 0.85; jitter: it is the object's own, 0.5 <= s < 0.85
- inversion: the nearest joint is the mirrored partner in the same object, s >= 0.5
- swap: the nearest joint belongs to another object, s >= 0.5
- miss: s < 0.5
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, List, Sequence, Tuple

import numpy as np
from mindpoint.contracts.analysis import Kind

from mindpoint_coco.metrics.evaluator import Curves, Task, joined
from mindpoint_coco.metrics.matching import PoseGroup, match
from mindpoint_coco.similarity import joint_similarity, oks

LOCALIZED, JITTER, GOOD = 0.1, 0.5, 0.85  # minimum similarity of a near object, a near joint, and a correct joint
UNCOMPARED, RIGHT = -1, 0
JOINT_KINDS = ("miss", "swap", "inversion", "jitter")  # 1, 2, 3, 4 in arrays; the order of the paper's corrections
KINDS = {
    "miss": Kind(f"a joint away from all joints of its name and its mirrored one (similarity below {JITTER})", "#dc2626"),
    "swap": Kind("a joint placed on that of another object", "#9333ea"),
    "inversion": Kind("a joint placed on the same object's mirrored one, such as left on right", "#2563eb"),
    "jitter": Kind(f"a joint near its true position (similarity {JITTER} to {GOOD})", "#eab308"),
    "score": Kind("an object whose most similar detection does not have the highest score", "#0891b2"),
    "background": Kind(f"a detection that matches no annotated object (similarity below {LOCALIZED})", "#475569"),
    "missed": Kind("an annotated object that no detection matches", "#db2777"),
}


@dataclass(frozen=True)
class Diagnosed:
    """The objects of one class in one image, with their errors.

    Attributes:
        group: the objects.
        taken: ``(N,)`` index of the annotated object of each detection, or -1.
        kinds: ``(N, J)`` UNCOMPARED, RIGHT, or 1 plus the position in JOINT_KINDS.
        near: ``(N, J)`` keypoint similarity with the joint that the kind refers to.
    """

    group: PoseGroup
    taken: np.ndarray
    kinds: np.ndarray
    near: np.ndarray

    @property
    def compared(self) -> np.ndarray:
        """Return a mask ``(N,)`` of the detections that match an object which is not ignored."""
        return (self.taken >= 0) & ~np.append(self.group.ignored, True)[self.taken]

    @property
    def missed(self) -> np.ndarray:
        """Return a mask ``(M,)`` of the annotated objects, not ignored, that remain unmatched."""
        return self.group.missed(self.taken)

    def misordered(self) -> np.ndarray:
        """Return a mask ``(M,)`` of the annotated objects whose most similar detection does not have the highest score among their
        detections (those with a similarity of 0.5 or more)."""
        wrong = np.zeros(len(self.group.truth), bool)
        if not len(self.group.truth):
            return wrong
        best = self.group.similarity.argmax(axis=1)
        for place in np.flatnonzero(~self.group.ignored):
            rivals = np.flatnonzero((best == place) & (self.group.similarity[:, place] >= JITTER))
            wrong[place] = len(rivals) > 1 and self.group.similarity[rivals, place].argmax() != 0
        return wrong


def diagnose(group: PoseGroup, sigmas: np.ndarray, flip_index: np.ndarray) -> Diagnosed:
    """Find the errors of a group. ``flip_index``: position of each joint's mirrored partner."""
    taken = match(group, LOCALIZED)
    kinds = np.full(group.points.shape[:2], UNCOMPARED)
    near = np.zeros(group.points.shape[:2])
    for row in np.flatnonzero(taken >= 0):
        own = taken[row]
        if not group.ignored[own]:
            kinds[row], near[row] = _joint_kinds(group, row, own, sigmas, flip_index)
    return Diagnosed(group, taken, kinds, near)


def _joint_kinds(group: PoseGroup, row: int, own: int, sigmas: np.ndarray, flip_index: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    others = np.delete(np.arange(len(group.truth)), own)
    # ties go to the first: own, own mirrored, others
    rows = np.concatenate([[own], [own], others, others])
    mirrored = np.concatenate([[False], [True], np.zeros(len(others), bool), np.ones(len(others), bool)])
    truth = group.truth_points[rows]
    truth[mirrored] = truth[mirrored][:, flip_index]
    similarity = np.where(truth[..., 2] > 0, joint_similarity(group.points[row], truth[..., :2], group.areas[rows], sigmas), -1)
    nearest, best = similarity.argmax(axis=0), similarity.max(axis=0)
    kinds = np.select(
        [best < JITTER, nearest > 1, nearest == 1, best < GOOD],
        [1 + JOINT_KINDS.index(kind) for kind in ("miss", "swap", "inversion", "jitter")],
        RIGHT,
    )
    return np.where(group.truth_points[own, :, 2] > 0, kinds, UNCOMPARED), best


def corrected(diagnosed: Diagnosed, kinds: Sequence[str], sigmas: np.ndarray) -> List[dict]:
    """Return the group's results with the joint errors of these kinds corrected as in the paper: a jitter to a similarity of 0.85, a
    miss to 0.5, inversions and swaps to the similarity that they had with the wrong joint."""
    group, results = diagnosed.group, [dict(record) for record in diagnosed.group.results]
    wrong = np.isin(diagnosed.kinds, [1 + JOINT_KINDS.index(kind) for kind in kinds if kind in JOINT_KINDS])
    aim = np.where(diagnosed.kinds == 1 + JOINT_KINDS.index("jitter"), GOOD, np.maximum(diagnosed.near, JITTER))
    for row in np.flatnonzero(wrong.any(axis=1)):
        own, joints = diagnosed.taken[row], wrong[row]
        away = 2 * sigmas * np.sqrt(-2 * np.log(aim[row]) * group.areas[own])
        points = np.array(results[row]["keypoints"], np.float64).reshape(-1, 3)
        points[joints, 0] = (group.truth_points[own, :, 0] + away)[joints]
        points[joints, 1] = group.truth_points[own, joints, 1]
        results[row]["keypoints"] = points.ravel().tolist()
    if "score" in kinds:
        points = np.array([record["keypoints"] for record in results], np.float64).reshape(len(results), len(sigmas), 3)[..., :2]
        for record, score in zip(results, _best_similarity(replace(group, points=points), sigmas)):
            record["score"] = float(score)
    if "background" in kinds:
        results = [record for record, taken in zip(results, diagnosed.taken) if taken >= 0]
    return results


def _best_similarity(group: PoseGroup, sigmas: np.ndarray) -> np.ndarray:
    """Return the similarity ``(N,)`` with the most similar annotated object that is not ignored; 0 without one."""
    chosen = np.flatnonzero(~group.ignored)
    if not len(chosen):
        return np.zeros(len(group.points))
    truth = group.truth_points[chosen]
    return oks(group.points[:, None], truth[None, ..., :2], group.areas[chosen][None], sigmas, truth[..., 2] > 0).max(axis=1)


def counts(diagnosed: Sequence[Diagnosed]) -> Dict[str, int]:
    """Count the occurrences of each of KINDS: joints for the first four, objects for the others."""
    kinds = np.concatenate([one.kinds.ravel() for one in diagnosed] or [np.zeros(0)])
    found = {kind: int((kinds == 1 + place).sum()) for place, kind in enumerate(JOINT_KINDS)}
    found["score"] = sum(int(one.misordered().sum()) for one in diagnosed)
    found["background"] = sum(int((one.taken < 0).sum()) for one in diagnosed)
    found["missed"] = sum(int(one.missed.sum()) for one in diagnosed)
    return found


def impact(parts: Sequence[Tuple[Task, Sequence[Diagnosed]]]) -> List[Tuple[str, Curves, Curves]]:
    """Return, for each of KINDS, the curves after correcting only this error, and after correcting it and all kinds before it.

    Args:
        parts: the task and the groups of each set of joints.
    """
    rows, before = [], []
    for kind in KINDS:
        before.append(kind)
        alone, so_far = (joined([_curves(diagnosed, task, kinds) for task, diagnosed in parts]) for kinds in ([kind], before))
        rows.append((kind, alone, so_far))
    return rows


def _curves(diagnosed: Sequence[Diagnosed], task: Task, kinds: Sequence[str]) -> Curves:
    results = [record for one in diagnosed for record in corrected(one, kinds, task.sigmas)]
    truth = task.truth
    if "missed" in kinds:
        lost = {record["id"] for one in diagnosed for record, gone in zip(one.group.truth, one.missed) if gone}
        truth = {**truth, "annotations": [record for record in truth["annotations"] if record["id"] not in lost]}
    return task.curves("keypoints", results, truth)
