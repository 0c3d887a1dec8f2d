"""PCK, AUC and errors in pixels, by hand and against plain NumPy; AP by crowding against the published program."""

import contextlib
import io
import json

import numpy as np
import pytest
from crowds import crowded
from mindpoint.contracts.metric import Metric, lower_is_better
from mindpoint.errors import ConfigError
from mindpoint_coco.importers.joint_sets import joint_set
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics.coco import CocoMetric
from mindpoint_coco.metrics.crowding import crowd_index
from mindpoint_coco.metrics.lengths import Length

MOUSE = Keypoints(["snout", "ear", "tail"], sigmas=[0.05] * 3)
PLACES = [[10, 20], [30, 20], [90, 60]]  # in a box of 100 x 50


def record(image_id, points, box=(0, 10, 100, 50), score=None):
    seen = [2.0, 2.0, 2.0] if score is None else [1.0] * 3
    flat = np.c_[np.array(points, float), seen].ravel().tolist()
    said = {"image_id": image_id, "category_id": 1, "bbox": list(map(float, box)), "keypoints": flat}
    return {**said, "area": box[2] * box[3], "num_keypoints": 3, "iscrowd": 0} if score is None else {**said, "score": score}


def truth_of(*annotations):
    images = [{"id": key, "width": 300, "height": 200} for key in sorted({one["image_id"] for one in annotations})]
    records = [{**one, "id": number} for number, one in enumerate(annotations, start=1)]
    return {"images": images, "annotations": records, "categories": [{"id": 1, "name": "mouse"}]}


def joints_of(metric, truth, results):
    values = metric.evaluate(truth, results, [image["id"] for image in truth["images"]])
    return {name.partition("/")[2]: value for name, value in values.items() if name.startswith("joints/")}


def moved(*offsets):
    return (np.array(PLACES) + offsets).tolist()


def test_by_hand():
    """Image 1: joints off by 5, 0 and 25 pixels, image 2: nothing is found. PCK@0.2 allows 20 pixels of a box of 100 x 50."""
    truth = truth_of(record(1, PLACES), record(2, PLACES))
    found = joints_of(CocoMetric(["mouse"], MOUSE), truth, [record(1, moved((3, 4), (0, 0), (15, 20)), score=0.9)])
    assert found == pytest.approx(
        {
            "PCK@0.2": 2 / 6,
            "AUC": (15 / 20 + 1) / 6,  # 1 - 5 / 20, 1 - 0 / 20, and 0 four times
            "mean_error": 10,
            "median_error": 5,
            "normalised_error": 0.1,
            "found": 0.5,
        }
    )


@pytest.mark.parametrize(
    "length, pck, name, allowed",
    [
        ("box", None, "PCK@0.2", 20),
        ("diagonal", [0.1], "PCK@0.1", 0.1 * np.hypot(100, 50)),
        ("area", None, "PCK@0.2", 0.2 * np.sqrt(5000)),
        (["snout", "tail"], [0.5], "PCK@0.5", 0.5 * np.hypot(80, 40)),
        ([["snout", "ear"], "tail"], None, "PCK@0.2", 0.2 * np.hypot(70, 40)),
    ],
)
def test_the_length_decides(length, pck, name, allowed):
    """The first joint is just within the threshold, the second just outside."""
    metric, truth = CocoMetric(["mouse"], MOUSE, length=length, pck=pck), truth_of(record(1, PLACES))
    found = joints_of(metric, truth, [record(1, moved((allowed - 0.01, 0), (0, allowed + 0.01), (0, 0)), score=0.5)])
    assert found[name] == pytest.approx(2 / 3)
    assert found["normalised_error"] == pytest.approx(found["mean_error"] / (allowed / float(name.split("@")[1])))


def test_several_thresholds_in_order():
    metric = CocoMetric(["mouse"], MOUSE, pck=[0.2, 0.05])
    found = joints_of(metric, truth_of(record(1, PLACES)), [record(1, moved((6, 0), (4, 0), (0, 21)), score=0.5)])
    assert list(found)[:2] == ["PCK@0.05", "PCK@0.2"] and found["PCK@0.05"] == pytest.approx(1 / 3)
    assert found["PCK@0.2"] == pytest.approx(2 / 3) and found["AUC"] == pytest.approx((14 / 20 + 16 / 20) / 3)


def test_torso_and_head_by_their_names():
    coco, mpii = joint_set("coco"), joint_set("mpii")
    points = np.zeros((2, 17, 3))
    for joint, place in (("right_shoulder", (0, 0)), ("left_hip", (30, 40)), ("left_shoulder", (10, 0)), ("right_hip", (10, 60))):
        points[:, coco.names.index(joint)] = (*place, 2)
    points[1, coco.names.index("left_hip"), 2] = 0  # the other diagonal is 60 long
    boxes, areas = np.array([[0, 0, 7, 9]] * 2), np.ones(2)
    assert Length(None, coco)(points, boxes, areas).tolist() == [50, 60]
    assert Length(None, MOUSE)(np.zeros((2, 3, 3)), boxes, areas).tolist() == [9, 9]
    body = np.zeros((1, 16, 3))
    body[0, mpii.names.index("head_top")] = body[0, mpii.names.index("upper_neck")] = (0, 0, 2)
    body[0, mpii.names.index("upper_neck"), 1] = 12
    assert Length("head", mpii)(body, boxes[:1], areas[:1]).tolist() == [12]
    assert Length("torso", Keypoints(["LShoulder", "RHip"])).text == "the torso, LShoulder to RHip"
    assert CocoMetric(["person"], mpii, length="head").statistics[10] == "joints/PCKh@0.5"


def test_an_undefined_length_leaves_the_joints_out_of_shares_but_not_of_pixels():
    metric, unlabelled = CocoMetric(["mouse"], MOUSE, length=["snout", "tail"]), record(2, PLACES)
    unlabelled["keypoints"][:3] = 0, 0, 0
    results = [record(1, moved((0, 0), (0, 0), (0, 50)), score=0.9), record(2, moved((9, 9), (0, 8), (0, 0)), score=0.9)]
    found = joints_of(metric, truth_of(record(1, PLACES), unlabelled), results)
    assert found["PCK@0.2"] == pytest.approx(2 / 3) and found["mean_error"] == pytest.approx((50 + 8) / 5)


def test_exchanged_ends_are_errors_and_not_a_missed_object():
    """Keypoint similarity is far below 0.5, the boxes overlap."""
    metric, truth = CocoMetric(["mouse"], MOUSE), truth_of(record(1, PLACES))
    result = record(1, [PLACES[2], PLACES[1], PLACES[0]], score=0.5)
    assert metric.evaluate(truth, [result], [1])["keypoints/AP"] == 0
    found = joints_of(metric, truth, [result])
    assert found["found"] == 1 and found["PCK@0.2"] == pytest.approx(1 / 3)
    assert found["mean_error"] == pytest.approx(2 / 3 * np.hypot(80, 40)) and found["median_error"] == pytest.approx(np.hypot(80, 40))
    away = joints_of(metric, truth, [{**result, "bbox": [200.0, 10.0, 100.0, 50.0]}])
    assert away["found"] == 0 and np.isnan(away["mean_error"]) and away["PCK@0.2"] == 0
    near = joints_of(metric, truth, [record(1, PLACES, box=(200, 10, 5, 5), score=0.5)])
    assert near["found"] == 1 and near["mean_error"] == 0  # by its joints


def test_the_best_scored_detection_counts_and_each_object_once():
    truth = truth_of(record(1, PLACES), record(1, (np.array(PLACES) + [150, 0]).tolist(), box=(150, 10, 100, 50)))
    results = [record(1, moved(*[(1, 0)] * 3), score=0.3), record(1, moved(*[(4, 0)] * 3), score=0.8)]
    found = joints_of(CocoMetric(["mouse"], MOUSE), truth, results)
    assert found["mean_error"] == 4 and found["found"] == 0.5


def test_joints_that_a_result_does_not_give_and_objects_that_do_not_count():
    crowd, plain = {**record(1, moved(*[(60, 60)] * 3), box=(60, 70, 100, 50)), "iscrowd": 1}, record(1, PLACES)
    result = record(1, moved((0, 6), (0, 0), (0, 0)), score=0.5)
    result["keypoints"][6:] = 0, 0, 0
    found = joints_of(CocoMetric(["mouse"], MOUSE), truth_of(plain, crowd), [result])
    assert found["mean_error"] == 3 and found["PCK@0.2"] == pytest.approx(2 / 3) and found["found"] == pytest.approx(2 / 3)


def test_plain_numpy_of_one_object_an_image():
    rng = np.random.default_rng(3)
    annotations, results, errors, lengths = [], [], [], []
    for image in range(30):
        size = rng.uniform(20, 200, 2)
        points, off = rng.uniform(0, 1, (3, 2)) * size, rng.normal(0, 0.15 * size.max(), (3, 2))
        labelled = rng.random(3) > 0.2
        labelled[0] = True
        annotation = record(image, points, box=(0, 0, *size))
        annotation["keypoints"] = (np.c_[points, 2 * np.ones(3)] * labelled[:, None]).ravel().tolist()
        annotation["num_keypoints"] = int(labelled.sum())
        annotations.append(annotation)
        there = rng.random() > 0.2
        if there:
            results.append(record(image, points + off, box=(0, 0, *size), score=rng.random()))
        errors += np.where(there, np.linalg.norm(off, axis=1), np.nan)[labelled].tolist()
        lengths += [size.max()] * int(labelled.sum())
    errors, lengths = np.array(errors), np.array(lengths)
    found = joints_of(CocoMetric(["mouse"], MOUSE), truth_of(*annotations), results)
    assert found["PCK@0.2"] == pytest.approx(np.mean(errors <= 0.2 * lengths))
    thresholds = np.linspace(0, 0.2, 20001)
    assert found["AUC"] == pytest.approx(np.mean([np.mean(errors <= share * lengths) for share in thresholds]), abs=1e-4)
    assert found["mean_error"] == pytest.approx(np.nanmean(errors)) and found["median_error"] == pytest.approx(np.nanmedian(errors))
    assert found["normalised_error"] == pytest.approx(np.nanmean(errors / lengths))
    assert found["found"] == pytest.approx(np.mean(~np.isnan(errors)))


def test_each_joint_and_each_class():
    metric = CocoMetric(["mouse"], MOUSE)
    detailed, truth = metric.detailed(), truth_of(record(1, PLACES))
    values = detailed.evaluate(truth, [record(1, moved((3, 4), (0, 0), (0, 30)), score=0.5)], [1])
    assert list(values) == list(detailed.statistics) and metric.statistics == CocoMetric(["mouse"], MOUSE).statistics
    assert [values[f"joints/mean_error/{name}"] for name in MOUSE.names] == [5, 0, 30]
    assert [values[f"joints/PCK@0.2/{name}"] for name in MOUSE.names] == [1, 1, 0]
    lines = detailed.table(values).splitlines()
    assert any(line.endswith("  joint") for line in lines) and any(line.endswith("  tail") and " 30.000" in line for line in lines)
    assert "within 0.2 of the longer side of the box" in detailed.table(values)
    several = CocoMetric(["a", "b"]).detailed().statistics
    assert "bbox/AP/b" in several and not any(name.startswith("joints") for name in several)


def test_the_report_has_a_table_and_a_curve():
    truth, results = truth_of(record(1, PLACES), record(2, PLACES)), [record(1, moved((3, 4), (0, 0), (0, 30)), score=0.5)]
    analysis = CocoMetric(["mouse"], MOUSE).analyse(truth, results, [1, 2])
    (table,) = [table for table in analysis.tables if table.title == "Distances of joints"]
    rows = {row[0]: dict(zip(table.columns, row)) for row in table.rows}
    assert rows["tail"]["labelled"] == 2 and rows["tail"]["mean_error"] == "30" and rows["tail"]["PCK@0.2"] == 0
    assert rows["all joints"]["found"] == 0.5
    (chart,) = [chart for chart in analysis.charts if chart.title == "PCK over its threshold"]
    assert chart.lines[0].y[0] == pytest.approx(1 / 6) and chart.lines[0].y[29:32] == pytest.approx([2 / 6, 3 / 6, 3 / 6])


@pytest.mark.parametrize("classes, joints", [(1, 5), (3, 2)])
def test_a_resample_gives_the_numbers_of_copied_images(classes, joints):
    """By the metric itself, and by evaluating the copies from the start."""
    truth, results = crowded(5, classes, joints, ties=False)
    names, ids = [str(number) for number in range(1, classes + 1)], list(range(1, 41))
    metric = CocoMetric(names, Keypoints([f"joint{n}" for n in range(joints)], sigmas=[0.06] * joints), crowding=True).detailed()
    fast, slow = metric.resampler(truth, results, ids), Metric.resampler(metric, truth, results, ids)
    counts = np.bincount(np.random.default_rng(1).integers(0, 40, 40), minlength=40)
    for drawn, expected in ((np.ones(40, int), metric.evaluate(truth, results, ids)), (counts, slow(counts))):
        assert list(fast(drawn)) == list(expected)
        assert fast(drawn) == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert fast(counts)["keypoints/AP"] != pytest.approx(fast(np.ones(40, int))["keypoints/AP"])


def test_crowd_index_by_hand():
    """The first object holds two joints of the second beside its own four, the second one of the first's beside its own two."""
    first = {"bbox": [0, 0, 10, 10], "keypoints": [1, 1, 2, 2, 2, 2, 3, 3, 1, 8, 8, 2]}
    second = {"bbox": [7, 7, 10, 10], "keypoints": [9, 9, 2, 10, 10, 1, 0, 0, 0, 0, 0, 0]}
    assert crowd_index([first, second]) == pytest.approx((2 / 4 + 1 / 2) / 2)
    assert crowd_index([first, {**second, "keypoints": [0] * 12}]) == 0 and crowd_index([]) == 0


def test_ap_by_crowding_is_that_of_the_published_program(tmp_path):
    """As faster-coco-eval has it from there."""
    from faster_coco_eval import COCO, COCOeval_faster

    truth, results = crowded(7, 1, 14, ties=False)
    rng = np.random.default_rng(0)
    for image in truth["images"]:
        image["crowdIndex"] = float(rng.choice([0.0, 0.1, 0.2, 0.5, 0.8, 0.95]))
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    joints = joint_set("crowdpose")
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO(str(tmp_path / "truth.json"))
        run = COCOeval_faster(index, index.loadRes([dict(result) for result in results]), "keypoints_crowd", kpt_oks_sigmas=joints.sigmas)
        run.evaluate()
        run.accumulate()
        run.summarize()
    values = CocoMetric(["1"], joints, crowding=True).evaluate(truth, results, range(1, 41))
    ours = [values[f"keypoints/{name}"] for name in ("AP", "AP50", "AP75", "AR", "AR50", "AR75", "AP(E)", "AP(M)", "AP(H)")]
    np.testing.assert_allclose(ours, run.stats, atol=6e-5)  # it rounds the last three
    assert len(set(np.round(ours[-3:], 4))) == 3
    without = {**truth, "images": [{key: image[key] for key in image if key != "crowdIndex"} for image in truth["images"]]}
    assert not np.isnan(CocoMetric(["1"], joints, crowding=True).evaluate(without, results, range(1, 41))["keypoints/AP(E)"])


def test_a_file_of_crowdpose(formats):
    truth = json.loads((formats / "crowdpose" / "test_crowdpose.json").read_text())
    results = [{**one, "score": 0.9} for one in truth["annotations"] if one["num_keypoints"]]
    ids = [image["id"] for image in truth["images"]]
    values = CocoMetric(["person"], joint_set("crowdpose"), crowding=True).evaluate(truth, results, ids)
    assert values["keypoints/AP(M)"] == pytest.approx(1) and np.isnan(values["keypoints/AP(E)"])  # indices of 0.33 and 0.39
    assert values["joints/PCK@0.2"] == 1 and values["joints/mean_error"] == 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"length": "leg"}, "'leg' is not one of box, diagonal, area, torso, head, or a list of two joints"),
        ({"length": "torso"}, r"snout, ear, tail include no torso by name; give its two ends, such as \[snout, tail\]"),
        ({"length": ["snout", "paw"]}, "no joint is named 'paw'; there are snout, ear, tail"),
        ({"length": ["snout"]}, "give two different ends"),
        ({"length": ["snout", ["snout"]]}, "give two different ends"),
        ({"pck": [0.0, 0.2]}, "must contain positive numbers"),
        ({"pck": []}, "must contain positive numbers"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(ConfigError, match=message):
        CocoMetric(["mouse"], MOUSE, **arguments)


def test_types():
    assert CocoMetric(["mouse"], MOUSE, types=["joints"]).main == "joints/PCK@0.2"
    with pytest.raises(ConfigError, match="'joints'; choose among bbox; keypoint statistics need"):
        CocoMetric(["mouse"], types=["joints"])
    assert [name for name in CocoMetric(["mouse"], MOUSE).detailed().statistics if lower_is_better(name)][:4] == [
        "joints/mean_error", "joints/median_error", "joints/normalised_error", "joints/mean_error/snout",
    ]  # fmt: skip
