"""Estimates of sigmas, the tolerances of object keypoint similarity, from two sets of positions of the same joints.

COCO defines the sigma of a joint by ``sigma**2 = E[d**2 / s**2]``, with d the distance between a person's mark and the true position and s
the root of the object's area. Similarity then falls as ``exp(-d**2 / (2 s**2 k**2))`` with ``k = 2 sigma`` (cocodataset.org, "Keypoint
Evaluation"). d is a distance in the plane: if the errors in x and y are independent with standard deviation e, ``E[d**2] = 2 e**2``.

- If two people mark independently, the squared distance between their marks is on average twice the squared distance of either to the true
  position.
- The mean squared distance between a model's positions and marks is the sum of the model's and the marks' squared distances to the true
  position. So it is an upper bound, which grows with the model's errors.

The robust estimate uses the median of ``d**2 / s**2``, divided by ln 2, instead of the mean. For normal errors both agree, since
d**2 is then exponentially distributed; swapped sides and other gross mistakes hardly change it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

import numpy as np

from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics.distances import belonging, distances
from mindpoint_coco.metrics.matching import pose_groups


@dataclass(frozen=True)
class Tolerances:
    """Estimates for J joints; NaN for a joint without a pair.

    Attributes:
        pairs: ``(J,)`` number of instances in both sets.
        pixels, sigmas: ``(J,)`` root mean square of d, and of d / s, for a single mark.
        robust_pixels, robust_sigmas: ``(J,)`` the same, estimated from medians.
    """

    pairs: np.ndarray
    pixels: np.ndarray
    robust_pixels: np.ndarray
    sigmas: np.ndarray
    robust_sigmas: np.ndarray


def offsets(truth: dict, others: Sequence[dict], classes: Sequence[str], keypoints: Keypoints) -> Tuple[np.ndarray, np.ndarray]:
    """Return the distance ``(M, J)`` in pixels between the two positions of each joint of M annotated objects, NaN where either is missing,
    and the root ``(M,)`` of each object's area in pixels.

    Args:
        truth: a COCO dictionary with complete annotations.
        others: result records; objects are matched as in :mod:`mindpoint_coco.metrics.distances`.
        classes: names of the categories that count.
    """
    image_ids = [record["id"] for record in truth["images"]]
    category_ids = [record["id"] for record in truth["categories"] if record["name"] in classes]
    apart, roots = [np.zeros((0, len(keypoints)))], [np.zeros(0)]
    for group in pose_groups(truth, others, image_ids, category_ids, keypoints.sigmas, max(1, len(others))):
        counted = ~group.ignored
        found = distances(group, belonging(group))
        apart.append(np.where(group.truth_points[..., 2] > 0, found, np.nan)[counted])
        roots.append(np.sqrt(group.areas[counted]))
    return np.concatenate(apart), np.concatenate(roots)


def tolerances(apart: np.ndarray, roots: np.ndarray, keypoints: Keypoints, marks: int) -> Tolerances:
    """Return the estimates; both joints of a mirrored pair are pooled.

    Args:
        apart, roots: the results of :func:`offsets`.
        marks: 2 if people marked both positions, 1 if one is a model's.
    """
    columns = []
    for joint, partner in enumerate(keypoints.flip_index):
        chosen = apart[:, sorted({joint, int(partner)})]
        there = ~np.isnan(chosen)
        squares = chosen[there] ** 2 / marks
        shares = (chosen / roots[:, None])[there] ** 2 / marks
        columns.append([np.count_nonzero(~np.isnan(apart[:, joint])), *_roots(squares), *_roots(shares)])
    return Tolerances(*np.array(columns).T)


def _roots(squares: np.ndarray) -> Tuple[float, float]:
    """Return the square roots of the mean and of its robust estimate."""
    if not len(squares):
        return float("nan"), float("nan")
    return float(np.sqrt(squares.mean())), float(np.sqrt(np.median(squares) / np.log(2)))
