import copy
import json

import numpy as np
import pytest
from crowds import crowded
from joints import detected
from mindpoint.config import load_config
from mindpoint.contracts.metric import Metric
from mindpoint.errors import ConfigError, DataError
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics.coco import CocoMetric
from mindpoint_parity import evaluation as parity

SIDE = 50.0


def keypoints(count, sigma=0.1):
    return Keypoints([f"joint{number}" for number in range(count)], sigmas=[sigma] * count)


def figure(count, left):
    """Joints along the diagonal of a 50x50 box."""
    along = np.linspace(5, 45, count)
    return np.stack([left + along, 20 + along], axis=1)


def truth(count, lefts=(10.0,), category=7, name="thing"):
    """Image 4 with an object at each of ``lefts``, image 5 with none."""
    annotations = [
        {
            "id": number,
            "image_id": 4,
            "category_id": category,
            "bbox": [left, 20.0, SIDE, SIDE],
            "area": SIDE * SIDE,
            "iscrowd": 0,
            "num_keypoints": count,
            "keypoints": np.c_[figure(count, left), np.full(count, 2.0)].ravel().tolist(),
        }
        for number, left in enumerate(lefts)  # the first id is 0
    ]
    images = [{"id": number, "width": 200, "height": 100, "file_name": f"{number}.jpg"} for number in (4, 5)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 3, "name": "other"}, {"id": category, "name": name}]}


def found(count, lefts=(10.0,), shift=0.0, scores=None, labels=None):
    rows = len(lefts)
    boxes = np.array([[left, 20, left + SIDE, 20 + SIDE] for left in lefts], np.float32).reshape(-1, 4)
    points = np.array([figure(count, left) + [shift, 0] for left in lefts], np.float32).reshape(-1, count, 2)
    scores = np.linspace(0.9, 0.5, rows) if scores is None else np.array(scores)
    labels = np.zeros(rows, int) if labels is None else np.array(labels)
    return detected(boxes, scores.astype(np.float32), labels, points)


def evaluated(metric, ground_truth, detections, images=(4, 5)):
    return metric.evaluate(ground_truth, metric.results(detections, ground_truth), images)


def test_statistics_of_the_reference(reference):
    rows = parity.check(reference)
    assert len(rows) == 22
    assert [row for row in rows if not row.error <= 1e-6] == []


@pytest.mark.parametrize("count", [1, 2, 5, 17, 133])
@pytest.mark.parametrize("sigma", [0.05, 0.1])
def test_similarity_follows_the_given_sigmas(count, sigma):
    """Every joint is off by d, so the similarity is exp(-d^2 / (2 area (2 sigma)^2)) by COCO's definition, here 0.72: five of the ten
    thresholds 0.50, 0.55, ... lie below it."""
    shift = np.sqrt(-np.log(0.72) * 2) * 2 * sigma * SIDE
    metric = CocoMetric(["thing"], keypoints(count, sigma))
    stats = evaluated(metric, truth(count), {4: found(count, shift=shift), 5: found(count, [])})
    assert stats["keypoints/AP"] == pytest.approx(0.5) and stats["keypoints/AR"] == pytest.approx(0.5)
    assert stats["keypoints/AP50"] == pytest.approx(1) and stats["keypoints/AP75"] == 0
    assert stats["bbox/AP"] == pytest.approx(1)
    if count == 1:
        return
    mixed = Keypoints(keypoints(count).names, sigmas=[sigma] * (count - 1) + [1000.0])  # the last joint always fits
    similarity = (0.72 * (count - 1) + 1) / count
    below = sum(similarity >= threshold for threshold in np.arange(0.5, 1, 0.05))
    stats = evaluated(CocoMetric(["thing"], mixed), truth(count), {4: found(count, shift=shift)})
    assert stats["keypoints/AP"] == pytest.approx(below / 10)


def test_names_in_order():
    stats = evaluated(CocoMetric(["thing"], keypoints(2)), truth(2), {})
    kinds = {kind: [name.split("/")[1] for name in stats if name.startswith(kind)] for kind in ("keypoints", "joints", "bbox")}
    assert kinds["keypoints"] == "AP AP50 AP75 APm APl AR AR50 AR75 ARm ARl".split()
    assert kinds["joints"] == "PCK@0.2 AUC mean_error median_error normalised_error found".split()
    assert kinds["bbox"] == "AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl".split()
    assert all(name.startswith("bbox/") for name in evaluated(CocoMetric(["thing"], keypoints(2), types=["bbox"]), truth(2), {}))


def test_nothing_found_is_zero_and_no_truth_is_undefined(capsys):
    metric = CocoMetric(["thing"], keypoints(3))
    none = evaluated(metric, truth(3), {4: found(3, []), 5: found(3, [])})
    assert none["keypoints/AP"] == 0 and none["bbox/AR100"] == 0
    assert np.isnan(none["keypoints/APl"]) and none["keypoints/APm"] == 0  # the object is of medium size
    no_truth = evaluated(metric, truth(3, []), {4: found(3)})
    assert len(no_truth) == 28 and all(np.isnan(value) for value in no_truth.values())
    assert all(np.isnan(value) for value in metric.evaluate(truth(3), [], []).values())
    assert capsys.readouterr().out == ""
    assert "n/a" in metric.table(none) and "nan" not in metric.table(no_truth)


def test_results_of_unknown_images_and_categories_do_not_count():
    metric = CocoMetric(["thing"], keypoints(3))
    results = metric.results({4: found(3), 99: found(3)}, truth(3))
    results.append({**results[0], "category_id": 55, "score": 1.0})
    assert metric.evaluate(truth(3), results, [4, 5])["keypoints/AP"] == pytest.approx(1)


def test_only_the_given_images_count():
    ground_truth = truth(3)
    ground_truth["annotations"].append({**ground_truth["annotations"][0], "id": 8, "image_id": 5})
    metric = CocoMetric(["thing"], keypoints(3))
    assert evaluated(metric, ground_truth, {4: found(3)}, [4])["keypoints/AR"] == pytest.approx(1)
    assert evaluated(metric, ground_truth, {4: found(3)}, [4, 5])["keypoints/AR"] == pytest.approx(0.5)


def test_annotation_with_id_zero_can_be_matched():
    stats = evaluated(CocoMetric(["thing"], keypoints(3)), truth(3, [10.0, 90.0]), {4: found(3, [10.0, 90.0])})
    assert stats["keypoints/AP"] == pytest.approx(1) and stats["bbox/AR100"] == pytest.approx(1)


def test_most_detections_that_count():
    detections = {4: found(3, [90.0, 10.0])}  # the better one fits nothing
    assert evaluated(CocoMetric(["thing"], keypoints(3), max_detections=1), truth(3), detections)["keypoints/AR"] == 0
    assert evaluated(CocoMetric(["thing"], keypoints(3), max_detections=2), truth(3), detections)["keypoints/AR"] == pytest.approx(1)


def test_optional_fields_may_be_absent():
    metric = CocoMetric(["thing"], keypoints(3))
    complete, bare = truth(3), truth(3)
    for name in ("area", "iscrowd", "num_keypoints"):
        del bare["annotations"][0][name]
    detections = {4: found(3, shift=4.0)}
    assert evaluated(metric, bare, detections) == pytest.approx(evaluated(metric, complete, detections), nan_ok=True)
    del bare["annotations"][0]["keypoints"]
    stats = evaluated(metric, bare, detections)
    assert np.isnan(stats["keypoints/AP"]) and stats["bbox/AP"] == pytest.approx(1)


def test_arguments_stay_as_they_are():
    metric = CocoMetric(["thing"], keypoints(3))
    ground_truth, detections = truth(3), {4: found(3)}
    boxes = detections[4].boxes.copy()
    results = metric.results(detections, ground_truth)
    before = copy.deepcopy((ground_truth, results))
    first = metric.evaluate(ground_truth, results, [4, 5])
    assert (ground_truth, results) == before and (detections[4].boxes == boxes).all()
    assert metric.evaluate(ground_truth, results, [4, 5]) == pytest.approx(first, nan_ok=True)


def test_records():
    metric = CocoMetric(["thing", "other"], keypoints(2))
    detections = {np.int64(4): found(2, [10.123], scores=[0.987654], labels=[1])}
    (record,) = json.loads(json.dumps(metric.results(detections, truth(2))))
    assert record["image_id"] == 4 and record["category_id"] == 3
    assert record["bbox"] == pytest.approx([10.123, 20, 50, 50], abs=1e-4)
    assert record["score"] == pytest.approx(0.987654, abs=1e-7)
    assert record["keypoints"] == pytest.approx([15.123, 25, 1, 55.123, 65, 1], abs=1e-4)
    assert metric.results(detections)[0]["category_id"] == 2
    (rounded,) = CocoMetric(["thing", "other"], keypoints(2), round_results=True).results(detections)
    assert rounded["score"] == 0.99 and rounded["keypoints"] == [15.12, 25.0, 1.0, 55.12, 65.0, 1.0] and rounded["bbox"][0] == 10.12


def test_mistakes_have_clear_messages():
    metric = CocoMetric(["thing"], keypoints(3))
    with pytest.raises(DataError, match="no category 'thing'; it has 'other', 'person'"):
        metric.results({}, truth(3, name="person"))
    with pytest.raises(DataError, match="annotation 0 has 6 keypoint numbers, but the configuration's 3 joints"):
        metric.evaluate(truth(2), [], [4])
    with pytest.raises(DataError, match="a result of image 4 has 6 keypoint numbers"):
        metric.evaluate(truth(3), CocoMetric(["thing"], keypoints(2)).results({4: found(2)}, truth(2)), [4])
    with pytest.raises(ConfigError, match="'segm'"):
        CocoMetric(["thing"], keypoints(3), types=["segm"])
    with pytest.raises(ConfigError, match="max_detections"):
        CocoMetric(["thing"], keypoints(3), max_detections=0)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t, r: r.clear(), "no detections"),
        (lambda t, r: r[0].update(image_id=400), "No result belongs to an evaluated image"),
        (lambda t, r: r[0].update(category_id=1), "No result has a category of an evaluated class"),
        (lambda t, r: t["annotations"][0].update(image_id=400), "everything is undefined"),
        (lambda t, r: t["annotations"][0].update(keypoints=[0] * 9), "labelled keypoint"),
        (lambda t, r: t["annotations"][0].pop("area"), "have no 'area'"),
        (lambda t, r: r[0].update(score=0.004), "No score is above 0.004"),
        (lambda t, r: r[0].update(keypoints=[0] * 9), "No detection matches an annotated object: the best keypoint similarity is"),
        (lambda t, r: r[0].update(bbox=[10.0, 20.0, SIDE, SIDE / 4]), "the best box overlap is 0.25"),
        (lambda t, r: r.append({**r[0], "image_id": 77}), "1 of 2 results are ignored, since their images"),
    ],
)
def test_diagnosis(change, message):
    metric, ground_truth = CocoMetric(["thing"], keypoints(3)), truth(3)
    results = metric.results({4: found(3)}, ground_truth)
    before = metric.diagnose(ground_truth, results, [4, 5])
    assert before == ["No annotated object is large, so AP and AR of that size are undefined."]
    change(ground_truth, results)
    (note,) = set(metric.diagnose(ground_truth, results, [4, 5])) - set(before)
    assert message in note


def test_diagnosis_of_no_annotations_and_of_areas_that_are_no_pixels():
    metric, results = CocoMetric(["thing"], keypoints(3)), CocoMetric(["thing"], keypoints(3)).results({4: found(3)}, truth(3))
    assert metric.diagnose(truth(3, []), results, [4, 5]) == ["There are no annotations, so everything is undefined."]
    ground_truth = truth(3)
    ground_truth["annotations"][0]["area"] = 0.25
    (note,) = metric.diagnose(ground_truth, results, [4, 5])
    assert "No annotated area is above 1 square pixel (the largest is 0.25)" in note


@pytest.mark.parametrize("sigmas, message", [([0.05] * 3, "(default)"), ([0.1, 2.0, 0.1], "unusual values: joint1 2 (235.5 pixels)")])
def test_diagnosis_of_sigmas(sigmas, message):
    """On an object of 50 x 50 a joint with sigma 2 has a similarity of 0.5 at 2 * 2 * 50 * sqrt(2 ln 2) = 235.5 pixels."""
    metric = CocoMetric(["thing"], Keypoints(keypoints(3).names, sigmas=sigmas))
    notes = metric.diagnose(truth(3), metric.results({4: found(3)}, truth(3)), [4, 5])
    assert any(message in note for note in notes)


def test_table_is_legible():
    stats = {"keypoints/AP": 0.12345, "keypoints/APm": float("nan"), "bbox/AP": 1.0}
    assert CocoMetric(["thing"], keypoints(1)).table(stats).splitlines() == [
        "keypoints      AP    APm",
        "            0.123    n/a",
        "bbox           AP",
        "            1.000",
    ]


def test_table_in_a_narrow_terminal_has_every_number_in_blocks(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    stats = {f"bbox/{name}": number / 1000 for number, name in enumerate(("AP", "AP50", "AP75", "APm", "APl", "AR"), 1)}
    parts = {"bbox/AP/小鼠": 0.5, "bbox/AP50/小鼠": 0.6, "bbox/APl/小鼠": 0.7, "bbox/AR/小鼠": 0.8}
    assert CocoMetric(["小鼠"], None).table({**stats, **parts}).splitlines() == [
        "bbox           AP   AP50   AP75    APm",
        "            0.001  0.002  0.003  0.004",
        "              APl     AR",
        "            0.005  0.006",
        "               AP   AP50    APl  class",
        "            0.500  0.600  0.700  小鼠",
        "               AR  class",
        "            0.800  小鼠",
    ]


def test_a_metric_needs_no_table_of_its_own():
    class Count(Metric):
        def results(self, detections, ground_truth=None):
            return []

        def evaluate(self, ground_truth, results, image_ids):
            return {"images": 2.0, "mean": float("nan")}

    metric = Count()
    assert metric.table(metric.evaluate({}, [], [])) == "images  2.0000\nmean    n/a"
    assert metric.diagnose({}, [], []) == []


@pytest.mark.parametrize("classes, joints, ties", [(1, 17, False), (1, 5, True), (3, 1, False)])
def test_numbers_are_those_of_pycocotools(classes, joints, ties, capsys):
    cocoeval, coco = pytest.importorskip("pycocotools.cocoeval"), pytest.importorskip("pycocotools.coco")
    ground_truth, results = crowded(5, classes, joints, ties)
    metric = CocoMetric([str(number) for number in range(1, classes + 1)], keypoints(joints, 0.06))
    stats = metric.evaluate(ground_truth, results, range(1, 41))
    for kind in ("keypoints", "bbox"):
        truth_index = coco.COCO()
        truth_index.dataset = copy.deepcopy(ground_truth)
        truth_index.createIndex()
        reference = cocoeval.COCOeval(truth_index, truth_index.loadRes(copy.deepcopy(results)), kind)
        reference.params.kpt_oks_sigmas = np.full(joints, 0.06)
        for step in (reference.evaluate, reference.accumulate, reference.summarize):
            step()
        ours = [value for name, value in stats.items() if name.startswith(kind)]
        assert 0.02 < ours[0] < 0.98
        np.testing.assert_allclose(np.nan_to_num(ours, nan=-1), reference.stats, atol=1e-9)


def test_num_keypoints_of_0_is_the_reason_that_is_given():
    metric, ground_truth = CocoMetric(["thing"], keypoints(3)), truth(3, (10.0, 70.0))
    results = metric.results({4: found(3)}, ground_truth)
    ground_truth["annotations"][0]["num_keypoints"] = 0
    (note,) = [note for note in metric.diagnose(ground_truth, results, [4, 5]) if "num_keypoints" in note]
    assert note.startswith("1 of 2 annotations have labelled keypoints, but 'num_keypoints' 0, so COCO's rules ignore them. Correct")
    ground_truth["annotations"][1]["num_keypoints"] = 0
    assert np.isnan(metric.evaluate(ground_truth, results, [4, 5])["keypoints/AP"])
    (note,) = [note for note in metric.diagnose(ground_truth, results, [4, 5]) if "undefined" in note]
    assert note.startswith("2 of 2 annotations have labelled keypoints") and "ignore them, and keypoint statistics are undefined" in note


def test_results_outside_the_configuration_do_not_count_but_unknown_ones_are_refused(tmp_path):
    """The file lists images 4, 5 and 6 and categories 3 and 7; evaluated are 4, 5 and 7."""
    metric, ground_truth = CocoMetric(["thing"], keypoints(3)), truth(3)
    good = metric.results({4: found(3)}, ground_truth)
    alone = metric.evaluate(ground_truth, good, [4, 5])
    ground_truth["categories"] = ground_truth["categories"][1:]
    ground_truth["listed"] = {"images": [6, 5, 4], "categories": [7, 3]}
    others = [{**good[0], "category_id": 3, "score": 0.99}, {**good[0], "image_id": 6}]
    (tmp_path / "r.json").write_text(json.dumps(good + others))
    results = metric.read_results(str(tmp_path / "r.json"), ground_truth)
    assert results == good + others
    assert metric.evaluate(ground_truth, results, [4, 5]) == pytest.approx(alone, nan_ok=True)
    notes = "\n".join(metric.diagnose(ground_truth, results, [4, 5]))
    assert "1 of 3 results are ignored, since their images are not evaluated" in notes
    assert "1 of 3 results are ignored, since their categories are not in the configuration's classes: 3." in notes
    assert metric.analyse(ground_truth, results, [4, 5]).tables is not None
    for change in ({"category_id": 8}, {"image_id": 7}):
        (tmp_path / "r.json").write_text(json.dumps([{**good[0], **change}]))
        with pytest.raises(DataError, match="result 0: .* is not in the annotation file"):
            metric.read_results(str(tmp_path / "r.json"), ground_truth)


@pytest.mark.parametrize("round_results", [False, True])
def test_engines_give_the_same_numbers(golden, coco_mini, round_results):
    """On the recorded official results: keypoints and boxes, tied scores, and no results at all."""
    expected = json.loads((golden / "evaluation.json").read_text())
    ground_truth = json.loads((coco_mini / "annotations" / expected["annotations"]).read_text())
    image_ids = [image["id"] for image in ground_truth["images"]]
    values = []
    for engine in ("faster", "pycocotools", "auto"):
        metric = CocoMetric(["person"], load_config("dla34_dcn_coco", parts=()).vocabulary["keypoints"], per_class=True, engine=engine)
        results = metric.read_results(str(golden / "detections.json"), ground_truth)
        if round_results:
            results = [{**result, "score": round(result["score"], 2)} for result in results]
        values.append([list(metric.evaluate(ground_truth, found, image_ids).values()) for found in (results, [])])
    assert max(values[0][0]) > 0.3
    np.testing.assert_allclose(values[1], values[0], rtol=0, atol=1e-12)
    assert str(values[2]) == str(values[0])


def test_an_unknown_engine():
    with pytest.raises(ConfigError, match="CocoMetric.engine: 'fast' is not one of auto, faster, pycocotools"):
        CocoMetric(["thing"], engine="fast")
