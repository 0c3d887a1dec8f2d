"""Box statistics of 80 classes against pycocotools' numbers, in a recorded result file with tied scores, crowds and more than 100 rows."""

import json

import pytest
from mindpoint_coco.metrics.coco import CocoMetric


def test_statistics_of_every_class(golden_ctdet, coco_mini):
    expected = json.loads((golden_ctdet / "evaluation.json").read_text())
    truth = json.loads((coco_mini / "annotations" / expected["annotations"]).read_text())
    path = golden_ctdet / "detections.json"
    metric = CocoMetric([category["name"] for category in truth["categories"]], per_class=True)
    results = metric.read_results(str(path), truth)
    assert len(results) == expected["num_detections"] and len(truth["images"]) == expected["num_images"]
    stats = metric.evaluate(truth, results, [image["id"] for image in truth["images"]])
    assert list(stats) == metric.statistics
    for name, value in zip(expected["order_bbox"], expected["stats"]["bbox"]):
        assert stats[f"bbox/{name}"] == pytest.approx(value, abs=1e-6), name
    compared = 0
    for short, key in (("AP", "ap_per_category"), ("AR", "ar100_per_category")):
        for name, value in expected[key].items():
            wanted = float("nan") if value is None else value
            assert stats[f"bbox/{short}/{name}"] == pytest.approx(wanted, abs=1e-6, nan_ok=True), (short, name)
            compared += value is not None
    assert compared > 80
