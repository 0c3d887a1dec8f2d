"""mindpoint new: what it finds in annotations, and what it makes of them."""

import json
import math
import subprocess
import sys

import cv2
import numpy as np
import pytest
import yaml
from mindpoint.errors import DataError
from mindpoint_coco.importers.form import Kind
from mindpoint_coco.sides import side_pairs
from mindpoint_recipes.gather import gather, split, split_by_folder
from mindpoint_recipes.network import NetworkPlan
from mindpoint_recipes.plan import make_plan
from mindpoint_recipes.survey import survey
from mindpoint_recipes.text import configuration

FILES = ("t.json", "."), ("v.json", "."), {"fish": "fish"}


def content(images, annotations, names=("head", "tail")):
    category = {"id": 7, "name": "fish", **({"keypoints": list(names), "skeleton": [[1, 2]]} if names else {})}
    return {
        "images": [{"id": key, "file_name": name, "width": 200, "height": 100} for key, name in images.items()],
        "annotations": [
            {"id": n, "image_id": image, "category_id": 7, "bbox": box, "area": box[2] * box[3], "iscrowd": 0, **more}
            for n, (image, box, more) in enumerate(annotations, 1)
        ],
        "categories": [category],
    }


def fish(x, y, dx, dy):
    return {"keypoints": [x, y, 2, x + dx, y + dy, 2], "num_keypoints": 2}


@pytest.fixture
def folder(tmp_path):
    """Two files of one class with other ids, the images of one in a folder of its name, of the other beside it."""
    (tmp_path / "a_train").mkdir()
    for name in ("a_train/1.png", "a_train/2.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((100, 200, 3), np.uint8))
    first = content({5: "1.png", 6: "2.png"}, [(5, [10, 10, 40, 20], fish(12, 12, 30, 0)), (6, [0, 0, 20, 20], fish(2, 2, 9, 9))])
    second = content({1: "b.png"}, [(1, [50, 50, 30, 30], fish(52, 52, 20, 0))])
    (tmp_path / "a_train.json").write_text(json.dumps(first))
    (tmp_path / "b_val.json").write_text(json.dumps(second))
    return tmp_path


def test_files_are_joined_and_divided_by_their_names(folder):
    data = gather([folder / "a_train.json", folder / "b_val.json"], None, "auto")
    assert (data.classes, data.left_out, data.categories) == (["fish"], 0, {"fish": "fish"})
    (joints,) = data.sets
    assert (joints.name, joints.joints, joints.skeleton) == ("", ["head", "tail"], [(0, 1)])
    assert {name: [r["file_name"] for r in part["images"]] for name, part in data.splits.items()} == {
        "train": ["a_train/1.png", "a_train/2.png"],
        "val": ["b.png"],
    }
    owners = {r["id"]: r["file_name"] for r in data.splits["train"]["images"]}
    assert [owners[r["image_id"]] for r in data.splits["train"]["annotations"]] == ["a_train/1.png", "a_train/2.png"]
    assert {r["category_id"] for r in data.splits["train"]["annotations"]} == {1}


def test_what_cannot_be_found_is_named(folder):
    (folder / "a_train" / "2.png").unlink()
    with pytest.raises(DataError, match=r"a_train.json: image id 6 '2.png': no such file"):
        gather([folder / "a_train.json"], None, "auto")
    (folder / "empty.json").write_text(json.dumps(content({1: "b.png"}, [])))
    with pytest.raises(DataError, match="no usable annotations for training"):
        gather([folder / "empty.json"], None, "auto")


def test_a_split_is_by_image_and_repeats():
    truth = content({n: f"{n}.png" for n in range(20)}, [(n % 10, [0, 0, 9, 9], {}) for n in range(30)], names=())
    train, val = split(truth, 0.2, 3)
    ids = lambda part: {record["id"] for record in part["images"]}  # noqa: E731
    assert ids(train).isdisjoint(ids(val)) and ids(train) | ids(val) == set(range(20)) and len(ids(val)) == 4
    assert all(record["image_id"] in ids(part) for part in (train, val) for record in part["annotations"])
    assert len(train["annotations"]) == 24 and len(val["annotations"]) == 6
    assert split(truth, 0.2, 3) == (train, val) and split(truth, 0.2, 4) != (train, val)
    with pytest.raises(DataError, match="only one image with annotations is found"):
        split(content({1: "a.png", 2: "b.png"}, [(1, [0, 0, 9, 9], {})], names=()), 0.2, 0)


def test_folders_of_the_images_divide_them():
    """As exports of YOLO and Roboflow have them. A folder's name that only contains the letters does not count."""
    names = ["images/train/1.png", "images/val/2.png", "interval/test.png", "test-1/4.png"]
    truth = content(dict(enumerate(names)), [(n, [0, 0, 9, 9], {}) for n in range(4)], names=())
    train, val = split_by_folder(truth)
    assert [record["file_name"] for record in train["images"]] == [names[0], names[2]]
    assert [record["image_id"] for record in val["annotations"]] == [1, 3]
    truth["annotations"] = truth["annotations"][1:2]
    assert split_by_folder(truth) is None, "nothing is left for training"
    assert split_by_folder(content({1: "test.png", 2: "b.png"}, [(1, [0, 0, 9, 9], {}), (2, [0, 0, 9, 9], {})], names=())) is None


def test_a_list_is_read_by_the_importer_that_knows_it(folder):
    """MPII's JSON is a list of people; two of three images are missing."""
    person = {"image": "b.png", "joints": [[20, 30]] * 15 + [[60, 70]], "joints_vis": [1] * 16, "center": [40, 50], "scale": 1}
    (folder / "people.json").write_text(json.dumps([person, {**person, "image": "c.png"}, {**person, "image": "d.png"}]))
    data = gather([folder / "people.json"], None, "auto")
    assert data.classes == ["person"] and len(data.sets[0].joints) == 16 and len(data.splits["train"]["images"]) == 1
    assert any("images missing in" in note and "are left out: 2" in note for note in data.notes)


def test_options_of_the_importer(tmp_path):
    """The class of VIA's regions is in one of several attributes."""
    regions = [
        {
            "shape_attributes": {"name": "rect", "x": 5, "y": 6, "width": 30, "height": 20},
            "region_attributes": {"kind": "fish", "mood": "sad"},
        }
    ]
    images = {name: {"filename": name, "size": 9, "regions": regions} for name in ("a.png", "b.png")}
    for name in images:
        cv2.imwrite(str(tmp_path / name), np.zeros((100, 200, 3), np.uint8))
    (tmp_path / "via.json").write_text(json.dumps(images))
    with pytest.raises(DataError, match="name the attribute of the class with --option label=NAME"):
        gather([tmp_path / "via.json"], None, "auto")
    assert gather([tmp_path / "via.json"], None, "auto", ["label=kind"]).classes == ["fish"]


def test_files_with_other_classes_are_noticed(folder):
    sources = [folder / "a_train.json", folder / "b_val.json"]
    assert not gather(sources, None, "auto").partial
    second = json.loads(sources[1].read_text())
    second["categories"][0]["name"] = "crab"
    sources[1].write_text(json.dumps(second))
    assert gather(sources, None, "auto").partial and not gather(sources[:1], None, "auto").partial


def test_the_turn_is_the_circular_standard_deviation():
    """Half of the directions at +30 degrees and half at -30: R is cos 30."""
    angles = np.radians([30, -30] * 8)
    truth = content({1: "a"}, [(1, [0, 0, 20, 5], fish(100, 50, 10 * math.cos(a), 10 * math.sin(a))) for a in angles])
    found = survey(truth)
    assert found.turn == pytest.approx(math.degrees(math.sqrt(-2 * math.log(math.cos(math.radians(30))))), abs=1e-9)
    assert found.median == pytest.approx(10 / 200) and found.images == 1


def test_the_input_s_size_follows_the_objects():
    def size(side):
        truth = content(dict.fromkeys(range(9), "a"), [(n, [0, 0, side, side], {}) for n in range(9)], names=())
        return make_plan(survey(truth), []).input_size

    assert size(100) == (64, 128)  # half of the longer side: the least size will do
    assert size(35) == (160, 320)  # 56 / (35 / 200)
    assert size(4) == (256, 512)  # the most


def test_small_objects_are_learned_from_windows():
    def window(side, count=10):
        truth = content(dict.fromkeys(range(count), "a"), [(n, [0, 0, side, side / 2], {}) for n in range(count)], names=())
        plan = make_plan(survey(truth), [Kind("", ["nose"])])
        return plan.input_size, plan.window

    # a box of 40 x 20 in 200 x 100 pixels: median sqrt(800) / 200 = 0.141, 56 / 0.141 = 396, 384 in steps of 32;
    # 1.75 * 40 / 200 = 0.35 of 192 x 384 is 67 x 134, in steps of 32 upwards 96 x 160
    assert window(40) == ((192, 384), (96, 160))
    assert window(120) == ((64, 128), None)  # a window of 1.75 sides of the object is larger than the image


def test_the_windows_show_objects_at_the_scale_of_the_input():
    truth = content(dict.fromkeys(range(9), "a"), [(n, [0, 0, 40, 20], {}) for n in range(9)], names=())
    plan = make_plan(survey(truth), [Kind("", ["nose"])])
    read = yaml.safe_load(configuration("new", ["fish"], [Kind("", ["nose"])], *FILES, plan, NetworkPlan(), 100, 1))
    view = read["data"]["train"]["transforms"]["view"]
    assert read["data"]["train"]["size"] == [96, 160] and view["mode"] == "object"
    assert np.median(view["crop_scales"]) == pytest.approx(160 / 384, abs=1e-3)


@pytest.mark.parametrize(
    "names, pairs",
    [
        (["snout", "leftear", "rightear"], [("leftear", "rightear")]),
        (["l_hip", "r_hip", "lip"], [("l_hip", "r_hip")]),
        (["EyeL", "EyeR"], [("EyeL", "EyeR")]),
        (["R_F_Paw", "L_F_Paw"], [("L_F_Paw", "R_F_Paw")]),
        (["Left Ankle", "Right Ankle"], [("Left Ankle", "Right Ankle")]),
        (["左眼", "右眼", "鼻"], [("左眼", "右眼")]),
        (["tail", "pedal", "pedar"], []),
    ],
)
def test_mirrored_pairs_are_guessed_from_names(names, pairs):
    assert side_pairs(names) == pairs


def test_mirroring_needs_to_know_the_sides():
    truth = content({1: "a"}, [(1, [0, 0, 20, 20], {})], names=())
    flip = lambda *sets: make_plan(survey(truth), [Kind(name, joints) for name, joints in zip("ab", sets)]).flip  # noqa: E731
    assert flip(["nose", "left_eye"]) == flip(["kp1", "kp2"]) == flip(["1", "2"]) == flip(["joint_1"]) == 0
    assert flip(["nose", "left_eye", "right_eye"]) == flip(["nose", "tail"]) == 0.5
    assert flip(["nose", "tail"], ["left_eye", "right_eye"]) == 0.5 and flip(["nose", "tail"], ["left_eye"]) == 0


def test_what_an_importer_knows_goes_before_guesses(folder):
    first = json.loads((folder / "a_train.json").read_text())
    first["categories"][0].update(flip_pairs=[["head", "tail"]], sigmas=[0.03, 0.2])
    (folder / "a_train.json").write_text(json.dumps(first))
    (joints,) = gather([folder / "a_train.json"], None, "auto").sets
    assert (joints.pairs, joints.sigmas) == ([(0, 1)], [0.03, 0.2])
    plan = make_plan(survey(content({1: "a"}, [(1, [0, 0, 20, 20], {})], names=())), [joints])
    assert plan.pairs == [[("head", "tail")]] and plan.flip == 0.5
    first["categories"][0].update(flip_pairs=[])  # an importer has found no sides, which says nothing
    (folder / "a_train.json").write_text(json.dumps(first))
    assert gather([folder / "a_train.json"], None, "auto").sets[0].pairs is None
    first["categories"][0].update(flip_pairs=[["head", "fin"]], sigmas=[0.03, "x"])
    (folder / "a_train.json").write_text(json.dumps(first))
    (joints,) = gather([folder / "a_train.json"], None, "auto").sets
    assert (joints.pairs, joints.sigmas) == (None, None)


def test_names_of_others_write_no_lines_of_the_configuration():
    joints = ["left_a\nmodel: {type: 'evil:Class'}", "b\u2028c\x85d", "鼻"]
    truth = content({1: "a"}, [(1, [0, 0, 20, 20], {})], names=())
    sets = [Kind("", joints, [(0, 1)])]
    text = configuration("mindpoint new", ["fish\nhooks: x"], sets, *FILES, make_plan(survey(truth), sets), NetworkPlan(), 100, 1)
    read = yaml.safe_load(text)
    assert read["keypoints"]["names"] == joints and read["classes"] == ["fish\nhooks: x"] and "鼻" in text
    assert set(read["model"]) == {"backbone", "neck", "heads", "decoder"} and read["hooks"]["console"] == {"every": 50}
    assert read["hooks"]["checkpoint"] == read["hooks"]["evaluation"], "an epoch of few images takes no longer than a checkpoint"


@pytest.mark.slow
def test_the_configuration_is_whole_and_nothing_is_overwritten(tmp_path):
    rng = np.random.default_rng(0)
    annotations = []
    for key in range(10):
        image = rng.integers(0, 60, (96, 128, 3)).astype(np.uint8)
        x, y = int(rng.integers(10, 60)), int(rng.integers(10, 40))
        cv2.rectangle(image, (x, y), (x + 50, y + 40), (60, 200, 250), -1)
        cv2.imwrite(str(tmp_path / f"{key}.png"), image)
        annotations.append((key, [x, y, 50, 40], fish(x, y, 50, 40)))
    truth = content({key: f"{key}.png" for key in range(10)}, annotations)
    for record in truth["images"]:
        record.update(width=128, height=96)
    (tmp_path / "labels.json").write_text(json.dumps(truth))

    def run(*arguments):
        command = [sys.executable, "-m", "mindpoint", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    made = run("new", "fish.yaml", "--annotations", "labels.json", "--minutes", "0.5")
    assert made.returncode == 0, made.stderr
    assert "8 images for training, 2 for validation" in made.stdout and "mindpoint train fish.yaml" in made.stdout
    written = yaml.safe_load((tmp_path / "fish.yaml").read_text())
    assert written["keypoints"]["names"] == ["head", "tail"] and written["train"]["steps"] >= 50
    checked = run("config", "check", "fish.yaml")
    assert checked.returncode == 0, checked.stderr
    before = (tmp_path / "fish.yaml").read_bytes()
    again = run("new", "fish.yaml", "--annotations", "labels.json")
    assert again.returncode == 2 and "fish.yaml: already exists" in again.stderr
    assert (tmp_path / "fish.yaml").read_bytes() == before
