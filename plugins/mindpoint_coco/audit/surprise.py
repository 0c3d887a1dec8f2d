"""The surprise of a label, estimated from the data itself.

Most labels of a data set are correct. So the usual difference between labels and model is the model's own error, and a label that differs
far more is suspicious. The surprise of a label is ``-log10`` of the share of correct labels that differ as much: 3 means one in a thousand.
"""

from __future__ import annotations

from typing import List, Sequence, Tuple

import numpy as np

_MOST_BINS, _LEAST_IN_BIN = 10, 50  # of confidence, values
_BEFORE, _AFTER = 0.2, 0.05  # shares of the values beyond the two points that define a tail
_FINEST = 0.005  # of an object's size; labels are never more exact


class Usual:
    """The distribution of differences between labels and model, for each part of an object and level of confidence.

    Values of a part with similar confidences have a tail. It is modelled as a power law through their quantiles of 80 and 95 %
    that falls no faster than normal errors would between them. A few percent of wrong labels hardly change these quantiles, and the law
    tells how unusual the largest values are.

    Args:
        differences: ``(K, P)`` of the P parts of K objects, relative to the object's size; NaN where nothing can be compared.
        confidences: ``(K, P)`` 0..1, the model's confidence in each part.
    """

    def __init__(self, differences: np.ndarray, confidences: np.ndarray) -> None:
        self._start, self._power = np.ones(differences.shape), np.ones(differences.shape)
        for part, (column, sure) in enumerate(zip(differences.T, confidences.T)):
            known = np.isfinite(column)
            count = int(np.clip(known.sum() // _LEAST_IN_BIN, 1, _MOST_BINS))
            edges = np.quantile(sure[known], np.linspace(0, 1, count + 1)[1:-1]) if known.any() else np.zeros(0)
            place = np.searchsorted(edges, sure)
            for number in range(count):
                here = place == number
                self._start[here, part], self._power[here, part] = _tail(column[here & known])

    def surprise(self, differences: np.ndarray) -> np.ndarray:
        """Return the surprises ``(K, P)`` of ``differences``, whose rows are the objects given to the constructor; 0 for NaN. Below the
        tail they grow linearly."""
        ratio, most = np.nan_to_num(differences, posinf=np.inf) / self._start, -np.log10(_BEFORE)
        return np.where(ratio < 1, most * ratio, most + self._power * np.log10(np.maximum(ratio, 1)))


def _tail(values: np.ndarray) -> Tuple[float, float]:
    """Return the start of the tail and its exponent."""
    shares = np.array([_BEFORE, _AFTER])
    normal = np.sqrt(-2 * np.log(shares))  # the quantiles of distances whose x and y are normal (Rayleigh's distribution)
    before, after = np.quantile(values, 1 - shares) if len(values) else (0.0, 0.0)
    start = max(before, _FINEST)
    return start, np.log10(_BEFORE / _AFTER) / np.log10(max(after / start, normal[1] / normal[0]))


def among(gains: np.ndarray) -> np.ndarray:
    """Return the surprise of each gain ``(K,)`` among all gains. A gain is a difference of surprises."""
    ratios = 10.0 ** gains[:, None]
    return Usual(ratios, np.ones_like(ratios)).surprise(ratios)[:, 0]


def disagreement(scores: Sequence[float], agreeing: Sequence[float]) -> np.ndarray:
    """Return the surprise of detections that no label confirms: their share among all detections of a similar score.

    The share is fitted as a decreasing function of the score (isotonic regression by pooling adjacent violators; Ayer et al. 1955).

    Args:
        scores: scores of the detections that no label confirms.
        agreeing: scores of the detections that a label confirms.
    """
    every = np.concatenate([scores, agreeing])
    odd = np.arange(len(every)) < len(scores)
    order = np.lexsort((odd, every))  # of equal scores, those that agree first
    blocks: List[List[float]] = []  # numbers of unconfirmed and of all detections; their ratio decreases
    for value in odd[order].tolist():
        blocks.append([value, 1])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] <= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1][0] += last[0]
            blocks[-1][1] += last[1]
    shares = np.empty(len(every))
    shares[order] = np.repeat([part / total for part, total in blocks], [total for _, total in blocks]) if blocks else 0
    return -np.log10(shares[odd])


def standing(values: Sequence[float]) -> np.ndarray:
    """Return the surprise of each value: the share of values that are at most as large."""
    return -np.log10(np.searchsorted(np.sort(values), values, side="right") / max(1, len(values)))
