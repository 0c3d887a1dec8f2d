"""Statistics and error breakdown of boxes only, by hand: classes with ids in no order, no joints anywhere."""

import copy
import json
import warnings

import numpy as np
import pytest
from crowds import crowded
from mindpoint.config import load_config
from mindpoint.contracts.fields import Angles
from mindpoint.contracts.instances import Detections
from mindpoint.errors import ConfigError, DataError
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics.box_errors import KINDS, counts, judge
from mindpoint_coco.metrics.coco import CocoMetric
from mindpoint_coco.metrics.matching import box_groups

CLASSES = ["dog", "cat", "cow"]
IDS = [18, 3, 11]
DOG, CAT, COW = IDS
HALF_AP = 51 / 101  # one of two objects is found, at the recalls 0.00 to 0.50


def truth(*objects):
    """Image 9 with objects ``(category_id, left)`` of 40 x 40 pixels, image 2 without any."""
    annotations = [
        {"id": 5 + n, "image_id": 9, "category_id": key, "bbox": [left, 10, 40, 40], "area": 1600, "iscrowd": 0}
        for n, (key, left) in enumerate(objects)
    ]
    images = [{"id": number, "width": 900, "height": 100, "file_name": f"{number}.jpg"} for number in (9, 2)]
    return {"images": images, "annotations": annotations, "categories": [{"id": i, "name": n} for i, n in zip(IDS, CLASSES)]}


def found(*objects):
    """Results ``(category_id, left, score)`` in image 9. Moved by d the IoU is (40 - d) / (40 + d): 0.6 at 10, 1/3 at 20, 1/7 at 30."""
    return [{"image_id": 9, "category_id": key, "bbox": [left, 10, 40, 40], "score": score} for key, left, score in objects]


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def kinds(ground_truth, results):
    judged = list(judge(list(box_groups(ground_truth, results, [9, 2], IDS, 100))))
    by_score = sorted((record["score"], kind) for one in judged for record, kind in zip(one.group.results, one.kinds))
    return [kind for _, kind in reversed(by_score)], judged


def test_each_kind():
    ground_truth = truth((DOG, 0), (CAT, 100), (COW, 200), (DOG, 300), (DOG, 400))
    results = found(
        (DOG, 0, 0.95), (DOG, 10, 0.9), (DOG, 100, 0.8), (COW, 220, 0.7), (CAT, 330, 0.6), (CAT, 800, 0.5), (DOG, 410, 0.4)
    )  # fmt: skip
    said, judged = kinds(ground_truth, results)
    assert said == ["", "duplicate", "class", "localisation", "both", "background", ""]
    assert counts(judged) == {**dict.fromkeys(KINDS, 1), "missed": 3}  # cat, cow and the dog at 300


def test_crowds_do_not_count():
    ground_truth = truth((DOG, 0), (DOG, 300))
    ground_truth["annotations"][0]["iscrowd"] = 1
    said, judged = kinds(ground_truth, found((DOG, 0, 0.9), (DOG, 5, 0.8), (CAT, 0, 0.7)))
    assert said == ["-", "-", "background"] and counts(judged)["missed"] == 1


def test_types_and_statistics_follow_what_is_configured():
    joints = Keypoints(["nose"])
    boxes, both = CocoMetric(CLASSES), CocoMetric(CLASSES, joints, per_class=True)
    assert boxes.main == "bbox/AP" and both.main == "keypoints/AP" and len(boxes.statistics) == 12
    assert len(both.statistics) == 22 + 12 + 6 and both.statistics[10] == "keypoints/AP/dog" and both.statistics[-1] == "bbox/AR/cow"
    assert CocoMetric(CLASSES, joints, types=["bbox", "keypoints"]).main == "bbox/AP"
    assert CocoMetric(CLASSES, Keypoints([])).statistics == boxes.statistics, "no joints are like no section"
    with pytest.raises(ConfigError, match="'keypoints'; choose among bbox; keypoint statistics need the section 'keypoints'"):
        CocoMetric(CLASSES, types=["keypoints"])
    empty = boxes.evaluate({**truth(), "images": [], "annotations": []}, [], [])
    assert list(empty) == boxes.statistics and all(np.isnan(value) for value in empty.values())


def test_a_configuration_decides_what_is_measured(tmp_path):
    config = tmp_path / "boxes.yaml"
    text = "input: {size: [64, 64], mean: [0.5, 0.5, 0.5], std: [0.3, 0.3, 0.3]}\nclasses: [dog, cat]\nmodel: {backbone: {type: ResNet}}\n"
    config.write_text(text + "test: {metric: {type: CocoMetric, per_class: true}}\n")
    boxes = load_config(str(config), parts=("test.metric",)).build("test.metric")
    assert boxes.main == "bbox/AP" and boxes.statistics[-4:] == ["bbox/AP/dog", "bbox/AR/dog", "bbox/AP/cat", "bbox/AR/cat"]
    config.write_text(config.read_text() + "keypoints: {names: [nose]}\n")
    assert load_config(str(config), parts=("test.metric",)).build("test.metric").main == "keypoints/AP"


def test_each_class_by_hand():
    """Both dogs are found, one of two cats, and cows are not annotated."""
    metric = CocoMetric(CLASSES, per_class=True)
    stats = metric.evaluate(
        truth((DOG, 0), (CAT, 100), (DOG, 200), (CAT, 300)), found((DOG, 0, 0.9), (CAT, 100, 0.8), (DOG, 200, 0.7)), [9, 2]
    )
    assert list(stats) == metric.statistics
    assert stats["bbox/AP/dog"] == pytest.approx(1) and stats["bbox/AP/cat"] == pytest.approx(HALF_AP) and np.isnan(stats["bbox/AP/cow"])
    assert stats["bbox/AP"] == pytest.approx((1 + HALF_AP) / 2)
    lines = metric.table(stats).splitlines()
    assert stats["bbox/AR/dog"] == pytest.approx(1) and stats["bbox/AR/cat"] == pytest.approx(0.5)
    assert len(lines) == 6 and lines[2].split() == ["AP", "AR", "class"]
    assert lines[3].split() == ["1.000", "1.000", "dog"] and lines[5].split() == ["n/a", "n/a", "cow"]


def test_each_class_is_that_of_pycocotools(capsys):
    cocoeval, coco = pytest.importorskip("pycocotools.cocoeval"), pytest.importorskip("pycocotools.coco")
    ground_truth, results = crowded(3, 3, 1, False)
    stats = CocoMetric(["3", "1", "2"], per_class=True).evaluate(ground_truth, results, range(1, 41))
    index = coco.COCO()
    index.dataset = copy.deepcopy(ground_truth)
    index.createIndex()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in (1, 2, 3):
            reference = cocoeval.COCOeval(index, index.loadRes(copy.deepcopy(results)), "bbox")
            reference.params.catIds = [number]
            for step in (reference.evaluate, reference.accumulate, reference.summarize):
                step()
            assert stats[f"bbox/AP/{number}"] == pytest.approx(reference.stats[0], abs=1e-9) and 0.02 < reference.stats[0] < 0.98
            assert stats[f"bbox/AR/{number}"] == pytest.approx(reference.stats[8], abs=1e-9)


def test_analysis():
    ground_truth = truth((DOG, 0), (CAT, 100), (COW, 200), (DOG, 300))
    results = found((DOG, 0, 0.95), (DOG, 100, 0.9), (COW, 220, 0.8), (DOG, 300, 0.7), (CAT, 700, 0.1))
    analysis = CocoMetric(CLASSES).analyse(ground_truth, results, [9, 2])
    assert analysis.threshold == 0.7 and set(analysis.kinds) == set(KINDS) and len({kind.color for kind in KINDS.values()}) == 6
    cost, classes, pairs, confused = analysis.tables
    rows = {row[0]: dict(zip(cost.columns, row)) for row in cost.rows}
    # dogs: right, wrong, right; with the wrong one out of the way both are found; cat and cow are not
    before = rows["as it is"]["AP50"]
    assert rows["class"]["count"] == 1 and rows["localisation"]["count"] == 1 and rows["missed"]["count"] == 2
    dogs = (51 * 1 + 50 * 2 / 3) / 101
    assert before == pytest.approx(dogs / 3)
    assert rows["class"]["AP50"] == pytest.approx((1 + 1 + 0) / 3)  # the cat is found, and no dog is wrong
    assert rows["localisation"]["AP50"] == pytest.approx((dogs + 0 + 1) / 3)
    assert rows["missed"]["AP50"] == pytest.approx(dogs)  # classes without objects are undefined
    table = {row[0]: dict(zip(classes.columns, row)) for row in classes.rows}
    assert table["dog"]["objects"] == 2 and table["dog"]["class"] == 1 and table["cat"]["missed"] == 1 and table["cow"]["localisation"] == 1
    assert table["dog"]["AP50"] == pytest.approx(dogs) and table["cow"]["AP"] == 0
    assert [row[0] for row in classes.rows] == ["cat", "cow", "dog"], "the weakest first"
    assert pairs.rows == [["cat", "dog", 1, 1.0]]
    matrix = {row[0]: dict(zip(confused.columns, row)) for row in confused.rows}
    assert matrix["dog"] == {"annotated as": "dog", "dog": 2, "cat": 0, "cow": 0, "missed": 0}
    assert matrix["cat"]["dog"] == 1 and matrix["cat"]["missed"] == 0 and matrix["cow"]["missed"] == 1
    assert matrix["background"]["cat"] == 0  # below the threshold


def test_of_many_classes_the_most_confused_are_shown():
    """Class k of 20 has k objects. Three of class 19 are found as 18, two as 17, one of class 3 as 4; all others of both are found."""
    names = [f"c{number}" for number in range(1, 21)]
    boxes = [(number, 100 * place) for place, number in enumerate(number for number in range(1, 21) for _ in range(number))]
    taken_for = {(19, 0): 18, (19, 1): 18, (19, 2): 18, (19, 3): 17, (19, 4): 17, (3, 0): 4}
    seen, results = dict.fromkeys(range(1, 21), 0), []
    for number, left in boxes:
        results.append((taken_for.get((number, seen[number]), number), left, 0.9))
        seen[number] += 1
    ground_truth = truth(*boxes)
    ground_truth["categories"] = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    pairs, confused = CocoMetric(names).analyse(ground_truth, found(*results), [9, 2]).tables[2:]
    assert pairs.rows[:2] == [["c19", "c18", 3, pytest.approx(3 / 19)], ["c19", "c17", 2, pytest.approx(2 / 19)]]
    assert pairs.rows[2:] == [["c3", "c4", 1, pytest.approx(1 / 3)]]
    assert list(confused.columns[1:6]) == ["c19", "c18", "c17", "c3", "c4"] and len(confused.columns) == 14 and len(confused.rows) == 13
    assert confused.rows[0][:4] == ["c19", 14, 3, 2] and "Only the 12 most confused classes." in confused.note


def test_findings_of_images():
    ground_truth = truth((DOG, 0), (CAT, 100))
    analysis = CocoMetric(CLASSES).analyse(ground_truth, found((DOG, 0, 0.9), (DOG, 100, 0.95)), [9, 2])
    image = analysis.images[9]
    assert [finding.kind for finding in image.found] == ["class", ""] and image.found[0].text == "the object is annotated as cat"
    assert [(finding.kind, finding.text) for finding in image.truth] == [("", "found, IoU 1.00"), ("missed", "not found")]
    assert image.error == pytest.approx(1 - 2 * 1 / 4) and image.counts() == {"missed": 1, "class": 1}
    assert analysis.images[2].error == 0 and not analysis.images[2].found


def test_analysis_of_nothing():
    for ground_truth, results in ((truth(), []), (truth((DOG, 0)), []), (truth(), found((DOG, 0, 0.5)))):
        analysis = CocoMetric(CLASSES).analyse(ground_truth, results, [9, 2])
        assert (
            len(analysis.tables) == 4
            and not analysis.tables[2].rows
            and analysis.images[9].error == (1.0 if ground_truth["annotations"] or results else 0.0)
        )


def test_results_with_fields_and_files(tmp_path):
    metric, field = CocoMetric(CLASSES), Angles("turn")
    boxes = np.array([[0, 10, 40, 50], [7, 10, 40.006, 50]], np.float32)
    detections = Detections(boxes, np.array([0.9, 0.5], np.float32), np.array([1, 0]), [field], {"turn": np.array([0.5, -1], np.float32)})
    results = metric.results({9: detections}, truth((CAT, 0)))
    assert [record["category_id"] for record in results] == [CAT, DOG] and [record["turn"] for record in results] == [0.5, -1]
    assert "keypoints" not in results[0] and metric.evaluate(truth((CAT, 0)), results, [9])["bbox/AP"] == pytest.approx(1)
    file = tmp_path / "results.json"
    file.write_text(json.dumps(results))
    assert metric.read_results(str(file), truth()) == results
    del results[1]["bbox"]
    file.write_text(json.dumps(results))
    with pytest.raises(DataError, match="result 1: lacks bbox"):
        metric.read_results(str(file), truth())
    name, records = metric.submission(metric.results({9: detections}, truth()), "test-dev2017")
    assert name == "detections_test-dev2017_mindpoint_results.json" and records[1]["bbox"] == [7, 10, 33.01, 40]


@pytest.mark.parametrize(
    "results, message",
    [
        (
            found((DOG, 30, 0.9)),
            "No detection matches an annotated object: the best box overlap is 0.14, but a match needs 0.5.",
        ),
        ([], "There are no detections"),
    ],
)
def test_diagnosis(results, message):
    notes = CocoMetric(CLASSES).diagnose(truth((DOG, 0)), results, [9, 2])
    assert any(message in note for note in notes) and not any("keypoint" in note for note in notes if "order of" not in note)
    assert "No annotated object is small, so AP and AR of that size are undefined." in notes
