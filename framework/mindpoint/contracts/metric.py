"""The contract of metrics, which measure the quality of detections."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from mindpoint.contracts.analysis import Analysis
from mindpoint.contracts.instances import Detections
from mindpoint.errors import ConfigError
from mindpoint.runtime.tables import table


class Metric(ABC):
    """Quality of detections against ground truth. The constructor may take ``classes``.

    Attributes:
        statistics: the names of all statistics, in their order, e.g. ``bbox/AP``, or ``bbox/AP/dog`` for a part such as a class or joint.
            Higher is better, except where :func:`lower_is_better` is true.
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

    def resampler(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> Callable[[np.ndarray], Dict[str, float]]:
        """Return a function that computes the statistics of a resample from its ``counts``, whole numbers ``(images,)``. Image
        ``image_ids[i]`` occurs ``counts[i]`` times in it. The arguments are those of :meth:`evaluate`.

        This version evaluates each resample from scratch, with copies of images, annotations and results under new ids. Override it if
        a faster way exists.
        """

        def statistics(counts: np.ndarray) -> Dict[str, float]:
            drawn = np.repeat(np.arange(len(image_ids)), counts)
            copies = {image_id: np.flatnonzero(drawn == place).tolist() for place, image_id in enumerate(image_ids)}

            def repeated(records: Sequence[dict], key: str) -> List[dict]:
                return [{**record, key: new} for record in records for new in copies.get(record[key], ())]

            annotations = [{**one, "id": n} for n, one in enumerate(repeated(ground_truth["annotations"], "image_id"), start=1)]
            truth = {**ground_truth, "images": repeated(ground_truth["images"], "id"), "annotations": annotations}
            return self.evaluate(truth, repeated(results, "image_id"), list(range(len(drawn))))

        return statistics

    def detailed(self) -> "Metric":
        """Return the metric with the statistics of each part, such as a class or joint, as well; the metric itself by default."""
        return self

    def table(self, stats: Mapping[str, float]) -> str:
        """Return the statistics as text, several lines without a newline at the end; undefined ones as ``n/a``."""
        return table(None, [(name, "n/a" if np.isnan(value) else f"{value:.4f}") for name, value in stats.items()])

    def diagnose(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> List[str]:
        """Return sentences about properties of this input that make statistics zero or undefined; may be empty."""
        return []

    def analyse(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> Analysis:
        """Return the details behind the statistics, for a report. The arguments are those of :meth:`evaluate`."""
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


def lower_is_better(statistic: str) -> bool:
    """Tell whether a statistic is an error, which falls as detections improve: its name, or the first word after its group, ends in
    ``error``, as in ``joints/mean_error/nose``."""
    return any(word.endswith("error") for word in statistic.split("/")[:2])


def gain(statistic: str, value: float) -> float:
    """Return the value of a statistic as a number that rises as detections improve: negative for an error."""
    return -value if lower_is_better(statistic) else value
