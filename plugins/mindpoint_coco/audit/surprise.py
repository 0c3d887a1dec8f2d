"""The surprise of a label, estimated from the data itself.

Most labels of a data set are correct. So the usual difference between labels and model is the model's own error, and a label that differs
far more is suspicious. The surprise of a label is ``-log10`` of the share of correct labels that differ at least as much: 3 means one in a
thousand.
"""

from __future__ import annotations

from typing import Sequence, Tuple

import numpy as np

_MOST_BINS, _LEAST_IN_BIN = 10, 50  # maximum number of levels of confidence, minimum number of values in one
_BEFORE, _AFTER = 0.2, 0.05  # shares of the values above the two quantiles that define a tail
_FINEST = 0.005  # share of an object's size; labels are never more exact
_MOST_ROUNDS, _SETTLED = 500, 1e-9  # limit of the fit's iterations, and the change of the mean log-likelihood that ends it
_PRIOR = 0.01  # precision of the normal prior of the fitted weights; keeps them finite if scores separate the two groups
_MOST_LOGIT = 20.0  # limits a surprise to 8.7


class Usual:
    """The distribution of differences between labels and model, for each part of an object and level of confidence.

    The largest differences of a part at one level of confidence are its tail. The tail is modelled as a power law through the quantiles of
    80 and 95 %. It falls at most as fast as the distances of normally distributed errors between these quantiles. A few percent of wrong
    labels hardly change the quantiles, so the power law shows how unusual the largest differences are.

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
        """Return the surprises ``(K, P)`` of ``differences`` ``(K, P)``, whose rows are the objects given to the constructor.

        The surprise of NaN is 0. Below the tail, surprise grows linearly with the difference.
        """
        ratio, most = np.nan_to_num(differences, posinf=np.inf) / self._start, -np.log10(_BEFORE)
        return np.where(ratio < 1, most * ratio, most + self._power * np.log10(np.maximum(ratio, 1)))


def _tail(values: np.ndarray) -> Tuple[float, float]:
    """Return the start of the tail, the quantile of 80 % of ``values``, and the exponent of its power law."""
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
    """Return the surprises of detections that no label confirms: ``-log10`` of the share of the model's own mistakes at that score.

    A detection without a label is a mistake of the model, or its label is missing. Expectation maximisation (Dempster et al. 1977) fits
    both: the share of mistakes as a logistic function of the score's log-odds that does not increase, the share of missing labels as a
    constant. So a few missing labels hardly change the share of mistakes, and each keeps its surprise.

    Args:
        scores: scores of the detections that no label confirms, 0..1.
        agreeing: scores of the detections that a label confirms, 0..1.
    """
    every = np.clip(np.concatenate([scores, agreeing]), 1e-3, 1 - 1e-3)
    odd = np.arange(len(every)) < len(scores)
    if not odd.any():
        return np.zeros(0)
    terms = np.stack([np.ones_like(every), np.log((1 - every) / every)])  # (2, N)
    weights, missing, before = np.zeros(2), odd.mean() / 2, np.inf
    for _ in range(_MOST_ROUNDS):
        mistakes = _logistic(weights @ terms)
        either = missing + (1 - missing) * mistakes
        unlabelled = np.where(odd, missing / either, 0)  # the probability that the label is missing
        missing = unlabelled.mean()
        known = 1 - unlabelled
        slope = terms @ (odd * known - known * mistakes) - _PRIOR * weights
        curvature = (terms * (known * mistakes * (1 - mistakes))) @ terms.T + _PRIOR * np.eye(2)
        weights = weights + np.linalg.solve(curvature, slope)
        weights[1] = max(weights[1], 0)
        likelihood = np.log(np.where(odd, either, (1 - missing) * (1 - mistakes))).sum()
        if abs(likelihood - before) < _SETTLED * len(every):
            break
        before = likelihood
    return -np.log10(_logistic(weights @ terms[:, odd]))


def _logistic(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(values, -_MOST_LOGIT, _MOST_LOGIT)))


def standing(values: Sequence[float]) -> np.ndarray:
    """Return the surprise of each value: ``-log10`` of the share of values that are at most as large."""
    return -np.log10(np.searchsorted(np.sort(values), values, side="right") / max(1, len(values)))
