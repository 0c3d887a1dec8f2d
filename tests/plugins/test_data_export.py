"""Data for other programs: read back by the importers and by other readers; predictions as annotations."""

import csv
import json

import cv2
import numpy as np
import pytest
import yaml
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.prediction import Prediction, Source
from mindpoint.contracts.writer import Vocabulary
from mindpoint.errors import DataError
from mindpoint_coco import Keypoints
from mindpoint_coco.annotation_writer import AnnotationWriter
from mindpoint_coco.data_command.command import main
from pycocotools.coco import COCO

JOINTS = ["nose", "left_eye", "right_eye"]


@pytest.fixture
def people(tmp_path):
    """Two images, one without objects; a person, and a crowd."""
    for name in ("a/one.jpg", "two.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "images" / name), np.full((50, 100, 3), 99, np.uint8))
    person = {"image_id": 5, "category_id": 3, "bbox": [10, 5, 40, 20], "area": 400}
    content = {
        "images": [
            {"id": 5, "file_name": "a/one.jpg", "width": 100, "height": 50},
            {"id": 6, "file_name": "two.png", "width": 100, "height": 50},
        ],
        "categories": [{"id": 3, "name": "=person", "keypoints": JOINTS, "skeleton": [[1, 2]]}],
        "annotations": [
            {"id": 1, **person, "iscrowd": 0, "keypoints": [30, 10, 2, 0, 0, 0, 25.5, 9, 1], "num_keypoints": 2},
            {"id": 2, **person, "iscrowd": 1, "keypoints": [0] * 9, "num_keypoints": 0},
        ],
    }
    (tmp_path / "people.json").write_text(json.dumps(content))
    return tmp_path


def export(folder, form, *more):
    return main(["export", form, str(folder / "people.json"), "--images", str(folder / "images"), "--out", str(folder / "out"), *more])


def test_yolo_pose(people):
    assert export(people, "yolo-pose") == 0
    said = yaml.safe_load((people / "out" / "data.yaml").read_text())
    assert (
        said["kpt_shape"] == [3, 3]
        and said["flip_idx"] == [0, 2, 1]
        and said["names"] == {0: "=person"}
        and said["train"] == "images/people"
    )
    assert "path" not in said  # images are found from anywhere
    lines = (people / "out" / "labels" / "people" / "a" / "one.txt").read_text().splitlines()
    assert lines == ["0 0.3 0.3 0.4 0.4 0.3 0.2 2 0 0 0 0.255 0.18 1"]  # crowds are left out
    assert (people / "out" / "labels" / "people" / "two.txt").read_text() == ""
    assert (people / "out" / "images" / "people" / "a" / "one.jpg").read_bytes() == (people / "images" / "a" / "one.jpg").read_bytes()
    assert main(["import", "auto", str(people / "out"), str(people / "back")]) == 0
    back = json.loads((people / "back" / "annotations.json").read_text())
    assert [(a["bbox"], a["keypoints"]) for a in back["annotations"]] == [([10, 5, 40, 20], [30, 10, 2, 0, 0, 0, 25.5, 9, 1])]
    assert back["categories"][0]["keypoints"] == JOINTS and back["categories"][0]["flip_pairs"] == [["left_eye", "right_eye"]]
    assert len(back["images"]) == 2


def test_coco(people):
    assert export(people, "coco") == 0
    path = people / "out" / "annotations" / "people.json"
    assert json.loads(path.read_text()) == json.loads((people / "people.json").read_text())
    assert main(["check", str(path), "--images", str(people / "out" / "images" / "people")]) == 0


def test_csv(people):
    assert export(people, "csv") == 0
    rows = list(csv.DictReader((people / "out" / "people.csv").read_text().splitlines()))
    assert len(rows) == 2 and rows[0]["image"] == "a/one.jpg" and rows[0]["class"] == "'=person"  # no formula for a spreadsheet
    assert [float(rows[0][key]) for key in ("left", "top", "box width", "box height", "right_eye x", "right_eye v")] == [
        10,
        5,
        40,
        20,
        25.5,
        1,
    ]


def test_a_data_set_of_its_own_is_written_as_png(tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text("_base_: quickstart.yaml\ndata: {train: {dataset: {count: 2}}, val: {dataset: {count: 1}}}\n")
    assert main(["export", "coco", str(config), "--out", str(tmp_path / "out")]) == 0
    for split, count in (("train", 2), ("val", 1)):
        path = tmp_path / "out" / "annotations" / f"{split}.json"
        assert len(json.loads(path.read_text())["images"]) == count
        assert main(["check", str(path), "--images", str(tmp_path / "out" / "images" / split)]) == 0


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda c: c["images"][0].update(file_name="../x.jpg"), "image 5: its name '../x.jpg' leads out of the folder"),
        (lambda c: c["images"][1].update(file_name="a/one.png"), "image 6: another image has the same name as 'a/one.png'"),
        (lambda c: c["images"][1].update(file_name="three.png"), "three.png: no such image file .image 6"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2]), "annotation 1: 'bbox' must hold 4 numbers"),
        (lambda c: c["categories"][0].pop("keypoints"), "has no joints; export it as yolo"),
    ],
)
def test_what_cannot_be_exported(people, change, said):
    content = json.loads((people / "people.json").read_text())
    change(content)
    (people / "people.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=said):
        export(people, "yolo-pose")
    assert not (people / "out").exists()


# predictions as annotations

KEYPOINTS = Keypoints(JOINTS, [("nose", "left_eye")])


def prediction(source, frame=None):
    values = {
        "keypoints": np.array([[[10, 5], [20.126, 6], [120, 7]], [[1, 1], [2, 2], [3, 3]]], np.float32),
        "keypoint_scores": np.array([[0.9, 0.1, 0.9], [0.9, 0.9, 0.9]], np.float32),
        "from_heatmap": np.ones((2, 3), bool),
    }
    boxes = np.array([[-5, 2, 50, 60], [200, 10, 210, 20]], np.float32)
    found = Detections(
        boxes=boxes, labels=np.zeros(2, np.int64), scores=np.array([0.8, 0.7], np.float32), fields=KEYPOINTS.found(), values=values
    )
    return Prediction(np.zeros((50, 100, 3), np.uint8), found, ["person"], None, source, frame)


def test_annotations_by_hand(tmp_path):
    sources = [Source(str(tmp_path / "x" / "a.jpg"), "image"), Source(str(tmp_path / "film.mp4"), "video")]
    writer = AnnotationWriter(sources)
    writer.begin(tmp_path, Vocabulary(["person"], [3], KEYPOINTS.found()))
    writer.add(prediction(sources[0].name), 1)
    writer.add(prediction(sources[1].name, 7), 2)
    writer.close()
    content = json.loads((tmp_path / "annotations.json").read_text())
    assert [record["file_name"] for record in content["images"]] == ["x/a.jpg", "film.mp4_000007.png"]
    assert content["images"][1]["video"] == "film.mp4" and content["images"][1]["frame"] == 7
    assert content["categories"] == [{"id": 3, "name": "person", "keypoints": JOINTS, "skeleton": [[1, 2]]}]
    first, second = content["annotations"]  # the second object of each image lies outside
    assert first == {**second, "id": 1, "image_id": 1} and first["bbox"] == [0, 2, 50, 48] and first["score"] == 0.8
    assert first["keypoints"] == [10, 5, 2, 20.13, 6, 1, 0, 0, 0] and first["num_keypoints"] == 2
    assert len(COCO(str(tmp_path / "annotations.json")).getAnnIds(imgIds=[2])) == 1


def test_no_images_are_a_file_too(tmp_path):
    writer = AnnotationWriter([])
    writer.begin(tmp_path, Vocabulary(["person"], [3]))
    writer.close()
    content = json.loads((tmp_path / "annotations.json").read_text())
    assert content == {"annotations": [], "images": [], "categories": [{"id": 3, "name": "person"}]}
