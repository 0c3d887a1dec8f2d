"""Tests of metrics."""

from __future__ import annotations

import copy
import json
import math
from typing import Dict, List, Sequence

import numpy as np

from mindpoint.contracts.data import annotation_records
from mindpoint.contracts.fields import Field
from mindpoint.contracts.instances import Detections, Objects
from mindpoint.contracts.metric import Metric
from mindpoint.testing.samples import PartTests, drawn_samples, input_spec, need

_FIRST, _STEP = 11, 7  # category ids differ from labels


class MetricTests(PartTests):
    """Tests of a metric. Derive from it and let ``make`` return one for :attr:`classes`.

    Attributes:
        classes: names of the classes.
        fields: fields of the annotated objects and the detections.
        best: value of the main statistic for perfect detections; None: not checked.
    """

    classes: Sequence[str] = ("one", "two")
    fields: Sequence[Field] = ()
    best = 1.0

    def make(self) -> Metric:
        return super().make()

    def objects(self) -> Dict[int, Objects]:
        """Return annotated objects by image id."""
        return {100 + 3 * s.image_id: s.objects for s in drawn_samples(input_spec(256, 256), len(self.classes), self.fields, 4)}

    def perfect(self) -> Dict[int, Detections]:
        """Return detections that equal the annotated objects."""
        return {image_id: self._found(objects) for image_id, objects in self.objects().items()}

    def test_the_main_statistic_is_one_of_them(self):
        metric = self.make()
        need(metric.main in metric.statistics, f"main is '{metric.main}'; statistics are {', '.join(metric.statistics)}")

    def test_perfect_detections_are_the_best(self):
        metric, truth = self.make(), self._truth()
        stats = metric.evaluate(truth, metric.results(self.perfect(), truth), self._ids())
        self._complete(metric, stats)
        best = self.best is None or math.isclose(stats[metric.main], self.best, abs_tol=1e-6)
        need(best, f"{metric.main} of perfect detections must be {self.best}, got {stats[metric.main]}")

    def test_nothing_found_gives_every_statistic(self):
        metric, truth = self.make(), self._truth()
        nothing = {image_id: found.select(slice(0, 0)) for image_id, found in self.perfect().items()}
        stats = metric.evaluate(truth, metric.results(nothing, truth), self._ids())
        self._complete(metric, stats)
        need(stats[metric.main] != self.best, f"{metric.main} without detections must not be perfect, got {stats[metric.main]}")

    def test_no_image_gives_every_statistic(self):
        metric = self.make()
        self._complete(metric, metric.evaluate(self._truth(), [], []))

    def test_results_are_records_with_the_data_set_s_categories(self):
        metric, truth = self.make(), self._truth()
        found = self.perfect()
        results = metric.results(found, truth)
        json.dumps(results)
        need(len(results) == sum(map(len, found.values())), "results must have a record for each detection")
        ids = {record["id"] for record in truth["categories"]}
        need({record["category_id"] for record in results} <= ids, f"category_id must be that of the ground truth: one of {sorted(ids)}")
        without = {record["category_id"] for record in metric.results(found)}
        need(without <= set(range(1, len(self.classes) + 1)), "without ground truth, category_id must be the label plus 1")

    def test_the_order_of_classes_does_not_count(self):
        metric, truth = self.make(), self._truth()
        turned = {**truth, "categories": truth["categories"][::-1]}
        stats = [metric.evaluate(one, metric.results(self.perfect(), one), self._ids())[metric.main] for one in (truth, turned)]
        need(np.isclose(stats[0], stats[1], equal_nan=True), "classes must be matched by name with the categories of the ground truth")

    def test_arguments_stay_as_they_are(self):
        metric, truth = self.make(), self._truth()
        results = metric.results(self.perfect(), truth)
        before = copy.deepcopy((truth, results))
        metric.evaluate(truth, results, self._ids())
        need((truth, results) == before, "evaluate must not change its arguments")

    def test_a_resample_is_a_data_set_with_copies(self):
        metric, truth, ids = self.make(), self._truth(), self._ids()
        half = {image_id: found for image_id, found in self.perfect().items() if image_id in ids[::2]}
        results = metric.results(half, truth)
        counts = np.array([2, 1, *[0] * (len(ids) - 3), 1])
        stats = [draw(counts) for draw in (metric.resampler(truth, results, ids), Metric.resampler(metric, truth, results, ids))]
        wrong = [name for name in metric.statistics if not np.isclose(stats[0][name], stats[1][name], atol=1e-6, equal_nan=True)]
        need(not wrong, f"resampler must return the statistics of copied images; {', '.join(wrong)} differ")

    def test_the_table_shows_undefined_values(self):
        metric = self.make()
        table = metric.table(dict.fromkeys(metric.statistics, float("nan")))
        need(table and not table.endswith("\n"), "table must return lines without a newline at the end, also for undefined values")

    def _ids(self) -> List[int]:
        return list(self.objects())

    def _truth(self) -> dict:
        categories = [{"id": _FIRST + _STEP * label, "name": name} for label, name in enumerate(self.classes)]
        numbers = [record["id"] for record in categories]
        images, annotations = [], []
        for image_id, objects in self.objects().items():
            images.append({"id": image_id, "file_name": f"{image_id}.png", "height": 256, "width": 256})
            annotations += annotation_records(objects, image_id, numbers, len(annotations))
        return {"images": images, "annotations": annotations, "categories": categories}

    def _found(self, objects: Objects) -> Detections:
        values = {field.name: objects.values[field.name] for field in self.fields}
        scores = np.linspace(0.9, 0.5, len(objects)).astype(np.float32)
        return Detections(objects.boxes, scores, objects.labels, self.fields, values)

    def _complete(self, metric: Metric, stats: Dict[str, float]) -> None:
        missing = [name for name in metric.statistics if name not in stats]
        need(not missing, f"evaluate must return every statistic, NaN where undefined; it lacks {', '.join(missing)}")
