"""data check --fix: what can be told from the rest is mended, and --drop leaves out what cannot."""

import copy
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.datasets.coco_check import check_content
from mindpoint_coco.datasets.coco_mend import mended, without_hopeless
from mindpoint_coco.datasets.restored import restored_points, whole
from mindpoint_coco.keypoints import Keypoints

NAMES = ["nose", "left_wrist", "right_wrist"]
JOINTS = (Keypoints(NAMES).annotated(),)
NAN = float("nan")
SIZES = {31: (40, 30), 12: (20, 25)}  # width, height
CONTENT = {
    "images": [{"id": key, "file_name": f"{key}.png", "width": w, "height": h} for key, (w, h) in SIZES.items()],
    "annotations": [
        {
            "id": number,
            "image_id": image,
            "category_id": 8,
            "bbox": [2, 3, 10, 12],
            "area": 60,
            "iscrowd": 0,
            "num_keypoints": 2,
            "keypoints": [5, 6, 2, 0, 0, 0, 7, 9 + number % 5, 1],
        }
        for number, image in ((44, 31), (17, 12), (23, 31))
    ],
    "categories": [{"id": 8, "name": "person", "keypoints": NAMES, "skeleton": [[1, 2]]}],
}


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    for key, (width, height) in SIZES.items():
        cv2.imwrite(str(tmp_path / "images" / f"{key}.png"), np.full((height, width, 3), key, np.uint8))
    return tmp_path / "images"


def each(kind, **values):
    return lambda content: [record.update(copy.deepcopy(values)) for record in content[kind]]


def one(kind, index, **values):
    return lambda content: content[kind][index].update(values)


def without(kind, index, *keys):
    return lambda content: [content[kind][index].pop(key) for key in keys]


def retyped(kind, key, to):
    return lambda content: [record.update({key: to(record[key])}) for record in content[kind]]


def moved(kind, key, to):
    """Other ids for records, and for the annotations that name them."""

    def change(content):
        for record, name in [(record, "id") for record in content[kind]] + [(record, key) for record in content["annotations"]]:
            record[name] = to(record[name])

    return change


CLEAN = {"keypoints": [5, 6, 2, 0, 0, 0, 7, 11, 1]}
MENDED = {
    "category text": (retyped("annotations", "category_id", str), 1, {"category_id": 8}),
    "image id float": (retyped("annotations", "image_id", float), 1, {"image_id": 12}),
    "ids of images text": (retyped("images", "id", str), 1, {"image_id": 12}),
    "ids of categories float": (retyped("categories", "id", float), 1, {"category_id": 8}),
    "size float": (retyped("images", "width", float), 1, {}),
    "no size": (without("images", 1, "width", "height"), 1, {}),
    "size null": (one("images", 1, width=None, height=0), 1, {}),
    "exchanged": (one("images", 1, width=25, height=20), 1, {}),
    "no annotation id": (without("annotations", 1, "id"), 1, {"id": 1}),
    "repeated annotation id": (one("annotations", 1, id=44), 1, {"id": 1}),
    "annotation id text": (one("annotations", 1, id="77"), 1, {"id": 77}),
    "null where v is 0": (one("annotations", 1, keypoints=[5, 6, 2, None, None, 0, 7, 11, 1]), 1, CLEAN),
    "nan where v is 0": (one("annotations", 1, keypoints=[5, 6, 2, NAN, NAN, 0, 7, 11, 1]), 1, CLEAN),
    "no bbox": (without("annotations", 1, "bbox", "area"), 1, {"bbox": [5, 6, 2, 5], "area": 10.0}),
    "bbox null": (one("annotations", 1, bbox=None, area=None), 1, {"bbox": [5, 6, 2, 5], "area": 10.0}),
    "no extent": (one("annotations", 1, bbox=[5, 6, 0, 0], area=0), 1, {"bbox": [5, 6, 2, 5], "area": 10.0}),
    "probabilities": (one("annotations", 1, keypoints=[5, 6, 0.35, 1, 1, 0, 7, 11, 1]), 1, {"keypoints": [5, 6, 1, 1, 1, 0, 7, 11, 1]}),
    "lost image": (one("annotations", 2, image_id=99), 1, {}),
    "numbers as texts": (
        one("annotations", 1, bbox=["2", "3.5", "1e1", "12"], area="60", keypoints=["5", "6", "2", "0", "0", "0", "7", "11", "1"]),
        1,
        {"bbox": [2.0, 3.5, 10.0, 12.0], "area": 60.0, "keypoints": [5.0, 6.0, 2.0, 0.0, 0.0, 0.0, 7.0, 11.0, 1.0]},
    ),
    "no keypoints": (without("annotations", 1, "keypoints"), 1, {"num_keypoints": 0, "bbox": [2, 3, 10, 12]}),
    "keypoints null": (one("annotations", 1, keypoints=None), 1, {"num_keypoints": 0}),
    "image ids of 64 bits": (moved("images", "image_id", lambda key: (1 << 63) + key), 1, {"image_id": 2}),
    "image ids are names": (moved("images", "image_id", "frame-{}".format), 1, {"image_id": 2}),
    "category ids are names": (moved("categories", "category_id", "c{}".format), 1, {"category_id": 1}),
    "image twice the same": (lambda content: content["images"].append(dict(content["images"][0])), 1, {}),
    "category twice the same": (lambda content: content["categories"].append(dict(content["categories"][0])), 1, {}),
    "corners": (each("annotations", bbox=[2, 3, 19, 24]), 1, {"bbox": [2, 3, 17, 21]}),
    "skeleton": (one("categories", 0, skeleton=[[0, 1]]), 1, {}),
}


@pytest.mark.parametrize("name", MENDED)
def test_what_the_rest_tells_is_mended(images, tmp_path, name, capsys):
    change, row, values = MENDED[name]
    content = copy.deepcopy(CONTENT)
    change(content)
    path = tmp_path / "people.json"
    path.write_text(json.dumps(content))
    before = path.read_bytes()
    arguments = ["data", "check", str(path), "--images", str(images), "--json", str(tmp_path / "p.json")]
    assert main(arguments) == 1
    problems = json.loads((tmp_path / "p.json").read_text())["people"]
    assert problems and all(problem["mendable"] for problem in problems), problems
    assert main([*arguments, "--fix", str(tmp_path / "good")]) == 0
    assert "before, nothing left" in capsys.readouterr().out and path.read_bytes() == before
    good = tmp_path / "good" / "people.json"
    record = json.loads(good.read_text())["annotations"][row]
    assert {key: record[key] for key in values} == values and all(type(record[key]) is type(value) for key, value in values.items())
    data = CocoDataset(str(good), str(images), ["person"], Keypoints(NAMES))
    assert [data[index].image.shape[:2] for index in range(2)] == [(30, 40), (25, 20)]
    assert sum(len(data.objects(index)) for index in range(2)) == (2 if name == "lost image" else 3)
    assert len({record["id"] for record in data.ground_truth()["annotations"]}) == len(data.ground_truth()["annotations"])


HOPELESS = {
    "labelled nan": (one("annotations", 1, keypoints=[NAN, 6, 2, 0, 0, 0, 7, 11, 1]), [44, 23]),
    "box of text": (one("annotations", 1, bbox="x", keypoints=[], num_keypoints=0), [44, 23]),
    "no extent, one joint": (one("annotations", 1, bbox=[1, 1, 0, 0], keypoints=[5, 6, 2] + [0] * 6), [44, 23]),
    "unknown category": (one("annotations", 1, category_id=77), [44, 23]),
    "no image id": (without("annotations", 1, "image_id"), [44, 23]),
    "no object": (lambda content: content["annotations"].__setitem__(1, "x"), [44, 23]),
    "image id": (one("images", 0, id=None), [17]),
    "image file is not there": (one("images", 0, file_name="nowhere.png"), [17]),
    "image of another size": (one("images", 0, width=99), [17]),
    "image twice": (one("images", 1, file_name="31.png", width=40, height=30), [44, 23]),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_what_cannot_be_mended_is_left_out_with_drop(images, tmp_path, name, capsys):
    change, left = HOPELESS[name]
    content = copy.deepcopy(CONTENT)
    change(content)
    (tmp_path / "people.json").write_text(json.dumps(content))
    arguments = ["data", "check", str(tmp_path / "people.json"), "--images", str(images), "--fix"]
    assert main([*arguments, str(tmp_path / "kept")]) == 1
    assert main([*arguments, str(tmp_path / "good"), "--drop"]) == 0
    assert f"{3 - len(left)} annotations left out)" in capsys.readouterr().out.replace("and ", "") or name == "image id"
    good = str(tmp_path / "good" / "people.json")
    assert [record["id"] for record in json.loads(Path(good).read_text())["annotations"]] == left
    assert len(CocoDataset(good, str(images), ["person"], Keypoints(NAMES)).ground_truth()["annotations"]) == len(left)


def test_drop_alone_has_nowhere_to_write(tmp_path, capsys):
    (tmp_path / "people.json").write_text(json.dumps(CONTENT))
    assert main(["data", "check", str(tmp_path / "people.json"), "--no-images", "--drop"]) == 2
    assert "--drop needs --fix" in capsys.readouterr().err


def test_sound_records_stay_as_they_are():
    assert check_content(CONTENT, ["person"], JOINTS) == []
    assert without_hopeless(mended(CONTENT, ["person"], JOINTS, 1), ["person"], JOINTS) == CONTENT


@pytest.mark.parametrize(
    "value, said",
    [(3, 3), (3.0, 3), ("3", 3), ("-3", -3), (3.5, None), ("3.0", None), (True, None), (None, None), ("٣", None), (1 << 64, None)],
)
def test_whole_numbers(value, said):
    assert whole(value) == said


def test_points_that_lack_numbers():
    assert restored_points([1, 2, -1, 3, 4, 7, 5, 6, NAN], 3) == [1, 2, 0, 3, 4, 2, 5, 6, 0]
    for points in ([1, 2], "abc", [None, 2, 1] * 3, [1, 2, "x"] * 3, None):
        assert restored_points(points, 3) is None
