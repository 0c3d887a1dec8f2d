"""The part of ``mindpoint eval`` that compares with another model or result file."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Tuple

if TYPE_CHECKING:
    from mindpoint.config import Config
    from mindpoint.contracts.analysis import Analysis, Table
    from mindpoint.contracts.data import Dataset
    from mindpoint.contracts.instances import Detections
    from mindpoint.contracts.metric import Metric
    from mindpoint.inference.bootstrap import Change
    from mindpoint.inference.detector import Model
    from mindpoint.inference.evaluation import Evaluation

_PARTS, _IMAGES, _DRAWN = 10, 10, 8  # maximum numbers of parts listed, images listed and images drawn
_SCORE = 0.3  # smallest score of a drawn object if the metric does not give one


@dataclass(frozen=True)
class Compared:
    """Two evaluations of the same data.

    Attributes:
        names: names that distinguish the first and the second evaluation.
        changes: changes of the statistics.
        errors: error of each image in the first and the second evaluation, 0..1, by image id; the most changed images first. Empty if the
            metric does not rate images.
        detections: detections of the first and the second evaluation to draw, by image id.
    """

    names: Tuple[str, str]
    changes: List[Change]
    errors: Dict[int, Tuple[float, float]]
    detections: Tuple[Dict[int, Detections], Dict[int, Detections]]

    def tables(self, file_names: Dict[int, str], resamples: int) -> List[Table]:
        """Return a table of the statistics, and tables of the parts (joints, classes) and images that changed most.

        Args:
            file_names: names of the image files, by image id.
            resamples: number of resamples from which the intervals were computed.
        """
        from mindpoint.contracts.analysis import Table
        from mindpoint.inference.bootstrap import change_table, said

        whole = [one for one in self.changes if one.name.count("/") < 2]
        parts = sorted((one for one in self.changes if one.name.count("/") > 1 and one.weight), key=lambda one: -one.weight)[:_PARTS]
        found = [change_table(whole, self.names, "Comparison", resamples)]
        if parts:
            found.append(change_table(parts, self.names, "Parts that changed most, relative to their intervals", resamples))
        rows = [[file_names[key], said(a), said(b), said(b - a, "+")] for key, (a, b) in self.errors.items() if a != b][:_IMAGES]
        if rows:
            note = "Error: 0 if everything is correct, 1 if nothing is. Both evaluations use their own best score threshold."
            found.append(Table("Images that changed most", ("image", *self.names, "difference"), rows, note))
        return found


def evaluate_other(
    args: argparse.Namespace, model: Optional[Model], config: Config, dataset: Dataset, metric: Metric
) -> Tuple[Evaluation, Path]:
    """Evaluate the model or result file of ``--compare`` on this data set. Return the evaluation and the file.

    Raises:
        ConfigError: the other model finds different classes or points.
    """
    from mindpoint.contracts.fields import Points
    from mindpoint.errors import ConfigError
    from mindpoint.inference.evaluation import evaluate, evaluate_results
    from mindpoint.inference.open import open_model
    from mindpoint.runtime.progress import track

    if args.compare.endswith(".json"):
        return evaluate_results(metric.read_results(args.compare, dataset.ground_truth()), dataset, metric), Path(args.compare)
    other = open_model(args.compare, None, args.set, (), None, args.trust, args.engine)
    fields = [model.detector.decoder.fields if model else dataset.fields, other.detector.decoder.fields]
    points = [[name for field in each if isinstance(field, Points) for name in field.names] for each in fields]
    for what, first, second in (("classes", config.classes, other.config.classes), ("points", *points)):
        if list(first) != list(second):
            mine, others = (", ".join(names) or "no points" for names in (first, second))
            raise ConfigError(f"--compare {args.compare}: its {what} are {others}; they must be {mine}, in this order")
    return evaluate(other.detector, dataset, metric, lambda items, total: track(items, total, "evaluating the other model")), other.place


def compare(
    args: argparse.Namespace, places: Sequence[Path], evaluations: Sequence[Evaluation], dataset: Dataset, metric: Metric
) -> Compared:
    """Compare two evaluations; ``places`` are the files of their models or results. The first is the one that ``--compare`` names."""
    from mindpoint.inference.bootstrap import RESAMPLES, changes
    from mindpoint.runtime.progress import track

    truth, resamples = dataset.ground_truth(), args.bootstrap or RESAMPLES
    found, image_ids = changes(*evaluations, metric.detailed(), truth, resamples, lambda items, total: track(items, total, "resampling"))
    analyses = [metric.analyse(truth, evaluation.results, image_ids) for evaluation in evaluations]
    judged = [key for key in image_ids if all(key in analysis.images for analysis in analyses)]
    errors = {key: tuple(analysis.images[key].error for analysis in analyses) for key in judged}
    errors = dict(sorted(errors.items(), key=lambda item: -abs(item[1][0] - item[1][1])))
    drawn = [_likely(dataset, one.results, analysis, image_ids) for one, analysis in zip(evaluations, analyses)]
    return Compared(_names(*places), found, errors, tuple(drawn))


def save(compared: Compared, config: Config, dataset: Dataset, folder: Path, resamples: int) -> str:
    """Write ``comparison.json`` and ``comparison.jpg``, and return the comparison as text."""
    from mindpoint.inference.bootstrap import as_text
    from mindpoint.inference.evaluation import finite_or_none
    from mindpoint.storage.files import write_text
    from mindpoint.storage.images import write_image
    from mindpoint.visual.build import build_visualizer
    from mindpoint.visual.pairs import side_by_side

    names = file_names(dataset)
    statistics = {
        one.name: {
            **{key: finite_or_none(value) for key, value in zip(compared.names, (one.first, one.second))},
            "difference": finite_or_none(one.difference),
            "interval": [finite_or_none(end) for end in one.interval],
        }
        for one in compared.changes
    }
    images = [{"id": key, "file": names[key], **dict(zip(compared.names, both))} for key, both in compared.errors.items()]
    content = {"compared": compared.names, "resamples": resamples, "statistics": statistics, "errors": images}
    write_text(folder / "comparison.json", json.dumps(content, indent=1) + "\n")
    shown = [key for key, (first, second) in compared.errors.items() if first != second][:_DRAWN]
    if shown:
        captions = {key: "{:.2f} -> {:.2f}".format(*compared.errors[key]) for key in shown}
        columns = dict(zip(compared.names, compared.detections))
        write_image(folder / "comparison.jpg", side_by_side(dataset, shown, columns, build_visualizer(config), captions))
    tables = "\n\n".join(map(as_text, compared.tables(names, resamples)))
    return f"{tables}\ncomparison.json{' and comparison.jpg are' if shown else ' is'} in {folder}"


def file_names(dataset: Dataset) -> Dict[int, str]:
    """Return the names of the image files by id."""
    return {image_id: Path(dataset.file_name(index)).name for index, image_id in enumerate(dataset.ids())}


def _names(first: Path, second: Path) -> Tuple[str, str]:
    """Return the shortest ends of two paths that differ, without suffixes."""
    parts = [path.with_suffix("").parts for path in (first, second)]
    for count in range(1, max(map(len, parts)) + 1):
        ends = ["/".join(part[-count:]) for part in parts]
        if ends[0] != ends[1]:
            return ends[0], ends[1]
    return "first", "second"


def _likely(dataset: Dataset, results: Sequence[dict], analysis: Analysis, image_ids: Sequence[int]) -> Dict[int, Detections]:
    """Return, by image id, the detections whose score reaches the threshold of the metric."""
    from mindpoint.contracts.records import from_coco

    found: Dict[int, List[dict]] = {image_id: [] for image_id in image_ids}
    category_ids = dataset.category_ids()
    for record in results:
        likely = record["score"] >= (analysis.threshold or _SCORE)
        if likely and record["image_id"] in found and record["category_id"] in category_ids:
            found[record["image_id"]].append(record)
    fields = [field for field in dataset.fields if any(field.name in record for record in results)]
    return {image_id: from_coco(records, fields, category_ids) for image_id, records in found.items()}
