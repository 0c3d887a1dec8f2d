"""mindpoint new on classes with different joints, in one file and in several."""

import json
import os

import cv2
import numpy as np
import pytest
import yaml
from mindpoint.config import load_config
from mindpoint.data.build import build_dataset
from mindpoint.errors import DataError
from mindpoint_coco.data_command.command import main
from mindpoint_coco.importers.class_joints import shared_joints
from mindpoint_coco.importers.form import Kind
from mindpoint_recipes.gather import gather, without_joints
from mindpoint_recipes.network import NetworkPlan
from mindpoint_recipes.plan import make_plan
from mindpoint_recipes.survey import survey
from mindpoint_recipes.text import configuration

PERSON, DOG = ["nose", "left_hand", "right_hand"], ["tail", "nose", "left_paw", "right_paw"]
ARMS = ["Right-Hand", "Left-Hand"]  # another file's joints of a person, in another order
LYING = [10, 10, 2, 12, 20, 1, 0, 0, 0]
RUNNING = [35, 20, 2, 45, 22, 2, 40, 30, 2, 44, 31, 1]
FARM = [
    {"id": "p", "name": "person", "keypoints": PERSON, "skeleton": [[1, 2], [1, 3]]},
    {"id": "d", "name": "dog", "keypoints": DOG, "skeleton": [[1, 2]], "sigmas": [0.1, 0.2, 0.3, 0.4]},
    {"id": "b", "name": "ball"},
    {"id": "c", "name": "cat", "keypoints": ["ear"]},
]


def write(folder, name, categories, annotations, images=4):
    """Write a file with the same objects in each image."""
    content = {
        "images": [{"id": n, "file_name": f"{name}{n}.png", "width": 64, "height": 48} for n in range(1, images + 1)],
        "annotations": [],
        "categories": categories,
    }
    for number in range(1, images + 1):
        cv2.imwrite(str(folder / f"{name}{number}.png"), np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8))
        for category, box, more in annotations:
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": number,
                    "category_id": category,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                    **more,
                }
            )
    (folder / f"{name}.json").write_text(json.dumps(content))
    return folder / f"{name}.json"


def labelled(points):
    return {"keypoints": points, "num_keypoints": sum(seen > 0 for seen in points[2::3])}


@pytest.fixture
def farm(tmp_path):
    """People, dogs and balls in one file; its ids are texts."""
    objects = [
        ("p", [5, 5, 20, 30], labelled(LYING)),
        ("d", [30, 15, 25, 20], labelled(RUNNING)),
        ("b", [2, 38, 8, 8], {}),
        ("c", [50, 2, 10, 10], {"keypoints": [0, 0, 0], "num_keypoints": 0}),
    ]
    return write(tmp_path, "farm", FARM, objects)


@pytest.fixture
def mixed(tmp_path):
    """People with three joints in one file and with two of them in another."""
    first = write(tmp_path, "some", [{"id": 1, "name": "person", "keypoints": PERSON}], [(1, [5, 5, 20, 30], labelled(LYING))])
    other = write(tmp_path, "more", [{"id": 1, "name": "person", "keypoints": ARMS}], [(1, [4, 4, 9, 9], labelled([8, 8, 2, 6, 9, 1]))])
    return [first, other]


def text(data, annotations=("t.json", "v.json")):
    files = ((name, str(data.images)) for name in annotations)
    plan = make_plan(survey(data.splits["train"]), data.sets)
    return configuration("new", data.classes, data.sets, *files, data.categories, plan, NetworkPlan(), 100, 1)


def test_each_class_keeps_its_joints(farm):
    data = gather([farm], None, "auto")
    assert [(kind.name, kind.joints, kind.skeleton) for kind in data.kinds] == [
        ("person", PERSON, [(0, 1), (0, 2)]),
        ("dog", DOG, [(0, 1)]),
        ("ball", [], []),
        ("cat", [], []),  # nobody has labelled an ear
    ]
    train = data.splits["train"]
    assert [(record["name"], record.get("keypoints")) for record in train["categories"]] == [
        ("person", PERSON), ("dog", DOG), ("ball", None), ("cat", None),
    ]  # fmt: skip
    assert data.left_out == 0 and [record.get("keypoints") for record in train["annotations"][:4]] == [LYING, RUNNING, None, None]
    read = yaml.safe_load(text(data))
    assert read["classes"] == ["person", "dog", "ball", "cat"] and "categories" not in read["data"]["train"]["dataset"]
    assert read["keypoints"] == {
        "classes": {
            "person": {
                "names": PERSON,
                "skeleton": [["nose", "left_hand"], ["nose", "right_hand"]],
                "flip_pairs": [["left_hand", "right_hand"]],
                "sigmas": None,
            },
            "dog": {
                "names": DOG,
                "skeleton": [["tail", "nose"]],
                "flip_pairs": [["left_paw", "right_paw"]],
                "sigmas": [0.1, 0.2, 0.3, 0.4],
            },
        },
        "shared": ["nose"],
    }


def test_classes_with_the_same_joints_are_one_set(farm):
    content = json.loads(farm.read_text())
    content["annotations"] = [record for record in content["annotations"] if record["category_id"] in ("p", "d")]
    content["categories"][1]["keypoints"] = PERSON
    for record in content["annotations"]:
        record.update(labelled(LYING))
    farm.write_text(json.dumps(content))
    data = gather([farm], None, "auto")
    assert data.classes == ["person", "dog"] and [kind.name for kind in data.sets] == [""]
    assert yaml.safe_load(text(data))["keypoints"]["names"] == PERSON


def test_files_with_other_joints_of_a_class(mixed, tmp_path):
    data = gather(mixed, None, "auto")
    assert [(kind.name, kind.joints) for kind in data.kinds] == [("person", PERSON)], "right-hand is a right_hand"
    train = data.splits["train"]
    assert [record["keypoints"] for record in train["categories"]] == [PERSON, ARMS] and data.left_out == 0
    assert data.categories == {"person": "person", "person (2)": "person"}
    (tmp_path / "t.json").write_text(json.dumps(train))
    path = tmp_path / "mine.yaml"
    path.write_text(text(data, [str(tmp_path / "t.json")] * 2))
    dataset = build_dataset(load_config(str(path)), "train")
    assert dataset.objects(0).keypoints[0].tolist() == [[10, 10, 2], [12, 20, 1], [0, 0, 0]]
    assert dataset.objects(4).keypoints[0, 1:].tolist() == [[6, 9, 1], [8, 8, 2]] and not dataset.objects(4).keypoints[0, 0, :2].any()
    assert dataset.objects(4).labels.tolist() == [0]


def test_objects_without_labelled_joints_are_counted(farm, tmp_path):
    """Four people have joints, four have only boxes, four have unlabelled joints, and four are crowds. Balls never have joints."""
    person, ball, box = {"id": 1, "name": "person", "keypoints": PERSON}, {"id": 2, "name": "ball"}, [5, 5, 20, 30]
    first = write(tmp_path, "some", [person, ball], [(1, box, labelled(LYING)), (1, [6, 6, 9, 9], labelled([0] * 9)), (2, box, {})])
    other = write(tmp_path, "more", [{"id": 1, "name": "person"}], [(1, box, {}), (1, box, {"iscrowd": 1})])
    assert without_joints(gather([first, other], None, "auto").splits["train"]) == 8
    assert without_joints(gather([farm], None, "auto").splits["train"]) == 0


def test_a_class_may_have_the_name_of_another_one_with_a_number(tmp_path):
    person, people = {"id": 1, "name": "person", "keypoints": PERSON}, {"id": 2, "name": "person (2)", "keypoints": PERSON}
    box, arms = [5, 5, 20, 30], [8, 8, 2, 6, 9, 1]
    first = write(tmp_path, "some", [person, people], [(1, box, labelled(LYING)), (2, box, labelled(LYING))])
    other = write(tmp_path, "more", [{**person, "keypoints": ARMS}], [(1, box, labelled(arms))])
    data = gather([first, other], None, "auto")
    assert data.categories == {"person": "person", "person (3)": "person", "person (2)": "person (2)"}
    names = {record["id"]: record["name"] for record in data.splits["train"]["categories"]}
    assert {names[record["category_id"]] for record in data.splits["train"]["annotations"] if record["keypoints"] == arms} == {"person (3)"}


@pytest.mark.parametrize(
    "pairs", [[["nose", "nose"]], [["nose", "left_hand"], ["nose", "right_hand"]], [["nose", "tail"]], [[[], {}]], ["no"]]
)
def test_impossible_pairs_of_a_file_are_not_taken(pairs, tmp_path):
    categories = [{"id": 1, "name": "person", "keypoints": PERSON, "flip_pairs": pairs}]
    (kind,) = gather([write(tmp_path, "a", categories, [(1, [5, 5, 20, 30], labelled(LYING))])], None, "auto").kinds
    assert kind.pairs is None


def test_joints_without_names_are_numbered_in_each_class(tmp_path):
    objects = [(1, [5, 5, 20, 30], labelled(LYING)), (2, [30, 15, 25, 20], labelled(RUNNING))]
    data = gather([write(tmp_path, "some", [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], objects)], None, "auto")
    assert [kind.joints for kind in data.kinds] == [["joint1", "joint2", "joint3"], ["joint1", "joint2", "joint3", "joint4"]]
    assert yaml.safe_load(text(data))["keypoints"]["shared"] == [], "the first joint of one is not that of the other"


def test_too_many_joints_are_refused(tmp_path):
    path = write(tmp_path, "some", [{"id": 1, "name": "a"}], [(1, [5, 5, 20, 30], labelled([1, 2, 2] * 1001))])
    with pytest.raises(DataError, match="category 'a' has 1,001 joints; the limit is 1,000"):
        gather([path], None, "auto")


@pytest.mark.parametrize(
    "first, second, expected",
    [
        (["nose", "tail"], ["nose", "ear"], ["nose"]),
        (["left_eye", "right_eye"], ["left_eye", "right_eye", "nose"], ["left_eye", "right_eye"]),
        (["left_eye", "right_eye", "nose"], ["left_eye", "nose"], ["nose"]),  # mirrored, the left eye is the right one in one class only
        (["1", "2"], ["2", "3"], []),
    ],
)
def test_joints_are_shared_if_a_mirror_treats_them_alike(first, second, expected):
    sets = [Kind("a", first), Kind("b", second)]
    pairs = [[("left_eye", "right_eye")] if "right_eye" in kind.joints else [] for kind in sets]
    assert shared_joints(sets, pairs) == expected


def test_the_rotation_is_that_of_the_class_that_turns_most(tmp_path):
    upright = [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "keypoints": [5, 5, 2, 5, 9, 2]}] * 10
    turned = [
        {"image_id": 1, "category_id": 2, "bbox": [0, 0, 9, 9], "keypoints": [5, 5, 2, 5 + x, 5 + y, 2, 0, 0, 0]}
        for x, y in ((1, 0), (0, 1)) * 5
    ]
    found = survey({"images": [{"id": 1, "width": 9, "height": 9}], "annotations": upright + turned})
    # directions of 0 and 90 degrees: R is cos 45, sqrt(-2 ln R) is 0.8326
    assert found.turn == pytest.approx(np.degrees(0.83255), abs=0.01)


@pytest.mark.slow
def test_a_step_is_trained(farm, tmp_path, commands):
    """On the farm and a file of the same classes that has other joints of a person."""
    arms = {"keypoints": ARMS, "skeleton": []}
    objects = [("p", [4, 4, 9, 9], labelled([8, 8, 2, 6, 9, 1])), ("d", [30, 15, 25, 20], labelled(RUNNING)), ("b", [2, 38, 8, 8], {})]
    other = write(tmp_path, "more", [{**FARM[0], **arms}, *FARM[1:]], [*objects, ("c", [50, 2, 10, 10], {})])
    mindpoint = commands(os.environ, tmp_path)

    def run(*arguments):
        done = mindpoint(*arguments)
        assert done.returncode == 0, done.stderr
        assert ".tmp" not in done.stdout + done.stderr, "remarks on the copy for the trial help nobody"
        return done.stdout

    said = run("new", "mine.yaml", "--annotations", farm, other, "--minutes", "0.01")
    assert "mine.yaml: person (3 joints), dog (4 joints), ball (boxes only)" in said
    assert "files differ in the joints of person" in said and "files differ in their classes" not in said
    run("config", "check", "mine.yaml")
    run("train", "mine.yaml", "--set", "train.steps=1", "--set", "runtime.mode=eager", "--out", "run")  # the trial has compiled it
    statistics = json.loads((tmp_path / "run" / "statistics.json").read_text())["statistics"]
    assert "keypoints/AP/dog" in statistics and "keypoints/AP" in statistics


def test_an_import_describes_the_joints_of_each_class(tmp_path):
    """Labelme's points belong to the rectangle around them."""
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    boxes = {"person": [[0, 0], [20, 40]], "dog": [[30, 10], [60, 40]], "ball": [[22, 40], [28, 46]]}
    points = {"nose": [5, 5], "left_hand": [9, 20], "right_hand": [3, 20], "tail": [33, 15]}
    shapes = [{"label": name, "points": box, "shape_type": "rectangle"} for name, box in boxes.items()]
    shapes += [{"label": name, "points": [place], "shape_type": "point"} for name, place in points.items()]
    shapes.append({"label": "nose", "points": [[55, 15]], "shape_type": "point"})
    (tmp_path / "a.json").write_text(json.dumps({"shapes": shapes, "imagePath": "a.png", "imageWidth": 64, "imageHeight": 48}))
    assert main(["import", "labelme", str(tmp_path), str(tmp_path / "out")]) == 0
    (tmp_path / "mine.yaml").write_text(f"_base_: [quickstart.yaml, {tmp_path}/out/joints.yaml]\n")
    config = load_config(str(tmp_path / "mine.yaml"), [], ())
    joints = config.vocabulary["keypoints"]
    assert config.classes == ["person", "dog", "ball"] and joints.names == ("nose", "left_hand", "right_hand", "tail")
    assert joints.places == {"person": (0, 1, 2), "dog": (3, 0)} and joints.flip_index.tolist() == [0, 2, 1, 3]


def test_a_category_whose_name_is_no_text_is_left_out(farm):
    content = json.loads(farm.read_text())
    content["categories"][0]["name"] = 5
    farm.write_text(json.dumps(content))
    data = gather([farm], None, "auto")
    assert data.classes == ["dog", "ball", "cat"] and len(data.splits["train"]["annotations"]) == 12
