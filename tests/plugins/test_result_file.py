"""COCO's result format: what is accepted, what the message for anything else is, and what goes to the evaluation server."""

import json

import numpy as np
import pytest
from joints import detected
from mindpoint.errors import DataError
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics.coco import CocoMetric
from mindpoint_coco.metrics.result_file import check_results, read_results

GOOD = {"image_id": 4, "category_id": 1, "keypoints": [1, 2.5, 1, 3, 4, 1], "score": 0.5, "bbox": [0, 0, 5, 5]}
TRUTH = {"images": [{"id": 4}], "annotations": [], "categories": [{"id": 1, "name": "a"}]}


@pytest.fixture
def metric():
    return CocoMetric(["a"], Keypoints(["a", "b"]), max_detections=2)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"score": None}, "score is None, not a finite number"),
        ({"score": float("nan")}, "score is nan"),
        ({"score": True}, "score is True"),
        ({"image_id": "4"}, "image_id is '4', not a whole number"),
        ({"image_id": 5}, "image_id 5 is not in the annotation file"),
        ({"category_id": 2}, "category_id 2 is not in the annotation file"),
        ({"keypoints": [1, 2, 1]}, r"keypoints must hold 6 numbers \(x, y, v of 2 joints\), got 3"),
        ({"keypoints": [1, 2, 1, 3, float("inf"), 1]}, "keypoints holds a value that is not a finite number"),
        ({"bbox": None}, r"bbox must hold 4 numbers \(left, top, width, height\), got None"),
    ],
)
def test_what_is_wrong_is_said_with_the_place(change, message):
    with pytest.raises(DataError, match=f"r.json: result 1: {message}"):
        check_results([GOOD, {**GOOD, **change}], "r.json", {1: 2, 2: 2}, [4], [1])


def test_other_records():
    check_results([GOOD], "r", {1: 2}, [4], [1])
    with pytest.raises(DataError, match="result 0: lacks score"):
        check_results([{key: value for key, value in GOOD.items() if key != "score"}], "r", {1: 2})
    with pytest.raises(DataError, match="result 0: is 7, not an object"):
        check_results([7], "r", {1: 2})
    with pytest.raises(DataError, match="result 1: has no bbox, unlike the first"):
        check_results([GOOD, {key: value for key, value in GOOD.items() if key != "bbox"}], "r", {1: 2})
    with pytest.raises(DataError) as caught:
        check_results([{**GOOD, "score": "x"}] * 9, "r", {1: 2})
    assert str(caught.value).splitlines()[-1] == "r: and 4 more of 9 results" and len(str(caught.value).splitlines()) == 6


@pytest.mark.parametrize(
    "text, message",
    [
        ("[1, 2", r":1:\d+: the result file is not JSON: .*truncated"),
        ('{"images": [], "annotations": []}', "is an object with images, annotations, not a list"),
        ("3", "is not a list of results"),
    ],
)
def test_files(tmp_path, text, message):
    file = tmp_path / "r.json"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_results(str(file))
    with pytest.raises(DataError, match="no such result file"):
        read_results(str(tmp_path / "none.json"))


def test_results_read_again_give_the_same_statistics(tmp_path, metric):
    file = tmp_path / "r.json"
    file.write_text(json.dumps([GOOD]))
    assert metric.read_results(str(file), TRUTH) == [GOOD]


def test_results_without_boxes_have_keypoint_statistics_only(metric):
    bare = {key: value for key, value in GOOD.items() if key != "bbox"}
    person = {"id": 1, "image_id": 4, "category_id": 1, "bbox": [0, 0, 5, 5], "area": 25, "iscrowd": 0, "num_keypoints": 2}
    ground_truth = {**TRUTH, "annotations": [{**person, "keypoints": [1, 2.5, 2, 3, 4, 2]}]}
    stats = metric.evaluate(ground_truth, [bare], [4])
    assert stats["keypoints/AP"] == pytest.approx(1) and list(stats) == metric.statistics
    assert all(np.isnan(value) for name, value in stats.items() if name.startswith("bbox"))
    assert any("have no bbox" in note for note in metric.diagnose(ground_truth, [bare], [4]))


def test_for_the_server(metric):
    """The best two of an image, rounded, in the server's name."""
    rows = np.arange(3)
    boxes = np.array([[0, 0, 5 + row, 5] for row in rows], np.float32)
    points = np.full((3, 2, 2), 1.23456, np.float32)
    scores = np.array([0.123456789, 0.9, 0.8], np.float32)
    detections = detected(boxes, scores, np.zeros(3, int), points)
    name, records = metric.submission(metric.results({4: detections}, TRUTH), "test-dev2017")
    assert name == "person_keypoints_test-dev2017_mindpoint_results.json"
    assert [record["score"] for record in records] == [0.9, 0.8] and records[0]["keypoints"] == [1.23, 1.23, 1.0, 1.23, 1.23, 1.0]
    assert set(records[0]) == {"image_id", "category_id", "keypoints", "score", "bbox"}
