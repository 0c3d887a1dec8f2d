"""Intervals of statistics and of differences, by the bootstrap over images."""

import math

import numpy as np
import pytest
from mindpoint.contracts.metric import Metric, gain
from mindpoint.inference.bootstrap import Change, as_text, change_table, changes, draws, interval, with_intervals
from mindpoint.inference.evaluation import Evaluation, evaluate_results, save_evaluation


class Mean(Metric):
    """The mean of the results' values, and of those below 0."""

    statistics, main = ("mean", "below/mean_error"), "mean"

    def results(self, detections, ground_truth=None):
        return []

    def evaluate(self, ground_truth, results, image_ids):
        values = np.array([one["value"] for one in results if one["image_id"] in set(image_ids)])
        return {
            name: float(chosen.mean()) if len(chosen) else math.nan
            for name, chosen in (("mean", values), (self.statistics[1], -values[values < 0]))
        }


class Data:
    def __init__(self, count):
        self.images = [{"id": 7 * number} for number in range(count)]

    def ground_truth(self):
        return {"images": self.images, "annotations": [], "categories": []}


def every(items, total):
    return items


def evaluated(values):
    data = Data(len(values))
    results = [{"image_id": image["id"], "value": value} for image, value in zip(data.images, values)]
    return evaluate_results(results, data, Mean()), data.ground_truth()


@pytest.mark.slow
def test_the_interval_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(1).normal(3, 2, 200).tolist()
    evaluation, truth = evaluated(values)
    found = with_intervals(evaluation, Mean(), truth, 1500, every)
    low, high = found.intervals["mean"]
    half = 1.96 * np.std(values) / np.sqrt(200)
    assert [low, high] == pytest.approx([np.mean(values) - half, np.mean(values) + half], abs=0.08 * half)
    assert found.statistics == evaluation.statistics and found.table.startswith(evaluation.table)
    assert f"{low:.3f}" in found.table and "1500 resamples of the images" in found.table


def test_a_difference_is_paired():
    """The values of images differ by far more than the two evaluations do."""
    rng = np.random.default_rng(2)
    before = rng.normal(0, 10, 100)
    after = before + 0.5 + rng.normal(0, 0.1, 100)
    (first, truth), (second, _) = evaluated(before.tolist()), evaluated(after.tolist())
    found, image_ids = changes(first, second, Mean(), truth, 500, every)
    mean, error = found
    assert mean.difference == pytest.approx(np.mean(after) - np.mean(before)) and mean.verdict == "better"
    assert mean.interval == pytest.approx((0.48, 0.52), abs=0.02) and image_ids == [7 * number for number in range(100)]
    assert error.name == "below/mean_error" and error.interval[0] < error.difference < error.interval[1]
    same, _ = changes(first, first, Mean(), truth, 50, every)
    assert [one.interval for one in same] == [(0, 0), (0, 0)] and [one.weight for one in same] == [0, 0]


def test_only_images_that_both_evaluated_count():
    (first, truth), (second, _) = evaluated([1.0, 2.0, 3.0]), evaluated([1.0, 5.0, 9.0])
    first = Evaluation(first.data, first.statistics, {0: None, 14: None}, first.results, [], "")
    found, image_ids = changes(first, second, Mean(), truth, 20, every)
    assert image_ids == [0, 14] and found[0].first == 2 and found[0].second == 5


def test_undefined_statistics():
    evaluation, truth = evaluated([1.0, 2.0])
    found = with_intervals(evaluation, Mean(), truth, 10, every)
    assert all(map(math.isnan, found.intervals["below/mean_error"])) and "n/a" in found.table
    assert interval([math.nan, 1.0, math.nan, 3.0]) == pytest.approx((1.05, 2.95))
    assert Change("a", math.nan, 1.0, (math.nan, math.nan)).verdict == "" and Change("a", math.nan, 1.0, (math.nan, math.nan)).weight == 0


def test_files_hold_the_intervals(tmp_path):
    import json

    evaluation, truth = evaluated([1.0, 2.0])
    save_evaluation(with_intervals(evaluation, Mean(), truth, 10, every), tmp_path)
    content = json.loads((tmp_path / "statistics.json").read_text())
    assert content["resamples"] == 10 and content["intervals"]["below/mean_error"] == [None, None]
    assert 1 <= content["intervals"]["mean"][0] <= content["intervals"]["mean"][1] <= 2
    save_evaluation(evaluation, tmp_path)
    assert sorted(json.loads((tmp_path / "statistics.json").read_text())) == ["data", "statistics"]


def test_draws_are_the_same_every_time():
    first, second = list(draws(9, 4)), list(draws(9, 4))
    assert all(counts.sum() == 9 for counts in first) and (np.array(first) == second).all() and len(set(map(tuple, first))) == 4


def test_less_of_an_error_is_better():
    assert gain("joints/mean_error/nose", 2.0) == -2 and gain("bbox/AP/terror", 2.0) == 2 and gain("error", 1.0) == -1
    assert Change("joints/mean_error", 5.0, 3.0, (-3.0, -1.0)).verdict == "better"
    assert Change("bbox/AP", 0.5, 0.3, (-0.3, -0.1)).verdict == "worse" and Change("bbox/AP", 0.5, 0.3, (-0.3, 0.1)).verdict == ""
    shown = change_table([Change("bbox/AP", 0.5, 0.3, (-0.3, -0.1))], ("old", "new"), "Comparison", 5)
    assert as_text(shown).splitlines()[2].split() == ["bbox/AP", "0.500", "0.300", "-0.200", "-0.300", "-0.100", "worse"]
