"""Files of reduced precision: calibration images, and the loss of quality."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import numpy as np

from mindpoint.config import Config
from mindpoint.contracts.data import Dataset
from mindpoint.contracts.engine import Inputs
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.metric import Metric
from mindpoint.data.build import FirstImages, build_dataset, build_metric
from mindpoint.errors import MindpointError
from mindpoint.inference.detect import in_batches_of
from mindpoint.inference.detector import Detector, build_detector, prepare_sample, sample_of
from mindpoint.inference.evaluation import evaluate
from mindpoint.inference.metadata import ExportMetadata
from mindpoint.inference.open import engines_of
from mindpoint.runtime.progress import track
from mindpoint.runtime.tables import table

log = logging.getLogger("mindpoint")

CALIBRATED, EVALUATED = 64, 500  # maximum numbers of images
SEEN, SAME_BOX, FOUND_AGAIN = 0.3, 0.5, 0.95  # without validation data: least score, overlap of a match, share of matches


@dataclass(frozen=True)
class Validation:
    """Annotated images and the metric that measures detections in them."""

    dataset: Dataset
    metric: Metric


def validation_of(config: Config) -> Optional[Validation]:
    """Return the first images of ``data.val`` with ``test.metric``; None, with a remark, if the data is missing."""
    try:
        config = config.changed([], ["data.val.dataset", "test.metric"])
        dataset = build_dataset(config, "val")
        return Validation(FirstImages(dataset, EVALUATED) if len(dataset) > EVALUATED else dataset, build_metric(config))
    except MindpointError as error:
        log.info("without validation data, only detections are compared: %s", str(error).splitlines()[-1].strip())
        return None


def calibration_inputs(config: Config, detector: Detector, facts: ExportMetadata, images: Sequence[np.ndarray]) -> List[Inputs]:
    """Return inputs for the file's calibration, made from ``images``, or from the first images of ``data.train`` if ``images`` is empty.

    Raises:
        MindpointError: no images are given and the training data is missing.
    """
    if not images:
        try:
            dataset = build_dataset(config.changed([], ["data.train.dataset"]), "train")
            images = [dataset[index].image for index in range(min(CALIBRATED, len(dataset)))]
        except MindpointError as error:
            raise MindpointError(
                f"--precision int8 needs images for calibration; name some with --images, or the training data with "
                f"--set data.train.dataset...: {error}"
            ) from error
    made = [prepare_sample(sample_of(image), detector.input_spec, detector.encoder)[0] for image in images]
    return [{name: np.stack([array] * (facts.batch or 1)) for name, array in inputs.items()} for inputs in made]


def judge(
    path: Path,
    config: Config,
    detector: Detector,
    facts: ExportMetadata,
    validation: Optional[Validation],
    images: Sequence[np.ndarray],
    most_lost: float,
) -> List[str]:
    """Compare a file of reduced precision with the network.

    Args:
        config, detector: configuration and detector of the network.
        images: images to compare detections on if validation data is missing.
        most_lost: largest tolerated loss of the metric's main statistic.

    Returns:
        The findings, line by line.

    Raises:
        MindpointError: the loss is too large.
    """
    engine = engines_of(path)[0]
    try:
        forward = engine.open(path).forward
    except MindpointError as error:
        raise MindpointError(f"the exported file does not work: {str(error).replace(str(path), path.name)}") from error
    forward = forward if facts.batch is None else in_batches_of(facts.batch, forward)
    file = build_detector(config, forward, facts.specs, facts.divisor, facts.inputs, facts.decoded)
    ran = f"run in {engine.title}"
    if validation is None:
        return [_compare_detections(file(images), detector(images), facts.precision), ran]
    before, after = (
        evaluate(one, validation.dataset, validation.metric, lambda items, total, name=name: track(items, total, f"evaluating {name}"))
        for one, name in ((detector, "float32"), (file, facts.precision))
    )
    main = validation.metric.main
    table = as_table(before.statistics, after.statistics, facts.precision)
    lost = before.statistics[main] - after.statistics[main]
    if np.isnan(lost):  # undefined
        return [table, _compare_detections(file(images), detector(images), facts.precision), ran]
    if lost > most_lost:
        raise MindpointError(
            f"{facts.precision} loses {lost:.4f} of {main}, more than {most_lost:g}; choose another --precision, or allow more with "
            f"--most-lost\n{before.data}, {ran}\n{table}"
        )
    return [f"{before.data}, {ran}", table]


def as_table(before: Dict[str, float], after: Dict[str, float], precision: str) -> str:
    """Return a table of the statistics before and after, and their differences."""
    shown = lambda value, sign="": "n/a" if np.isnan(value) else f"{value:{sign}.4f}"  # noqa: E731
    rows = [(name, shown(value), shown(after[name]), shown(after[name] - value, "+")) for name, value in before.items()]
    return table(("", "float32", precision, "change"), rows)


def _compare_detections(ours: Sequence[Detections], theirs: Sequence[Detections], precision: str) -> str:
    pairs = [(one.select(one.scores >= SEEN), other.select(other.scores >= SEEN)) for one, other in zip(ours, theirs)]
    count = sum(len(one) + len(other) for one, other in pairs)
    same = sum(found_again(one, other) + found_again(other, one) for one, other in pairs)
    if not count:
        return f"network and {precision} file detect nothing above a score of {SEEN:g}; compare on pictures with objects"
    said = f"{same / count:.1%} of the detections of network and {precision} file match (score {SEEN:g}, overlap {SAME_BOX:g})"
    if same / count < FOUND_AGAIN:
        raise MindpointError(
            f"{said}, but at least {FOUND_AGAIN:.0%} must match. Choose another --precision, or name validation data with --set"
        )
    return said


def found_again(ours: Detections, theirs: Detections) -> int:
    """Count the detections in ``ours`` that match one in ``theirs``, i.e. have the same class and an overlapping box."""
    if not len(ours) or not len(theirs):
        return 0
    low = np.maximum(ours.boxes[:, None, :2], theirs.boxes[None, :, :2])
    high = np.minimum(ours.boxes[:, None, 2:], theirs.boxes[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(one.boxes[:, 2:] - one.boxes[:, :2], axis=1) for one in (ours, theirs)]
    overlap = common / np.maximum(areas[0][:, None] + areas[1][None] - common, 1e-9)
    return int(((overlap >= SAME_BOX) & (ours.labels[:, None] == theirs.labels[None])).any(axis=1).sum())
