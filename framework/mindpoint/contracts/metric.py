"""The contract of metrics, which measure the quality of detections."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from mindpoint.contracts.analysis import Analysis
from mindpoint.contracts.instances import Detections
from mindpoint.errors import ConfigError


class Metric(ABC):
    """Quality of detections against ground truth. The constructor may name ``classes``.

    Attributes:
        statistics: the names of all statistics, in their order, e.g. ``bbox/AP``.
        main: the default statistic for choosing the best checkpoint; higher is better.
    """

    statistics: Sequence[str]
    main: str

    @abstractmethod
    def results(self, detections: Mapping[int, Detections], ground_truth: Optional[dict] = None) -> List[dict]:
        """Return detections by image id as a list of result records in COCO's format, ready for ``json.dump``.

        ``category_id`` is the id that ``ground_truth`` gives to the class name; without ground truth it is the label plus 1.

        Raises:
            DataError: the ground truth lacks a category of that class.
        """

    @abstractmethod
    def evaluate(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> Dict[str, float]:
        """Return all of :attr:`statistics` for the given images; NaN where undefined. Must accept empty results."""

    def table(self, stats: Mapping[str, float]) -> str:
        """Return the statistics as text, several lines without a newline at the end; undefined ones as ``n/a``."""
        width = max(map(len, stats), default=0)
        return "\n".join(f"{name:<{width}}  {'n/a' if np.isnan(value) else format(value, '.4f')}" for name, value in stats.items())

    def diagnose(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> List[str]:
        """Return sentences about properties of this input that make statistics zero or undefined; empty without any."""
        return []

    def analyse(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> Analysis:
        """Return the details behind the statistics, for a report; arguments as in :meth:`evaluate`."""
        return Analysis()

    def read_results(self, path: str, ground_truth: dict) -> List[dict]:
        """Return the records of a result file in the form of :meth:`results`. Raises DataError with file and record for invalid ones."""
        raise ConfigError(f"{type(self).__name__} cannot read result files")

    def submission(self, results: Sequence[dict], data: str) -> Tuple[str, List[dict]]:
        """Return the file name and the records in the form that an evaluation server expects.

        Args:
            data: name of the data set, see :attr:`Dataset.name`.
        """
        return "results.json", list(results)
