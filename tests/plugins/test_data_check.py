"""mindpoint data check: each kind of mistake is found where it is, and what can be mended is."""

import copy
import json

import cv2
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.contracts.fields import Angles
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.datasets.coco_check import check_content
from mindpoint_coco.datasets.coco_mend import mended
from mindpoint_coco.datasets.coco_suspicions import joint_array, lone_sides, never_labelled, sigma_table, strange_sigmas, swapped_sides
from mindpoint_coco.keypoints import Keypoints
from mindpoint_synthetic.people import SyntheticPeople

NAMES = ["nose", "left_wrist", "right_wrist"]
JOINTS = (Keypoints(NAMES).annotated(),)
CONTENT = {
    "info": {"year": 2020},
    "images": [
        {"id": 1, "file_name": "a.png", "width": 40, "height": 30},
        {"id": 2, "file_name": "b.png", "width": 20, "height": 20},
    ],
    "annotations": [
        {
            "id": 10 + number,
            "image_id": 1 + number % 2,
            "category_id": 1,
            "bbox": [2, 3, 10.5, 12 + number],
            "area": 60,
            "iscrowd": 0,
            "num_keypoints": 2,
            "keypoints": [5, 6, 2, 0, 0, 0, 7, 8 + number, 1],
            "segmentation": [],
        }
        for number in range(4)
    ]
    + [{"id": 99, "image_id": 1, "category_id": 7, "bbox": "a chair is not looked at", "keypoints": None}],
    "categories": [{"id": 1, "name": "person", "keypoints": NAMES}, {"id": 7, "name": "chair"}],
}


def changed(change):
    content = copy.deepcopy(CONTENT)
    change(content)
    return content


def problems(content):
    return check_content(content, ["person"], JOINTS)


def put(kind, index, **values):
    return lambda content: content[kind][index].update(values)


def drop(kind, index, key):
    return lambda content: content[kind][index].pop(key)


def copy_of(kind, index):
    return lambda content: content[kind].append(copy.deepcopy(content[kind][index]))


MENDED = [
    (drop("annotations", 1, "iscrowd"), "annotation 11 (image 2, b.png): lacks 'iscrowd'", {"iscrowd": 0}),
    (put("annotations", 1, iscrowd=True), "annotation 11 (image 2, b.png): 'iscrowd' is True, neither 0 nor 1", {"iscrowd": 1}),
    (put("annotations", 1, iscrowd="0"), "annotation 11 (image 2, b.png): 'iscrowd' is '0', neither 0 nor 1", {"iscrowd": 0}),
    (put("annotations", 1, iscrowd=3), "annotation 11 (image 2, b.png): 'iscrowd' is 3, neither 0 nor 1", {"iscrowd": 1}),
    (drop("annotations", 0, "area"), "annotation 10 (image 1, a.png): lacks 'area'", {"area": 0.5 * 10.5 * 12}),
    (put("annotations", 0, area=0), "annotation 10 (image 1, a.png): 'area' is 0, not a positive number", {"area": 63}),
    (put("annotations", 0, area=500), "annotation 10 (image 1, a.png): 'area' is 500, larger than the box of 10.5 x 12", {"area": 63}),
    (drop("annotations", 0, "num_keypoints"), "annotation 10 (image 1, a.png): lacks 'num_keypoints', but 2 joints", {"num_keypoints": 2}),
    (put("annotations", 0, num_keypoints=3), "annotation 10 (image 1, a.png): 'num_keypoints' is 3, but 2 joints", {"num_keypoints": 2}),
    (
        put("annotations", 1, bbox=[-4, 5, 30, 10]),
        "annotation 11 (image 2, b.png): the box -4, 5, 30, 10 (left, top, width, height) extends beyond the image of 20 x 20",
        {"bbox": [0, 5, 20, 10], "area": 60},
    ),
    (
        put("annotations", 0, keypoints=[5, 6, 2, 44, 3, 1, 7, -8, 1], num_keypoints=3),
        "annotation 10 (image 1, a.png): 2 labelled joints lie outside the image of 40 x 30, such as (44, 3)",
        {"keypoints": [5, 6, 2, 0, 0, 0, 0, 0, 0], "num_keypoints": 1},
    ),
]

ONE = {"keypoints": [5, 6, 2, 0, 0, 0, 0, 0, 0], "num_keypoints": 1}  # a single joint has no extent

REPORTED = [
    (
        put("annotations", 2, bbox=[1, 2, 3], **ONE),
        "annotation 12 (image 1, a.png): 'bbox' must hold 4 numbers (left, top, width, height), got 3",
    ),
    (
        put("annotations", 2, bbox=[1, 2, float("nan"), 3], **ONE),
        "annotation 12 (image 1, a.png): 'bbox' holds a value that is not a finite number",
    ),
    (
        put("annotations", 2, bbox=[1, 2, 0, 3], **ONE),
        "annotation 12 (image 1, a.png): the box 1, 2, 0, 3 (left, top, width, height) is empty",
    ),
    (
        put("annotations", 2, bbox=[41, 2, 5, 3], area=9),
        "annotation 12 (image 1, a.png): the box 41, 2, 5, 3 (left, top, width, height) lies",
    ),
    (
        put("annotations", 2, keypoints=[1, 2, 2]),
        "annotation 12 (image 1, a.png): 'keypoints' is not a list of 9 finite numbers (x, y, visibility of 3",
    ),
    (put("annotations", 2, image_id=[1]), "annotation 12 (image [1]): 'image_id' is [1], not a whole number"),
    (put("annotations", 2, category_id=3), "annotation 12 (image 1, a.png): no category record has the id 3; there are 1, 7"),
    (put("annotations", 2, category_id={}), "annotation 12 (image 1, a.png): 'category_id' is {}, not a whole number"),
    (lambda content: content["annotations"].append("x"), "annotation number 5 of the list: is not an object"),
    (put("images", 1, id=1), "image 1: 2 records have this id"),
    (put("images", 1, file_name="a.png"), "image 2 (a.png): 2 image records have this file"),
    (drop("images", 1, "height"), "image 2 (b.png): lacks 'height'"),
    (put("images", 1, width="2o"), "image 2 (b.png): 'width' is '2o', not a positive whole number"),
    (put("categories", 0, name="human"), "class 'person': no categories have this name; the file has human, chair"),
    (
        put("categories", 0, keypoints=NAMES[::-1]),
        "category 1 (person): its joints are right_wrist, left_wrist, nose, but the configuration",
    ),
]


def test_nothing_is_wrong():
    assert problems(CONTENT) == []
    assert problems(changed(put("categories", 0, keypoints=["Nose", "left wrist", "RIGHT-WRIST"]))) == []
    assert mended(CONTENT, ["person"], JOINTS, 1) == CONTENT


@pytest.mark.parametrize("change, said, values", MENDED, ids=[said[:60] for _, said, _ in MENDED])
def test_what_can_be_mended_is(change, said, values):
    content = changed(change)
    (problem,) = problems(content)
    assert str(problem).startswith(said) and problem.mendable
    before = copy.deepcopy(content)
    after = mended(content, ["person"], JOINTS, 0.5)
    assert content == before and problems(after) == []
    record = next(record for record in after["annotations"] if said.startswith(f"annotation {record['id']} "))
    assert {key: record[key] for key in values} == values
    rest = lambda content: [other for other in content["annotations"] if other["id"] != record["id"]]  # noqa: E731
    assert rest(after) == rest(content) and after["images"] == content["images"] and after["info"] == content["info"]


@pytest.mark.parametrize("change, said", REPORTED, ids=[said[:60] for _, said in REPORTED])
def test_what_cannot_be_mended_is_reported(change, said):
    content = changed(change)
    found = problems(content)
    assert any(str(problem).startswith(said) and not problem.mendable for problem in found), list(map(str, found))
    assert any(str(problem).startswith(said) for problem in problems(mended(content, ["person"], JOINTS, 1)))


def test_annotations_that_repeat_another_go():
    content = changed(copy_of("annotations", 1))
    content["annotations"][-1]["id"] = 70
    (problem,) = problems(content)
    assert str(problem) == "annotation 70 (image 2, b.png): has the box and joints of annotation 11" and problem.mendable
    assert mended(content, ["person"], JOINTS, 1) == CONTENT


def people(count=60):
    keypoints = Keypoints(["nose", "left_eye", "right_eye", "left_shoulder", "right_shoulder", "left_hip", "right_hip"])
    data = SyntheticPeople(count, 1, ["person"], keypoints, [192, 192], [1, 2], actions=["stand"], facing=["front"], arms=["hang"])
    return joint_array(data.ground_truth()["annotations"], data.fields[0]), keypoints


def test_swapped_sides_are_suspected_and_right_ones_are_not():
    points, keypoints = people()
    assert len(points) > 60 and list(swapped_sides(points, keypoints)) == []
    (one,) = swapped_sides(points[:, [0, 1, 2, 3, 4, 6, 5]], keypoints)
    assert "'left_hip' and 'right_hip' lie on the side of the other pairs in only 0%" in one
    (every,) = swapped_sides(points[:, [0, 2, 1, 4, 3, 6, 5]], keypoints)
    assert "are all left and right joints swapped?" in every
    assert list(swapped_sides(points[:15, [0, 2, 1, 4, 3, 6, 5]], keypoints)) == [], "too few to tell"


def test_other_suspicions():
    points, keypoints = people()
    points[:, 4] = 0
    assert list(never_labelled(points, keypoints)) == [
        f"'right_shoulder' is not labelled in any of {len(points)} people, so it cannot be learnt"
    ]
    assert list(lone_sides(Keypoints(["nose", "left_eye"]))) != [] and list(lone_sides(keypoints)) == []
    areas = [100, 2500, 10_000]
    odd = Keypoints(["a", "b", "c"], sigmas=[0.0096, 0.05, 0.3])
    tight, loose = strange_sigmas(areas, odd)
    assert "'a', 0.0096, is 0.48 px" in tight and "'c', 0.3, is 30%" in loose
    assert list(strange_sigmas(areas, Keypoints(["a"])))[0].startswith("keypoints.sigmas is not set")
    assert sigma_table(areas, odd).endswith("50 x 50 (twice this error lowers a joint's OKS to 0.61): a 0.5, b 2.5, c 15.0")


@pytest.fixture
def files(tmp_path):
    """An annotation file with its images, two of whose joints lie outside."""
    (tmp_path / "images").mkdir()
    for record in CONTENT["images"]:
        pixels = np.random.default_rng(record["id"]).integers(0, 256, (record["height"], record["width"], 3), np.uint8)
        cv2.imwrite(str(tmp_path / "images" / record["file_name"]), pixels)
    (tmp_path / "people.json").write_text(json.dumps(changed(MENDED[-1][0])))
    return tmp_path


def test_from_the_command_line(files, capsys):
    annotations, images = str(files / "people.json"), str(files / "images")
    assert main(["data", "check", annotations, "--images", images, "--fix", str(files / "good"), "--json", str(files / "p.json")]) == 0
    out = capsys.readouterr().out
    assert "2 images, 5 annotations, 1 problem" in out and "annotation 10 (image 1, a.png): 2 labelled joints" in out
    assert "1 problem before, nothing left" in out
    assert [problem["kind"] for problem in json.loads((files / "p.json").read_text())["people"]] == ["joint outside"]
    mended_file = str(files / "good" / "people.json")
    assert main(["data", "check", mended_file, "--images", images]) == 0
    assert "no problems" in capsys.readouterr().out
    data = CocoDataset(mended_file, images, ["person"], Keypoints(NAMES))
    assert data.objects(0).keypoints[0].tolist() == [[5, 6, 2], [0, 0, 0], [0, 0, 0]]
    assert main(["data", "check", annotations, "--images", images, "--fix", str(files / "good")]) == 2
    assert "is not an empty folder" in capsys.readouterr().err


def test_images_are_opened(files, capsys):
    arguments = ["data", "check", str(files / "people.json"), "--images", str(files / "images")]
    path = files / "images" / "b.png"
    cv2.imwrite(str(path), np.zeros((20, 30, 3), np.uint8))
    assert main(arguments) == 1
    assert "image 2 (b.png): the file has 30 x 20 pixels, the record says 20 x 20" in capsys.readouterr().out
    path.write_bytes(path.read_bytes()[:60])
    assert main([*arguments, "--fix", str(files / "good")]) == 1
    out = capsys.readouterr().out
    assert "b.png: is truncated" in out and "2 problems before, 1 left" in out
    path.unlink()
    assert main(arguments) == 1
    assert "image 2 (b.png)" in (out := capsys.readouterr().out) and "no such image file" in out
    (files / "people.json").write_text(json.dumps(CONTENT))
    assert main([*arguments, "--no-images"]) == 0


def test_a_configuration_is_checked_split_by_split(files, tmp_path, capsys):
    config = tmp_path / "mine.yaml"
    data = f"dataset: {{annotations: '{files}/people.json', images: '{files}/images', with_objects: false}}"
    keypoints = f"keypoints: {{_replace_: true, names: {NAMES}}}\nclasses: [person]\n"
    config.write_text(f"_base_: resnet18_dcn_coco.yaml\n{keypoints}data:\n  train:\n    {data}\n  val:\n    {data}\n")
    assert main(["data", "check", str(config)]) == 1
    out = capsys.readouterr().out
    assert out.count("annotation 10 (image 1, a.png)") == 2 and out.startswith("train: ")
    assert main(["data", "check", str(config), "--split", "val", "--fix", str(tmp_path / "fixed")]) == 0
    assert [path.name for path in (tmp_path / "fixed").iterdir()] == ["val.json"]
    unlabelled = {key: CONTENT[key] for key in ("images", "categories")}
    (files / "people.json").write_text(json.dumps(unlabelled))
    assert main(["data", "check", str(config), "--split", "val"]) == 2
    assert main(["data", "check", str(config), "--split", "val", "--set", "+data.val.dataset.unlabelled=true"]) == 0
    drawn = ["--set", "data.train.dataset={type: SyntheticPeople, count: 3, seed: 1, size: [64, 64]}"]
    assert main(["data", "check", "quickstart", "--split", "train", *drawn]) == 0


BOXES = {
    "images": CONTENT["images"],
    "annotations": [
        {"id": 1 + n, "image_id": 2 - n % 2, "category_id": (7, 1)[n % 2], "bbox": [2, 3 + n, 5, 6], "area": 30, "iscrowd": 0}
        for n in range(4)
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 7, "name": "chair"}],
}


def test_joints_that_nobody_labelled_are_not_wrong():
    def unlabelled(content):
        for key in ("keypoints", "num_keypoints"):
            del content["annotations"][0][key]
        content["annotations"][1].update(keypoints=[], num_keypoints=0)

    assert problems(changed(unlabelled)) == []
    (problem,) = problems(changed(put("annotations", 1, keypoints=[])))
    assert str(problem).endswith("'num_keypoints' is 2, but 0 joints are labelled")
    assert problems(mended(changed(put("annotations", 1, keypoints=[])), ["person"], JOINTS, 1)) == []


def test_boxes_only():
    assert check_content(BOXES, ["person", "chair"]) == []
    content = copy.deepcopy(BOXES)
    content["annotations"].append({**content["annotations"][1], "id": 50})
    content["annotations"][0]["bbox"] = [-9, 5, 30, 10]
    content["annotations"][0]["area"] = 40
    found = check_content(content, ["person", "chair"])
    assert [problem.kind for problem in found] == ["box over the edge", "twin"]
    assert str(found[1]) == "annotation 50 (image 1, a.png): has the box of annotation 2"
    after = mended(content, ["person", "chair"], (), 1)
    assert check_content(after, ["person", "chair"]) == [] and after["annotations"][0]["bbox"] == [0, 5, 20, 10]
    assert [problem.kind for problem in check_content(content, ["chair"])] == ["box over the edge"], "persons are not checked"


def test_declared_fields_are_checked():
    content = copy.deepcopy(BOXES)
    content["annotations"][2]["turn"] = "north"
    (problem,) = check_content(content, ["person", "chair"], [Angles("turn")])
    assert str(problem) == "annotation 3 (image 2, b.png): 'turn' is 'north', not finite numbers" and problem.kind == "wrong turn"


def test_an_instances_file_and_a_data_set_of_somebody_else(files, tmp_path, capsys, monkeypatch):
    """Classes are those of the file; a data set without files is looked at through its ground truth and samples."""
    (files / "instances.json").write_text(json.dumps(BOXES))
    assert main(["data", "check", str(files / "instances.json"), "--images", str(files / "images")]) == 0
    assert capsys.readouterr().out == f"instances: {files}/instances.json: 2 images, 4 annotations, no problems\n"
    (tmp_path / "their_data.py").write_text(THEIRS)
    monkeypatch.syspath_prepend(str(tmp_path))
    drop = "input: {size: [64, 64], mean: [0.5, 0.5, 0.5], std: [0.3, 0.3, 0.3]}\nclasses: [cup]\n"
    model = "model: {backbone: {type: ResNet, depth: 18}, heads: {pose: {type: MultiPoseHeads}}}\n"
    (tmp_path / "mine.yaml").write_text(drop + model + "data: {train: {dataset: {type: 'their_data:Cups'}}}\n")
    assert main(["data", "check", str(tmp_path / "mine.yaml")]) == 1
    assert "annotation 2 (image 30, 30.png): the box 80, 1, 4, 4 (left, top, width, height) lies outside" in capsys.readouterr().out
    assert main(["data", "stats", str(tmp_path / "mine.yaml"), "--out", str(tmp_path / "stats")]) == 0
    numbers = json.loads((tmp_path / "stats" / "statistics.json").read_text())["train"]
    assert numbers["objects"] == 1 and numbers["classes"]["cup"]["images"] == 1 and numbers["left_out"] == 1
    assert main(["data", "browse", str(tmp_path / "mine.yaml"), "--id", "30", "--out", str(tmp_path / "browse")]) == 0
    assert [path.name for path in (tmp_path / "browse").iterdir()] == ["train-000001-30.jpg"]
    assert main(["data", "convert", str(tmp_path / "mine.yaml"), "--out", str(tmp_path / "records")]) == 2
    assert "Cups: 2 images: its images are not stored in files" in capsys.readouterr().err


THEIRS = """
import numpy as np
from mindpoint.contracts.data import Dataset
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects

class Cups(Dataset):
    classes = ["cup"]
    def __len__(self): return 2
    def ids(self): return [70, 30]
    def __getitem__(self, index):
        objects = Objects(np.array([[1 + 79 * index, 1, 5 + 79 * index, 5]], np.float32), np.zeros(1, np.int64))
        return Sample(self.ids()[index], "cups", np.zeros((40, 60, 3), np.uint8), objects)
"""


@pytest.mark.parametrize(
    "text, arguments, message",
    [
        ("{", [], r"people.json:1:2: the annotation file is not JSON"),
        ("[]", [], "the top level is not an object"),
        ('{"images": [], "categories": []}', ["--config", "quickstart"], "people.json: the list 'annotations' is missing"),
        (json.dumps(CONTENT), ["--area", "-1"], "--area is -1; it must be positive and at most 1e6"),
        (json.dumps(CONTENT), ["--split", "val"], "--split and --set need a configuration"),
        (json.dumps(CONTENT), ["--set", "seed=1"], "--split and --set need a configuration"),
    ],
)
def test_unusable(files, capsys, text, arguments, message):
    (files / "people.json").write_text(text)
    assert main(["data", "check", str(files / "people.json"), "--images", str(files / "images"), *arguments]) == 2
    assert message in capsys.readouterr().err
