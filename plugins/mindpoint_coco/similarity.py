"""Object keypoint similarity as COCO defines it."""

from __future__ import annotations

from typing import Optional

import numpy as np


def joint_similarity(points: np.ndarray, truth: np.ndarray, areas: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Return ``exp(-d**2 / (2 area (2 sigma)**2))`` of each joint, 0..1.

    Args:
        points: ``(..., J, 2)``.
        truth: ``(..., J, 2)``, which broadcasts with ``points``.
        areas: ``(...)`` in square pixels.
        sigmas: ``(J,)``.
    """
    distances = ((points - truth) ** 2).sum(axis=-1)
    return np.exp(-distances / (2 * (np.asarray(areas)[..., None] + np.spacing(1)) * (2 * sigmas) ** 2))


def oks(points: np.ndarray, truth: np.ndarray, areas: np.ndarray, sigmas: np.ndarray, labelled: Optional[np.ndarray] = None) -> np.ndarray:
    """Return the object keypoint similarity ``(...)``, the mean of the joints' similarities. See also :func:`joint_similarity`.

    Args:
        labelled: ``(..., J)`` bool, the joints that count; all if not given. The similarity is 0 where it is False for every joint.
    """
    each = joint_similarity(points, truth, areas, sigmas)
    if labelled is None:
        return each.mean(axis=-1)
    return np.where(labelled, each, 0).sum(axis=-1) / np.maximum(labelled.sum(axis=-1), 1)
