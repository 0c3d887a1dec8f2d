"""Classes with joints of their own in one network: from the annotation file to the drawn picture."""

import csv
import io
import json

import cv2
import kites
import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.contracts.image import InputSpec, Sample, View
from mindpoint.contracts.instances import Detections, Objects
from mindpoint.contracts.records import cells, columns, to_coco, to_records
from mindpoint.data.build import build_dataset, build_metric
from mindpoint.errors import ConfigError, DataError
from mindpoint.visual.objects import ObjectVisualizer
from mindpoint_centernet.decoders.multi_pose import MultiPoseDecoder
from mindpoint_centernet.targets.multi_pose import MultiPoseTargets
from mindpoint_coco.data_command.command import main
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics.coco import CocoMetric
from test_export_nodes import run

CLASSES = ["dog", "ball", "person"]  # in another order than the joints
PERSON = {"names": ["nose", "left_hand", "right_hand"], "skeleton": [["nose", "left_hand"]], "sigmas": [0.1, 0.2, 0.2]}
DOG = {"names": ["tail", "nose", "left_paw", "right_paw"], "skeleton": [["tail", "nose"]], "sigmas": [0.3, 0.1, 0.1, 0.1]}
BLOCKS = {"person": PERSON, "dog": DOG}
JOINTS = Keypoints(classes=BLOCKS)
BACK, HEAD = 3, 4  # of the dog among all joints


def test_all_joints_one_after_the_other():
    assert JOINTS.names == ("person_nose", "left_hand", "right_hand", "tail", "dog_nose", "left_paw", "right_paw")
    assert JOINTS.flip_index.tolist() == [0, 2, 1, 3, 4, 6, 5]
    assert JOINTS.sigmas.tolist() == [0.1, 0.2, 0.2, 0.3, 0.1, 0.1, 0.1] and JOINTS.skeleton == ((0, 1), (3, 4))
    dog, ball, person = JOINTS.sets_of(CLASSES)
    assert (dog.names, dog.places, dog.lines) == (("tail", "nose", "left_paw", "right_paw"), (3, 4, 5, 6), ((0, 1),))
    assert (ball.names, person.places) == ((), (0, 1, 2))


def test_joints_that_are_shared():
    shared = Keypoints(classes=BLOCKS, shared=["nose"])
    assert shared.names == ("nose", "left_hand", "right_hand", "tail", "left_paw", "right_paw")
    assert shared.places == {"person": (0, 1, 2), "dog": (3, 0, 4, 5)} and shared.of("dog").sigmas.tolist() == [0.3, 0.1, 0.1, 0.1]
    assert shared.skeleton == ((0, 1), (3, 0))


@pytest.mark.parametrize(
    "section, said",
    [
        ({}, "keypoints: give either 'names', the joints of all classes, or 'classes'"),
        ({"names": ["a"], "classes": {}}, "keypoints: give either 'names'"),
        ({"classes": BLOCKS, "sigmas": [1]}, "with 'classes', set skeleton, flip_pairs, sigmas and colors for each class"),
        ({"classes": {"dog": {"nmaes": ["a"]}}}, "keypoints.classes.dog: unknown key 'nmaes'; the keys are names, skeleton"),
        ({"classes": {"dog": {}}}, "keypoints.classes.dog: 'names' is missing"),
        ({"classes": {"dog": {"names": ["a", "a"]}}}, "keypoints.classes.dog.names: names must differ; repeated: a"),
        ({"classes": {"dog": {"names": ["a"], "sigmas": [1, 2]}}}, "keypoints.classes.dog.sigmas: 2 values for 1 joints"),
        ({"classes": {"a": {"names": ["x", "b_y"]}, "b": {"names": ["y"]}, "c": {"names": ["y"]}}}, "two joints are named 'b_y'"),
        ({"classes": BLOCKS, "shared": ["tail"]}, "keypoints.shared: 'tail' must be a joint of at least two classes"),
        (
            {"classes": {"a": {"names": ["left_x", "right_x"]}, "b": {"names": ["left_x"]}}, "shared": ["left_x"]},
            "keypoints.classes.b: the joint 'right_x' is missing",
        ),
    ],
)
def test_joints_that_do_not_fit(section, said):
    with pytest.raises(ConfigError, match=said):
        Keypoints(**section)


def test_joints_of_a_class_that_is_not_there():
    with pytest.raises(ConfigError, match="keypoints.classes: unknown class 'person'; 'classes' has dog"):
        JOINTS.annotated(["dog"])


# data

CONTENT = {
    "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 2, 20, 30], "keypoints": [5, 6, 2, 3, 20, 1, 0, 0, 0]},
        {"id": 2, "image_id": 1, "category_id": 7, "bbox": [30, 20, 30, 20], "keypoints": [31, 25, 2, 55, 22, 2, 50, 38, 2, 54, 39, 1]},
        {"id": 3, "image_id": 1, "category_id": 3, "bbox": [10, 38, 6, 6], "area": 30},
    ],
    "categories": [
        {"id": 1, "name": "person", "keypoints": PERSON["names"], "skeleton": [[1, 2]]},
        {"id": 3, "name": "ball"},
        {"id": 7, "name": "dog", "keypoints": DOG["names"], "skeleton": [[1, 2]]},
    ],
}
SEEN = [  # person, dog, ball in all seven joints
    [[5, 6, 2], [3, 20, 1], [0, 0, 0]] + [[0, 0, 0]] * 4,
    [[0, 0, 0]] * 3 + [[31, 25, 2], [55, 22, 2], [50, 38, 2], [54, 39, 1]],
    [[0, 0, 0]] * 7,
]


@pytest.fixture
def folder(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
    (tmp_path / "set.json").write_text(json.dumps(CONTENT))
    return tmp_path


@pytest.fixture
def dataset(folder):
    return CocoDataset(str(folder / "set.json"), str(folder), CLASSES, JOINTS)


def test_records_are_read_by_their_class(dataset):
    assert dataset.objects(0).labels.tolist() == [2, 0, 1] and dataset.objects(0).keypoints.tolist() == SEEN
    truth = dataset.ground_truth()
    assert [record["keypoints"] for record in truth["annotations"]] == [*(r["keypoints"] for r in CONTENT["annotations"][:2]), []]
    assert [record["num_keypoints"] for record in truth["annotations"]] == [2, 4, 0]
    assert [(record["name"], record["keypoints"], record["skeleton"]) for record in truth["categories"]] == [
        ("dog", DOG["names"], [[1, 2]]),
        ("ball", [], []),
        ("person", PERSON["names"], [[1, 2]]),
    ]


def test_a_mirror_exchanges_joints_within_a_class(dataset):
    mirrored = dataset.objects(0).mirror(64)
    assert mirrored.keypoints[0, :3].tolist() == [[58, 6, 2], [63, 0, 0], [60, 20, 1]], "the left hand is a right one"
    assert mirrored.keypoints[1, 3:].tolist() == [[32, 25, 2], [8, 22, 2], [9, 39, 1], [13, 38, 2]]
    assert not mirrored.keypoints[0, 3:, 2].any() and not mirrored.keypoints[1, :3, 2].any()


def test_a_record_of_the_wrong_class(folder):
    content = json.loads(json.dumps(CONTENT))
    content["annotations"][1]["keypoints"] = [1, 2, 2] * 3
    (folder / "set.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"annotation 2: 'keypoints' is not a list of 12 finite numbers \(x, y, visibility of 4 points\)"):
        CocoDataset(str(folder / "set.json"), str(folder), CLASSES, JOINTS)


@pytest.fixture
def config(folder):
    block = {"type": "CocoDataset", "annotations": str(folder / "set.json"), "images": str(folder)}
    content = {
        "_base_": "quickstart.yaml",
        "classes": CLASSES,
        "input": {"size": [64, 64]},
        "keypoints": {"_replace_": True, "classes": BLOCKS},
        "data": {"train": {"dataset": block}, "val": {"dataset": block}},
        "test": {"metric": {"per_class": True}},
    }
    (folder / "mine.yaml").write_text(json.dumps(content))
    return str(folder / "mine.yaml")


def test_commands_on_data(config, folder, capsys):
    assert main(["check", config, "--split", "val"]) == 1  # iscrowd and the like are missing
    out = capsys.readouterr().out
    assert "lacks 'num_keypoints', but 4 joints are labelled" in out and "other joints" not in out and "'keypoints' is not" not in out
    assert "person: sigmas in pixels" not in out and "dog: " not in out, "without num_keypoints no object has an area for sigmas"
    assert main(["check", config, "--split", "val", "--fix", str(folder / "mended")]) == 0
    capsys.readouterr()
    assert main(["check", str(folder / "mended" / "val.json"), "--images", str(folder), "--config", config]) == 0
    out = capsys.readouterr().out
    assert "dog: sigmas in pixels" in out and "keypoints.sigmas is not set" not in out, "each class has sigmas of its own"
    assert json.loads((folder / "mended" / "val.json").read_text())["annotations"][1]["num_keypoints"] == 4
    assert main(["stats", config, "--split", "val", "--out", str(folder / "stats")]) == 0
    said = json.loads((folder / "stats" / "statistics.json").read_text())["val"]
    assert said["objects_without_joints"] == 0 and said["joints"]["tail"] == {"visible": 1, "hidden": 0, "not_labelled": 0}
    assert said["joints"]["right_hand"] == {"visible": 0, "hidden": 0, "not_labelled": 1}, "the dog has no right hand to be labelled"
    assert main(["export", "csv", config, "--split", "val", "--out", str(folder / "csv")]) == 0
    rows = list(csv.DictReader(io.StringIO((folder / "csv" / "val.csv").read_text())))
    assert [rows[1][key] for key in ("tail x", "dog_nose v", "left_hand x", "person_nose v")] == ["31", "2", "", ""]
    assert main(["export", "yolo-pose", config, "--split", "val", "--out", str(folder / "yolo")]) == 0
    line = (folder / "yolo" / "labels" / "val" / "a.txt").read_text().splitlines()[1].split()
    assert len(line) == 5 + 3 * 7 and line[5:14] == ["0"] * 9 and float(line[14]) == pytest.approx(31 / 64, abs=1e-6)


def test_a_file_alone_tells_the_joints_of_each_class(folder, capsys):
    mended = json.loads(json.dumps(CONTENT))
    for record in mended["annotations"]:
        record.update(iscrowd=0, area=100, num_keypoints=sum(v > 0 for v in record.get("keypoints", [])[2::3]))
    (folder / "set.json").write_text(json.dumps(mended))
    assert main(["check", str(folder / "set.json"), "--images", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "person: sigmas in pixels at the median of 1 people" in out and "dog: sigmas in pixels" in out
    assert main(["browse", str(folder / "set.json"), "--images", str(folder), "--out", str(folder / "look")]) == 0


def test_converted_and_back(config, folder):
    from mindpoint_coco.datasets.mindrecord import MindRecordDataset

    assert main(["convert", config, "--split", "val", "--out", str(folder / "records"), "--shards", "1"]) == 0
    stored, files = MindRecordDataset(str(folder / "records" / "val"), CLASSES, JOINTS), build_dataset(load_config(config), "val")
    np.testing.assert_array_equal(stored.objects(0).keypoints, files.objects(0).keypoints)
    assert stored.ground_truth()["annotations"] == files.ground_truth()["annotations"]


# targets and decoding

SPEC = InputSpec((64, 64), (0, 0, 0), (1, 1, 1))


@pytest.fixture
def sample(dataset):
    return Sample(1, "a", np.zeros((64, 64, 3), np.uint8), dataset.objects(0), View((32, 32), 64))


@pytest.mark.parametrize("unlabelled", ["parity", "ignore"])
def test_targets_hold_own_joints_alone(sample, unlabelled):
    targets = MultiPoseTargets(JOINTS, CLASSES, SPEC, max_objects=4, unlabelled=unlabelled)(sample)
    mask = targets["hps_mask"].reshape(4, 7, 2)[..., 0]
    assert mask.tolist() == [[1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 1], [0] * 7, [0] * 7]
    assert [int((heat == 1).sum()) for heat in targets["hm_hp"]] == [1, 1, 0, 1, 1, 1, 1]
    assert targets["hps"].reshape(4, 7, 2)[1, BACK].tolist() == [31 / 4 - 11, 25 / 4 - 7], "relative to the pixel of the dog's centre"
    assert targets["reg_mask"].tolist() == [1, 1, 1, 0], "the ball has a box to learn, since its class has no joints"
    assert [int((heat == 1).sum()) for heat in targets["hm"]] == [1, 1, 1]
    if unlabelled == "ignore":
        assert targets["hm_weight"].min() == 1


def decoder(**more):
    return MultiPoseDecoder(JOINTS, CLASSES, top_k=5, **more)


@pytest.fixture
def maps(sample):
    active = MultiPoseTargets(JOINTS, CLASSES, SPEC).perfect_outputs(sample)
    rng = np.random.default_rng(3)
    noise = {name: rng.normal(0, 1, values.shape).astype(np.float32) for name, values in active.items()}
    filled = {name: np.where(np.isnan(values), noise[name], values)[None] for name, values in active.items()}
    return decoder().to_logits(filled)


def test_detections_have_the_joints_of_their_class(sample, maps):
    (found,) = decoder()(maps, [sample.view])
    best = found.select(np.flatnonzero(found.scores > 0.5))
    assert sorted(best.labels.tolist()) == [0, 1, 2]
    rows = {CLASSES[label]: row for row, label in enumerate(best.labels.tolist())}
    np.testing.assert_allclose(best.keypoints[rows["dog"], 3:], np.array(SEEN[1])[3:, :2], atol=1e-3)
    np.testing.assert_allclose(best.keypoints[rows["person"], :2], np.array(SEEN[0])[:2, :2], atol=1e-3)
    assert np.isnan(best.keypoints[rows["dog"], :3]).all() and np.isfinite(best.keypoints[rows["dog"], 3:]).all()
    assert np.isnan(best.keypoints[rows["ball"]]).all() and not best.keypoint_scores[rows["ball"]].any()
    assert not best.from_heatmap[rows["person"], 3:].any() and best.from_heatmap[rows["person"], :2].all()
    for row, name in ((rows["dog"], "dog"), (rows["ball"], "ball")):
        record = to_records(best, CLASSES)[row]
        assert record["class"] == name and [point["name"] for point in record["keypoints"]] == BLOCKS.get(name, {"names": []})["names"]
    (mirrored,) = decoder()(maps, [sample.view], decoder().mirror(maps))
    np.testing.assert_allclose(mirrored.keypoints[0], found.keypoints[0], atol=1e-3)


@pytest.mark.parametrize("suppression", ["soft", "oks"])
def test_several_scales_are_merged_class_by_class(sample, maps, suppression):
    (found,) = decoder()(maps, [sample.view])
    best = found.select(np.flatnonzero(found.scores > 0.5))
    merged = decoder(suppression=suppression).merge([best, best])
    strong = merged.select(np.flatnonzero(merged.scores > 0.5))
    assert sorted(strong.labels.tolist()) == [0, 1, 2], "each object once"


@pytest.mark.slow
def test_onnx_and_mindspore_decode_the_same(maps):
    import mindspore as ms

    part, rng = decoder(), np.random.default_rng(5)
    maps = {name: rng.normal(0, 3, values.shape).astype(np.float32) for name, values in maps.items()}  # without equal scores
    (expected,) = part(maps, [View((32, 32), 64)])
    by_onnx = run(dict(maps), lambda graph: part.onnx_nodes(graph, {name: name for name in maps}, dict.fromkeys(maps, 4)))
    outputs = part.cell(list(maps), dict.fromkeys(maps, 4))(*(ms.Tensor(values) for values in maps.values()))
    by_cell = dict(zip(("boxes", "scores", "labels", *(field.name for field in part.fields)), (each.asnumpy() for each in outputs)))
    count = len(expected)
    assert count == 5 and len(set(expected.labels.tolist())) > 1
    for name, values in expected.values.items():
        for found in (by_onnx[name], by_cell[name]):
            np.testing.assert_allclose(found[0, :count].astype(np.float64), values.astype(np.float64), atol=2e-4, err_msg=name)


# results

FOUND = Detections(
    np.array([[0, 0, 9, 9], [20, 20, 40, 40], [1, 1, 4, 4]], np.float32),
    np.array([0.9, 0.8, 0.7], np.float32),
    np.array([2, 0, 1]),
    JOINTS.found(CLASSES),
    {
        "keypoints": np.where(JOINTS.found(CLASSES)[0].owned[[2, 0, 1], :, None], np.arange(42).reshape(3, 7, 2), np.nan).astype(
            np.float32
        ),
        "keypoint_scores": np.full((3, 7), 0.5, np.float32),
        "from_heatmap": np.ones((3, 7), bool),
    },
)


def test_records_carry_the_joints_of_the_class():
    person, dog, ball = to_coco(FOUND, 5, [7, 3, 1])
    assert person["keypoints"] == [0, 1, 1, 2, 3, 1, 4, 5, 1] and dog["keypoints"][:6] == [20, 21, 1, 22, 23, 1] and ball["keypoints"] == []
    assert json.loads(json.dumps(to_records(FOUND, CLASSES)))[1]["keypoints"][0] == {
        "name": "tail", "x": 20.0, "y": 21.0, "score": 0.5, "from_heatmap": True,
    }  # fmt: skip
    table = [dict(zip(columns(FOUND.fields), cells(FOUND, row))) for row in range(3)]
    assert (table[1]["tail_x"], table[1]["person_nose_x"], table[1]["person_nose_score"], table[0]["tail_from_heatmap"]) == (20, "", "", "")
    assert set(table[2].values()) == {""}


def test_pictures_show_the_lines_of_the_class():
    values = {"keypoints": np.array([[[10, 10, 2], [50, 10, 2], [0, 0, 0], [10, 50, 2], [50, 50, 2], [0, 0, 0], [0, 0, 0]]], np.float32)}
    drawn = []
    for label in (2, 0, 1):
        objects = Objects(np.array([[2, 2, 60, 60]], np.float32), np.array([label]), fields=[JOINTS.annotated(CLASSES)], values=values)
        drawn.append(ObjectVisualizer(CLASSES, boxes=False).draw_objects(np.zeros((64, 64, 3), np.uint8), objects))
    assert [bool(picture[10, 30].any()) for picture in drawn] == [True, False, False], "the person's line from nose to hand"
    assert [bool(picture[50, 30].any()) for picture in drawn] == [False, True, False], "the dog's line from tail to nose"


def shifted(truth, by):
    """Results ``by`` pixels to the right of the truth, by category name."""
    ids = {record["id"]: record["name"] for record in truth["categories"]}
    results = []
    for number, record in enumerate(truth["annotations"]):
        points = [value + by[ids[record["category_id"]]] * (place % 3 == 0) for place, value in enumerate(record["keypoints"])]
        results.append(
            {**{key: record[key] for key in ("image_id", "category_id", "bbox")}, "keypoints": points, "score": 0.9 - number / 10}
        )
    return results


def test_each_class_is_measured_by_its_own_joints(dataset):
    """OKS by hand: the person's area is 600, nose and left hand are labelled, with sigmas 0.1 and 0.2; 5 pixels off it is
    (exp(-25 / (2 * 600 * 0.04)) + exp(-25 / (2 * 600 * 0.16))) / 2 = 0.736: right up to 0.70, five thresholds of ten. The dog's, 2 pixels
    off, is (exp(-4 / (2 * 600 * 0.36)) + 3 exp(-4 / (2 * 600 * 0.04))) / 4 = 0.938: nine."""
    metric, truth = CocoMetric(CLASSES, JOINTS, per_class=True), dataset.ground_truth()
    results = shifted(truth, {"person": 5, "dog": 2, "ball": 0})
    stats = metric.evaluate(truth, results, [1])
    assert stats["keypoints/AP/person"] == pytest.approx(0.5) and stats["keypoints/AP/dog"] == pytest.approx(0.9)
    assert stats["keypoints/AP"] == pytest.approx(0.7) and "keypoints/AP/ball" not in stats and stats["bbox/AP/ball"] == pytest.approx(1)
    assert stats["joints/mean_error"] == pytest.approx((2 * 5 + 4 * 2) / 6) and stats["joints/found"] == 1
    assert set(metric.statistics) == set(stats)
    report = metric.analyse(truth, results, [1])
    assert [table.title for table in report.tables] == ["Cost of errors", "Joints of dog", "Joints of person", "Distances of joints"]
    assert [row[0] for row in report.tables[1].rows] == DOG["names"]


def test_a_class_counts_as_if_it_were_alone(dataset):
    rng = np.random.default_rng(1)
    truth = {"images": [{"id": number} for number in range(1, 9)], "categories": dataset.categories(), "annotations": []}
    for number in range(1, 41):
        record = dict(dataset.ground_truth()["annotations"][number % 2], id=number, image_id=1 + number % 8)
        record["keypoints"] = [v if place % 3 == 2 else v + 30 * (number // 8) for place, v in enumerate(record["keypoints"])]
        if number % 7 == 0:
            record.update(num_keypoints=0, keypoints=[0] * len(record["keypoints"]))
        truth["annotations"].append(record)
    results = [
        {**{key: record[key] for key in ("image_id", "category_id", "bbox")}, "score": float(rng.random()),
         "keypoints": [v if place % 3 == 2 else v + float(rng.normal(0, 3)) for place, v in enumerate(record["keypoints"])]}
        for record in truth["annotations"]
    ]  # fmt: skip
    together = CocoMetric(CLASSES, JOINTS, per_class=True).evaluate(truth, results, range(1, 9))
    for name in ("person", "dog"):
        (category,) = (record["id"] for record in truth["categories"] if record["name"] == name)
        own = {**truth, "annotations": [record for record in truth["annotations"] if record["category_id"] == category]}
        mine = [record for record in results if record["category_id"] == category]
        alone = CocoMetric([name], Keypoints(**BLOCKS[name]), engine="pycocotools").evaluate(own, mine, range(1, 9))
        assert 0 < alone["keypoints/AP"] < 1
        assert together[f"keypoints/AP/{name}"] == pytest.approx(alone["keypoints/AP"], abs=1e-12)
        assert together[f"keypoints/AR/{name}"] == pytest.approx(alone["keypoints/AR"], abs=1e-12)


def test_a_resample_of_all_images_gives_the_statistics(dataset):
    metric, truth = CocoMetric(CLASSES, JOINTS, per_class=True, per_joint=True, crowding=True), dataset.ground_truth()
    results = shifted(truth, {"person": 5, "dog": 2, "ball": 0})
    whole, drawn = metric.evaluate(truth, results, [1]), metric.resampler(truth, results, [1])(np.array([1]))
    assert drawn == pytest.approx(whole, nan_ok=True) and whole["joints/mean_error/tail"] == pytest.approx(2)


def test_result_files_are_checked_class_by_class(config, folder):
    loaded = load_config(config)
    metric, truth = build_metric(loaded), build_dataset(loaded, "val").ground_truth()
    path = folder / "results.json"
    results = shifted(truth, {"person": 0, "dog": 0, "ball": 0})
    path.write_text(json.dumps(results))
    assert len(metric.read_results(str(path), truth)) == 3
    results[1]["keypoints"] = results[0]["keypoints"]
    path.write_text(json.dumps(results))
    with pytest.raises(DataError, match=r"result 1: keypoints must hold 12 numbers \(x, y, v of 4 joints\), got 9"):
        metric.read_results(str(path), truth)


@pytest.mark.slow
def test_one_network_learns_both_kinds(tmp_path, monkeypatch):
    """Four people with nine joints and four kites with four: every class reaches an AP of 0.9 within the steps of --overfit."""
    from mindpoint.cli.main import main as mindpoint

    person = ["nose", *(f"{side}_{name}" for name in ("shoulder", "wrist", "hip", "ankle") for side in ("left", "right"))]
    look = {
        "size": [64, 64],
        "people": [1, 1],
        "height": [0.85, 0.95],
        "actions": ["stand"],
        "facing": ["front"],
        "arms": ["hang", "raise"],
    }
    sets = [{"type": "SyntheticPeople", "count": 4, "seed": 1, **look}, {"type": "kites:Kites", "count": 4, "seed": 1, "side": 64}]
    content = {
        "_base_": ["_base_/model/multi_pose.yaml", "_base_/data/input_coco.yaml"],
        "input": {"size": [64, 64]},
        "classes": ["person", "kite"],
        "keypoints": {
            "classes": {
                "person": {"names": person, "sigmas": [0.09] * len(person)},
                "kite": {"names": kites.NAMES, "sigmas": [0.1] * 4},
            }
        },
        "model": {
            "backbone": {"type": "ResNet", "depth": 18, "width": 16},
            "neck": {"type": "Deconv", "conv": "plain", "channels": [32, 32, 32]},
            "heads": {"pose": {"head_conv": 32}},
        },
        "data": {
            "train": {
                "dataset": {"type": "ConcatDataset", "datasets": sets},
                "targets": {"type": "MultiPoseTargets"},
                "batch_size": 8,
            }
        },
        "optimizer": {"type": "Adam", "lr": 2e-3},
        "schedule": {"type": "Constant"},
        "train": {"epochs": 1},
        "test": {"metric": {"per_class": True}},
    }
    (tmp_path / "both.yaml").write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    assert mindpoint(["train", "both.yaml", "--overfit", "8", "--out", "run"]) == 0
    found = json.loads((tmp_path / "run" / "statistics.json").read_text())["statistics"]
    assert found["keypoints/AP/person"] > 0.8 and found["keypoints/AP/kite"] > 0.8 and found["keypoints/AP"] > 0.9
