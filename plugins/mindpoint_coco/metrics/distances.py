"""Distances between annotated and detected joints in pixels, and their measures: PCK, its area, mean and median errors.

A detection belongs to an annotated object of its class if the object keypoint similarity or the intersection over union of their boxes
is 0.5 or more. As in COCO's evaluation, detections choose in the order of their scores. Each takes the most similar free object, by the
larger of the two numbers; only the best ``max_detections`` of an image and class take part. Boxes are used so that an object that is
detected with all joints in wrong places, such as head and tail swapped, is an error and not a missed object. Crowds, objects without a
labelled joint, and detections that belong to no object are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, Iterator, List, Sequence

import numpy as np
from mindpoint.contracts.analysis import Chart, Line, Table

from mindpoint_coco.metrics.joint_sets import PoseTask
from mindpoint_coco.metrics.lengths import Length
from mindpoint_coco.metrics.matching import PoseGroup, match, overlaps, pose_groups

FOUND = 0.5
"""Minimum similarity or overlap of a detection that belongs to an object."""


@dataclass(frozen=True)
class JointErrors:
    """The labelled joints of all annotated objects that count, N of them.

    Attributes:
        images: ``(N,)`` position of the image among the evaluated ones.
        joints: ``(N,)`` index of the joint.
        errors: ``(N,)`` distance to the detected joint in pixels of the image; NaN if the object or the joint is missed.
        lengths: ``(N,)`` length of the object in pixels, NaN where it is undefined.
    """

    images: np.ndarray
    joints: np.ndarray
    errors: np.ndarray
    lengths: np.ndarray

    def select(self, rows: np.ndarray) -> "JointErrors":
        """Return the joints in these rows, in their order."""
        return JointErrors(self.images[rows], self.joints[rows], self.errors[rows], self.lengths[rows])


@dataclass(frozen=True)
class Measures:
    """Measures of the distances of joints.

    With the distance e of a joint and the length L of its object, and labelled joints of missed objects counted as wrong:

    - ``PCK@a``: share of joints with e <= a L (Yang and Ramanan 2013); ``PCKh@a`` where L is the head (Andriluka et al. 2014)
    - ``AUC``: area under PCK over thresholds from 0 to the largest a, as a share: the mean of max(0, 1 - e / (a L))
    - ``mean_error``, ``median_error``: mean and median of e in pixels of the image, over the joints of detected objects
    - ``normalised_error``: mean of e / L over these joints
    - ``found``: share of the joints whose object is detected

    Joints of objects whose L is undefined are left out of PCK, AUC and ``normalised_error``.

    Attributes:
        lengths: give L, one for each set of joints.
        shares: thresholds a, ascending.
        names: names of all joints.
    """

    lengths: Sequence[Length]
    shares: Sequence[float]
    names: Sequence[str]

    @property
    def statistics(self) -> List[str]:
        """Return the names of the measures."""
        return [*(f"{self._pck}@{share:g}" for share in self.shares), "AUC", "mean_error", "median_error", "normalised_error", "found"]

    @property
    def _pck(self) -> str:
        return "PCKh" if self.lengths[0].said == "head" else "PCK"

    @property
    def _of_lengths(self) -> str:
        return " or ".join(dict.fromkeys(length.text for length in self.lengths))

    @property
    def text(self) -> str:
        """Return an explanation of the numbers in one line."""
        shares = ", ".join(f"{share:g}" for share in self.shares)
        return f"errors in pixels of the image; a joint is correct within {shares} of {self._of_lengths}"

    def errors(self, tasks: Sequence[PoseTask], results: Sequence[dict]) -> JointErrors:
        """Return the distances of all joints, the smallest first. Results of unknown images must be removed before.

        Args:
            tasks: one for each set of joints.
        """
        parts = [part for one, length in zip(tasks, self.lengths) for part in self._of_set(one, length, results)]
        values = (np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0)]) for name in JointErrors.__dataclass_fields__)
        images, joints, errors, lengths = values
        every = JointErrors(images.astype(int), joints.astype(int), errors, lengths)
        return every.select(np.argsort(errors, kind="stable"))

    def _of_set(self, one: PoseTask, length: Length, results: Sequence[dict]) -> Iterator[JointErrors]:
        task = one.task
        place = {image_id: number for number, image_id in enumerate(task.image_ids)}
        for group in pose_groups(task.truth, results, task.image_ids, task.category_ids, task.sigmas, task.max_detections):
            objects, joints = np.nonzero((group.truth_points[..., 2] > 0) & ~group.ignored[:, None])
            boxes = np.array([record["bbox"] for record in group.truth], np.float64).reshape(-1, 4)
            lengths = length(group.truth_points, boxes, group.areas)
            errors = distances(group, belonging(group))[objects, joints]
            images = np.full(len(objects), place[group.image_id])
            yield JointErrors(images, np.array(one.places, int)[joints], errors, lengths[objects])

    def values(self, joints: JointErrors, counts: np.ndarray) -> Dict[str, float]:
        """Return the measures by name; NaN where undefined.

        Args:
            joints: sorted by their errors.
            counts: ``(images,)`` how often each image counts.
        """
        weights = counts[joints.images]
        there, sized = ~np.isnan(joints.errors), ~np.isnan(joints.lengths)
        relative = np.where(there & sized, joints.errors / joints.lengths, np.inf)
        within = {f"{self._pck}@{share:g}": _mean(relative <= share, weights * sized) for share in self.shares}
        return {
            **within,
            "AUC": _mean(np.maximum(0, 1 - relative / self.shares[-1]), weights * sized),
            "mean_error": _mean(joints.errors, weights * there),
            "median_error": _median(joints.errors, weights * there),
            "normalised_error": _mean(relative, weights * (there & sized)),
            "found": _mean(there, weights),
        }

    def of_each(self, joints: JointErrors) -> Dict[str, JointErrors]:
        """Return the distances of each joint by its name."""
        return {name: joints.select(np.flatnonzero(joints.joints == joint)) for joint, name in enumerate(self.names)}

    def table(self, joints: JointErrors, images: int) -> Table:
        """Return the measures of each joint and of all."""
        rows = []
        for name, chosen in {**self.of_each(joints), "all joints": joints}.items():
            values = self.values(chosen, np.ones(images, int))
            rows.append([name, len(chosen.errors), *(_cell(key, value) for key, value in values.items())])
        note = (
            f"Distances of labelled joints to detected ones: {self.text}. A detection belongs to an object if their keypoint similarity "
            f"or the overlap of their boxes is {FOUND} or more; joints of missed objects count as wrong in PCK and AUC, and not in the "
            "errors. Sources: Yang and Ramanan 2013 (PCK), Andriluka et al. 2014 (PCKh)."
        )
        return Table("Distances of joints", ("joint", "labelled", *self.statistics), rows, note)

    def chart(self, joints: JointErrors, images: int) -> Chart:
        """Return PCK over its threshold, from 0 to 1 of the length."""
        shares, counts = np.linspace(0, 1, 101), np.ones(images, int)
        every = replace(self, shares=shares.tolist())
        line = Line("all joints", shares.tolist(), list(every.values(joints, counts).values())[: len(shares)])
        return Chart(f"{self._pck} over its threshold", "threshold", self._pck, [line], f"The threshold is a share of {self._of_lengths}.")


def belonging(group: PoseGroup) -> np.ndarray:
    """Return the index ``(N,)`` of the annotated object that each detection belongs to, or -1."""
    similarity = group.similarity
    if all("bbox" in record for record in group.results):
        similarity = np.maximum(similarity, overlaps(group.results, group.truth, group.crowd))
    return match(replace(group, similarity=similarity), FOUND)


def distances(group: PoseGroup, taken: np.ndarray) -> np.ndarray:
    """Return the distance ``(M, J)`` in pixels of each annotated joint to the same joint of its object's detection; NaN where the
    object is missed, or where a result has x, y, v of 0, which means that the joint was not detected.

    Args:
        taken: the result of :func:`belonging`.
    """
    points = np.full((*group.truth_points.shape[:2], 2), np.nan)
    rows = np.flatnonzero(taken >= 0)
    points[taken[rows]] = group.points[rows]
    for row in rows:
        flat = np.array(group.results[row]["keypoints"], np.float64).reshape(-1, 3)
        points[taken[row], ~flat.any(axis=1)] = np.nan
    return np.linalg.norm(points - group.truth_points[..., :2], axis=-1)


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the mean of the values with positive weight; NaN without any."""
    chosen = weights > 0
    return float(np.average(values[chosen], weights=weights[chosen])) if chosen.any() else float("nan")


def _median(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the median of ascending values with whole numbers as weights; NaN without any."""
    reached = np.cumsum(weights)
    if not len(reached) or not reached[-1]:
        return float("nan")
    middle = np.searchsorted(reached, [(reached[-1] - 1) // 2, reached[-1] // 2], side="right")
    return float(values[middle].mean())


def _cell(name: str, value: float) -> object:
    """Return a share as a number and a distance as text, since tables draw numbers as bars."""
    return ("n/a" if np.isnan(value) else f"{value:.3g}") if name.endswith("error") else value
