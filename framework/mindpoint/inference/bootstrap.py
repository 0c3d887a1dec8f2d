"""Uncertainty of statistics: the bootstrap over images, of one evaluation and of the difference of two.

Images are drawn with replacement, as many as there are, and the statistics are recomputed. The interval lies between the 2.5th and the
97.5th percentile (Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13). Objects of one image stay together, because
they are not independent. Two evaluations are given the same draws, so that the difficulty of an image cancels out of their difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Iterable, Iterator, List, Sequence, Tuple

import numpy as np

from mindpoint.contracts.analysis import Table
from mindpoint.contracts.guard import part_call
from mindpoint.contracts.metric import Metric, lower_is_better
from mindpoint.inference.evaluation import Evaluation, Track
from mindpoint.runtime.tables import table

RESAMPLES = 1000
Interval = Tuple[float, float]


@dataclass(frozen=True)
class Change:
    """A statistic of two evaluations.

    Attributes:
        name: the statistic.
        first, second: its values; NaN where undefined.
        interval: 95 % interval of ``second - first``.
    """

    name: str
    first: float
    second: float
    interval: Interval

    @property
    def difference(self) -> float:
        return self.second - self.first

    @property
    def verdict(self) -> str:
        """Return ``better`` or ``worse`` for the second evaluation if the interval does not contain 0, otherwise an empty text."""
        low, high = self.interval
        if not (low > 0 or high < 0):
            return ""
        return "worse" if (low > 0) == lower_is_better(self.name) else "better"

    @property
    def weight(self) -> float:
        """Return the size of the difference relative to its interval; 0 if undefined."""
        width = self.interval[1] - self.interval[0]
        if not math.isfinite(self.difference) or self.difference == 0:
            return 0.0
        return abs(self.difference) / width if width > 0 else math.inf


def with_intervals(evaluation: Evaluation, metric: Metric, truth: dict, resamples: int, track: Track) -> Evaluation:
    """Return the evaluation with the 95 % interval of each statistic, also in its table.

    Args:
        truth: ground truth of the evaluated data.
        track: ``track(items, total)`` shows the progress.
    """
    image_ids = evaluated_ids(evaluation, truth)
    with part_call("test.metric", metric):
        statistics = metric.resampler(truth, evaluation.results, image_ids)
        drawn = [statistics(counts) for counts in track(draws(len(image_ids), resamples), resamples)]
    intervals = {name: interval([one[name] for one in drawn]) for name in evaluation.statistics}
    whole = replace(evaluation, intervals=intervals, resamples=resamples)
    return replace(whole, table=f"{evaluation.table}\n{as_text(interval_table(whole))}")


def changes(
    first: Evaluation, second: Evaluation, metric: Metric, truth: dict, resamples: int, track: Track
) -> Tuple[List[Change], List[int]]:
    """Return the change of each statistic between two evaluations of the same data, and the ids of the images that both evaluated.

    Args:
        metric: computes statistics and resamples. The other arguments are those of :func:`with_intervals`.
    """
    there = set(evaluated_ids(first, truth))
    image_ids = [image_id for image_id in evaluated_ids(second, truth) if image_id in there]
    with part_call("test.metric", metric):
        each = [metric.resampler(truth, one.results, image_ids) for one in (first, second)]
        values = [metric.evaluate(truth, one.results, image_ids) for one in (first, second)]
        drawn = [[statistics(counts) for statistics in each] for counts in track(draws(len(image_ids), resamples), resamples)]
    names = [name for name in metric.statistics if name in values[0]]
    found = [
        Change(name, values[0][name], values[1][name], interval([after[name] - before[name] for before, after in drawn])) for name in names
    ]
    return found, image_ids


def evaluated_ids(evaluation: Evaluation, truth: dict) -> List[int]:
    """Return the ids of the images that were evaluated: those with detections, or all if the results came from a file."""
    return list(evaluation.detections) or [record["id"] for record in truth["images"]]


def draws(images: int, resamples: int) -> Iterator[np.ndarray]:
    """Yield for each resample how often each image is drawn, ``(images,)``; the draws are the same in every call."""
    rng = np.random.default_rng(0)
    for _ in range(resamples):
        yield np.bincount(rng.integers(0, images, images), minlength=images)


def interval(values: Sequence[float]) -> Interval:
    """Return the 2.5th and 97.5th percentile of the defined values; NaN if all are undefined."""
    defined = np.array(values, np.float64)
    defined = defined[~np.isnan(defined)]
    low, high = np.percentile(defined, [2.5, 97.5]).tolist() if len(defined) else (math.nan, math.nan)
    return low, high


def interval_table(evaluation: Evaluation) -> Table:
    """Return a table of the statistics with their intervals."""
    rows = [[name, said(evaluation.statistics[name]), *map(said, found)] for name, found in evaluation.intervals.items()]
    title = f"95 % intervals, {evaluation.resamples} resamples of the images"
    note = "Percentile bootstrap over images. With few images (below about 20) the intervals are too narrow."
    return Table(title, ("statistic", "value", "from", "to"), rows, note)


def change_table(found: Iterable[Change], names: Tuple[str, str], title: str, resamples: int) -> Table:
    """Return a table of the statistics of two evaluations, side by side.

    Args:
        names: names of the first and the second evaluation.
    """
    rows = [
        [one.name, said(one.first), said(one.second), said(one.difference, "+"), *(said(end, "+") for end in one.interval), one.verdict]
        for one in found
    ]
    note = (
        f"Difference: {names[1]} minus {names[0]}, with its 95 % interval: paired bootstrap, {resamples} resamples of the images. better "
        "and worse: the interval does not contain 0."
    )
    return Table(title, ("statistic", *names, "difference", "from", "to", ""), rows, note)


def as_text(shown: Table) -> str:
    """Return a table as text for the terminal."""
    return f"{shown.title}\n{table(shown.columns, shown.rows)}"


def said(value: float, sign: str = "") -> str:
    """Return a number with three decimals."""
    return "n/a" if math.isnan(value) else f"{value:{sign}.3f}"
