"""Detection in a whole data set, and its evaluation."""

from __future__ import annotations

import itertools
import json
import logging
import math
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from mindpoint.contracts.data import Dataset
from mindpoint.contracts.guard import mistake, part_call
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.metric import Metric
from mindpoint.data.build import build_dataset, build_metric
from mindpoint.errors import DataError
from mindpoint.inference.detector import Detector
from mindpoint.inference.open import AUTO, open_model
from mindpoint.runtime import distributed
from mindpoint.storage.files import atomic_write, write_text

log = logging.getLogger("mindpoint")
_SHOWN = 3  # messages of images that cannot be read


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation.

    Attributes:
        data: description of the evaluated data.
        statistics: values by name, e.g. ``bbox/AP``; NaN where undefined.
        detections: detections by image id; empty if the results came from a file.
        results: the detections as COCO result records.
        notes: sentences on possible problems.
        table: the statistics as text, followed by the notes.
        intervals: 95 % interval of each statistic; empty unless requested, see :mod:`mindpoint.inference.bootstrap`.
        resamples: number of resamples behind the intervals.
    """

    data: str
    statistics: Dict[str, float]
    detections: Dict[int, Detections]
    results: List[dict]
    notes: List[str]
    table: str
    intervals: Dict[str, Tuple[float, float]] = field(default_factory=dict)
    resamples: int = 0


Track = Callable[[Iterable, int], Iterable]


@dataclass(frozen=True)
class Found:
    """The detections in a data set.

    Attributes:
        detections: detections by image id, in the order of the data set.
        unreadable: the error of each image that could not be read; these have no detections.
    """

    detections: Dict[int, Detections]
    unreadable: List[str]


def detect_all(detector: Detector, dataset: Dataset, track: Track) -> Found:
    """Detect in every image that can be read. ``track(iterable, total)`` shows the progress over images.

    Several processes share the images. In the end each has the detections of all.

    Raises:
        DataError: no image can be read.
    """
    own = range(distributed.rank(), len(dataset), distributed.size())
    found: List[Tuple[int, int, Detections]] = []  # index, image id, detections
    unreadable: List[Tuple[int, str]] = []
    waiting: List[Tuple[int, Sample]] = []
    for index in track(own, len(own)):
        try:
            with part_call("the data set", dataset):
                waiting.append((index, dataset[index]))
        except DataError as error:
            log.warning("image skipped in the evaluation: %s", error)
            unreadable.append((index, str(error)))
        if waiting and (len(waiting) == detector.settings.batch_size or index == own[-1]):
            every = detector([sample for _, sample in waiting])
            found += [(index, sample.image_id, detections) for (index, sample), detections in zip(waiting, every)]
            waiting = []
    entries = sorted(itertools.chain(*distributed.gather(found)), key=lambda entry: entry[0])
    reasons = [reason for _, reason in sorted(itertools.chain(*distributed.gather(unreadable)))]
    if reasons and not entries:
        raise DataError(f"{dataset}: none of its images can be read; the first error: {reasons[0]}")
    return Found({image_id: detections for _, image_id, detections in entries}, reasons)


def evaluate(detector: Detector, dataset: Dataset, metric: Metric, track: Track) -> Evaluation:
    """Detect in every image of a data set and compare with its ground truth; unreadable images are skipped, and a note reports
    them."""
    found = detect_all(detector, dataset, track)
    truth = dataset.ground_truth()
    with part_call("test.metric", metric):
        results = metric.results(found.detections, truth)
    notes = []
    if found.unreadable:
        count = len(found.unreadable)
        notes = [f"{count} of {len(dataset)} images could not be read and are not evaluated: {'; '.join(found.unreadable[:_SHOWN])}"]
    return _measured(str(dataset), metric, truth, results, list(found.detections), found.detections, notes)


def evaluate_model(
    model: Union[str, Path],
    split: str = "val",
    config: Optional[str] = None,
    overrides: Sequence[str] = (),
    trust: bool = False,
    engine: str = AUTO,
) -> Evaluation:
    """Evaluate a trained model, as ``mindpoint eval`` does.

    >>> mindpoint.evaluate("runs/people").statistics["keypoints/AP"]

    Args:
        model: a run folder, a checkpoint or an exported file.
        split: the data ``data.SPLIT`` of the configuration.
        config: see :class:`mindpoint.Predictor`.
        overrides: see :class:`mindpoint.Predictor`.
        trust: see :class:`mindpoint.Predictor`.
        engine: see :class:`mindpoint.Predictor`.

    Raises:
        WeightsError: the model cannot be opened.
        ConfigError: the model's configuration is invalid, or lacks the data or the metric.
        DataError: all images are unreadable.
    """
    opened = open_model(str(model), config, overrides, ["test.metric", f"data.{split}.dataset"], trust=trust, engine=engine)
    dataset, metric = build_dataset(opened.config, split), build_metric(opened.config)
    return evaluate(opened.detector, dataset, metric, lambda items, total: items)


def evaluate_results(results: Sequence[dict], dataset: Dataset, metric: Metric) -> Evaluation:
    """Compare result records with the ground truth of all images of a data set."""
    truth = dataset.ground_truth()
    return _measured(str(dataset), metric, truth, list(results), [image["id"] for image in truth["images"]], {})


def _measured(
    data: str,
    metric: Metric,
    truth: dict,
    results: List[dict],
    image_ids: List[int],
    detections: Dict[int, Detections],
    notes: Sequence[str] = (),
) -> Evaluation:
    with part_call("test.metric", metric):
        statistics = metric.evaluate(truth, results, image_ids)
        missing = [name for name in metric.statistics if name not in statistics]
        notes = [*notes, *metric.diagnose(truth, results, image_ids)]
        table = metric.table(statistics)
    if missing:
        raise mistake("test.metric", metric, f"declares the statistic '{missing[0]}', but returned {', '.join(statistics) or 'nothing'}")
    return Evaluation(data, statistics, detections, results, notes, "\n".join([data, table, *notes]))


def save_evaluation(evaluation: Evaluation, folder: Path, with_results: bool = True) -> None:
    """Write ``statistics.json`` and, if ``with_results`` is set, ``results.json``.

    The first contains ``data``, a description, and ``statistics``; undefined ones are null. If there are intervals, it also contains
    ``intervals``, pairs by name, and ``resamples``. The second has COCO's result format.
    """
    content = {"data": evaluation.data, "statistics": {name: finite_or_none(value) for name, value in evaluation.statistics.items()}}
    if evaluation.intervals:
        content["intervals"] = {name: [finite_or_none(end) for end in ends] for name, ends in evaluation.intervals.items()}
        content["resamples"] = evaluation.resamples
    write_text(folder / "statistics.json", json.dumps(content, indent=2) + "\n")
    if with_results:
        write_text(folder / "results.json", json.dumps(evaluation.results))


def finite_or_none(value: float) -> Optional[float]:
    """Return the value for JSON: None if undefined."""
    return value if math.isfinite(value) else None


def save_submission(detections: Dict[int, Detections], dataset: Dataset, metric: Metric, folder: Path) -> Tuple[str, int]:
    """Write the results in the evaluation server's format, as JSON and zipped. Return the zip file's name and the number of results."""
    name, records = metric.submission(metric.results(detections, dataset.ground_truth()), dataset.name)
    write_text(folder / name, json.dumps(records))
    zipped = folder / f"{Path(name).stem}.zip"
    with atomic_write(zipped) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / name, name)
    return zipped.name, len(records)
