"""How odd a label is: the share of right labels that differ from the model as much, as far as the data itself can tell.

Most labels of a data set are right. So the typical difference between labels and model is the model's own error, and a label that differs far
more is suspicious. A surprise is ``-log10`` of that share: at 3, one right label in a thousand looks as odd.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np

_BINS = 8  # of confidence
_FINEST = 0.5  # pixels; no label is more exact
_BEFORE, _AFTER = 0.2, 0.05  # shares of the values beyond the two points that fix the tail
_LEAST = 20  # values that a median rests on


def scales(differences: np.ndarray, confidences: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the typical difference ``(K, P)`` of each part of each object, in pixels: the median of the part (a joint, a side of the box)
    times what the model's confidence changes about it.

    Args:
        differences: ``(K, P)`` pixels, between label and model; NaN where there is nothing to compare.
        confidences: ``(K, P)`` 0..1, the model's.
        sizes: ``(K,)`` pixels; differences grow with the object.
    """
    relative = differences / sizes[:, None]
    usual = np.nanmedian(relative) if np.isfinite(relative).any() else 0.0
    there = np.isfinite(relative)
    parts = np.array([np.median(column[seen]) if seen.sum() >= _LEAST else usual for column, seen in zip(relative.T, there.T)])
    ratio = relative / np.maximum(parts, 1e-9)
    edges = np.quantile(confidences[there], np.linspace(0, 1, _BINS + 1)[1:-1]) if there.any() else np.zeros(0)
    place = np.searchsorted(edges, confidences)
    factors = np.ones(_BINS)
    for number in range(_BINS):
        values = ratio[there & (place == number)]
        factors[number] = np.median(values) if len(values) >= _LEAST else 1.0
    return np.maximum(parts * factors[place] * sizes[:, None], _FINEST)


class Tail:
    """The surprise of differences, in units of their scale.

    The largest fifth follows a power law through the quantiles of 80 and 95 %, and never falls faster than normal errors would between
    them. A few percent of wrong labels hardly change these quantiles, and the law tells how odd the largest ones are.

    Args:
        values: of all labels, any shape; NaN does not count.
    """

    def __init__(self, values: np.ndarray) -> None:
        known, shares = values[np.isfinite(values)], np.array([_BEFORE, _AFTER])
        normal = np.sqrt(np.log(shares) / np.log(0.5))  # distances whose x and y are normal (Rayleigh), in units of their median
        before, after = np.quantile(known, 1 - shares) if known.size else normal
        self.start = max(before, normal[0])
        self.power = np.log10(_BEFORE / _AFTER) / np.log10(max(after / self.start, normal[1] / normal[0]))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the surprises, 0 for NaN; below the largest fifth they grow evenly."""
        ratio = np.nan_to_num(values, posinf=np.inf) / self.start
        most = -np.log10(_BEFORE)
        return np.where(ratio < 1, most * ratio, most + self.power * np.log10(np.maximum(ratio, 1)))


def rarity(odd: Sequence[float], usual: Sequence[float]) -> np.ndarray:
    """Return the surprise of each of ``odd``: of the values at least as large, in both lists together, the share that is odd."""
    below_odd, below_usual = (np.searchsorted(np.sort(each), odd) for each in (odd, usual))
    larger, all_larger = len(odd) - below_odd, len(odd) + len(usual) - below_odd - below_usual
    return -np.log10(larger / np.maximum(all_larger, 1))


def standing(values: Sequence[float]) -> np.ndarray:
    """Return the surprise of each value: the share of all that are no larger."""
    return -np.log10(np.searchsorted(np.sort(values), values, side="right") / max(1, len(values)))
