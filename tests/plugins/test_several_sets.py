"""Several data sets as one: classes and joints by name, one truth, and what the commands say of each set."""

import copy
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.contracts.image import InputSpec, Sample, View
from mindpoint.data.build import FirstImages, build_dataset, build_metric, build_samples
from mindpoint.data.concat import ConcatDataset
from mindpoint.data.loader import Loader
from mindpoint.errors import ConfigError, DataError
from mindpoint.testing import DatasetTests
from mindpoint_centernet.targets.multi_pose import MultiPoseTargets
from mindpoint_coco.data_command.command import main
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.datasets.mindrecord import MindRecordDataset
from mindpoint_coco.keypoints import Keypoints
from mindpoint_synthetic.people import SyntheticPeople

CLASSES = ["person", "mouse"]
JOINTS = Keypoints(["nose", "left_ear", "right_ear"], [("nose", "left_ear")], sigmas=[0.1, 0.2, 0.3])


def annotation(number, image, category, points, box=(2, 2, 20, 10)):
    return {"id": number, "image_id": image, "category_id": category, "bbox": list(box), "keypoints": points}


def image(number, name, width=40, height=30):
    return {"id": number, "file_name": name, "width": width, "height": height}


# Joints as the configuration has them, mice are not annotated.
PEOPLE = {
    "images": [image(1, "a.png"), image(2, "b.png"), image(3, "c.png"), image(4, "d.png")],
    "annotations": [annotation(1, 1, 1, [3, 4, 2, 5, 6, 1, 0, 0, 0]), annotation(2, 3, 1, [7, 8, 2, 9, 9, 2, 9, 3, 2])],
    "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "left_ear", "right_ear"]}],
}
# The same ids mean other things; another order, other names, a joint too many and one that is not there.
ANIMALS = {
    "images": [image(1, "a.png", 20, 20), image(9, "z.png", 20, 20)],
    "annotations": [
        annotation(1, 1, 2, [1, 2, 2, 0, 0, 0, 5, 6, 1], (1, 1, 9, 9)) | {"num_keypoints": 2, "area": 7.5},
        annotation(5, 9, 1, [4, 4, 2], (0, 0, 8, 8)),
        annotation(6, 9, 2, [0, 0, 0, 3, 3, 2, 0, 0, 0], (2, 2, 9, 9)),
        {"id": 7, "image_id": 9, "category_id": 2, "bbox": [3, 3, 4, 4]},
    ],
    "categories": [
        {"id": 1, "name": "tree", "keypoints": ["top"]},
        {"id": 2, "name": "Mus", "keypoints": ["tail", "Left-Ear", "snout"], "skeleton": [[1, 3]]},
    ],
}


def write(folder, content):
    folder.mkdir(exist_ok=True)
    for seed, record in enumerate(content["images"]):
        pixels = np.random.default_rng(seed).integers(0, 256, (record["height"], record["width"], 3), np.uint8)
        cv2.imwrite(str(folder / record["file_name"]), pixels)
    (folder / "set.json").write_text(json.dumps(content))
    return {"annotations": str(folder / "set.json"), "images": str(folder)}


@pytest.fixture
def people(tmp_path):
    return write(tmp_path / "people", PEOPLE)


@pytest.fixture
def animals(tmp_path):
    return {**write(tmp_path / "animals", ANIMALS), "categories": {"Mus": "mouse"}, "joints": {"snout": "nose"}}


def opened(block, classes=CLASSES, keypoints=JOINTS):
    return CocoDataset(classes=classes, keypoints=keypoints, **block)


@pytest.fixture
def both(people, animals):
    return ConcatDataset([opened({**people, "categories": ["person"]}), opened(animals)], CLASSES)


# one file, by names


def test_joints_and_classes_by_name(animals, caplog):
    mice = opened(animals)
    assert "set.json: category 'Mus': joints matched by name; right_ear missing and unlabelled; tail ignored" in caplog.text
    assert mice.objects(0).labels.tolist() == [1] and mice.objects(1).labels.tolist() == [1, 1], "trees are left out"
    never = [0, 0, -1]  # the file has no right ear
    assert mice.objects(0).keypoints.tolist() == [[[5, 6, 1], [0, 0, 0], never]], "the tail's place is nobody's"
    assert mice.objects(1).keypoints.tolist() == [[[0, 0, 0], [3, 3, 2], never], [[0, 0, 0], [0, 0, 0], never]]
    truth = mice.ground_truth()
    assert truth["categories"] == [
        {"id": 3, "name": "person", "keypoints": list(JOINTS.names), "skeleton": [[1, 2]]},
        {"id": 2, "name": "mouse", "keypoints": list(JOINTS.names), "skeleton": [[1, 2]]},
    ]
    assert [(record["keypoints"], record["num_keypoints"]) for record in truth["annotations"]] == [
        ([5, 6, 1, 0, 0, 0, 0, 0, 0], 1),
        ([0, 0, 0, 3, 3, 2, 0, 0, 0], 1),
        ([0] * 9, 0),
    ]
    assert (mice.category_ids(), truth["annotations"][0]["area"], truth["listed"]) == (
        [3, 2],
        7.5,
        {"images": [1, 9], "categories": [1, 2]},
    )


def test_a_file_in_another_order_is_read_by_name_without_being_told_to(tmp_path):
    content = copy.deepcopy(PEOPLE)
    content["categories"][0]["keypoints"] = ["Right Ear", "nose", "leftEar"]
    dataset = opened(write(tmp_path / "people", content), ["person"])
    assert dataset.objects(2).keypoints.tolist() == [[[9, 9, 2], [9, 3, 2], [7, 8, 2]]]
    assert dataset.ground_truth()["annotations"][1]["keypoints"] == [9, 9, 2, 9, 3, 2, 7, 8, 2]


def test_names_that_nobody_knows_are_taken_in_order(tmp_path):
    content = copy.deepcopy(PEOPLE)
    content["categories"][0]["keypoints"] = ["Nase", "linkes Ohr", "rechtes Ohr"]
    dataset = opened(write(tmp_path / "german", content), ["person"])
    assert dataset.objects(2).keypoints.tolist() == [[[7, 8, 2], [9, 9, 2], [9, 3, 2]]]
    assert dataset.ground_truth()["categories"][0]["keypoints"] == ["Nase", "linkes Ohr", "rechtes Ohr"]


def test_several_categories_may_share_a_class(tmp_path):
    content = copy.deepcopy(ANIMALS)
    content["categories"][0]["keypoints"] = ["snout"]
    block = write(tmp_path / "animals", content)
    merged = opened({**block, "categories": {"Mus": "mouse", "tree": "mouse"}, "joints": {"snout": "nose"}}, ["mouse"])
    assert merged.objects(1).labels.tolist() == [0, 0, 0]
    assert merged.objects(1).keypoints[:, :, 2].tolist() == [[2, -1, -1], [0, 2, -1], [0, 0, -1]]
    truth = merged.ground_truth()
    assert len(truth["categories"]) == 1 and {record["category_id"] for record in truth["annotations"]} == {truth["categories"][0]["id"]}


@pytest.mark.parametrize(
    "change, error, said",
    [
        (
            {"categories": None},
            DataError,
            "set.json: no category is named person, mouse; the file has tree, Mus; correct 'classes', or 'cat",
        ),
        ({"categories": {"Mus": "rat"}}, ConfigError, "categories: no class is named 'rat'; 'classes' has person, mouse"),
        ({"categories": ["rat"]}, ConfigError, "categories: no class is named 'rat'"),
        ({"categories": {"rat": "mouse"}}, DataError, "set.json: no category is named rat; the file has tree, Mus"),
        ({"categories": []}, ConfigError, "categories: is empty"),
        ({"joints": {"snout": "muzzle"}}, ConfigError, "joints: no joint is named 'muzzle'; keypoints has nose, left_ear, right_ear"),
        ({"joints": {"muzzle": "nose"}}, ConfigError, "joints: no joint in .*set.json is named 'muzzle'; it has tail, Left-Ear, snout"),
        ({"joints": {"tail": "nose", "snout": "nose"}}, ConfigError, "two joints of category 'Mus' in .*set.json get the same name"),
    ],
)
def test_names_that_do_not_fit(animals, change, error, said):
    with pytest.raises(error, match=said):
        opened({**animals, **change})


def test_a_record_of_the_wrong_length_is_told_in_the_joints_of_its_file(animals, tmp_path):
    content = copy.deepcopy(ANIMALS)
    content["annotations"][0]["keypoints"] = [1, 2, 2]
    (tmp_path / "animals" / "set.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"annotation 1: 'keypoints' is not a list of 9 finite numbers \(x, y, visibility of 3 points\)"):
        opened(animals)


# several sets


def test_images_of_all_sets_are_spread_evenly(both):
    # 4 images at 1/8, 3/8, 5/8, 7/8 of the whole and 2 at 1/4, 3/4
    names = [both[index].name.rpartition("/")[0].rpartition("/")[2] + "/" + both.file_name(index) for index in range(6)]
    assert names == ["people/a.png", "animals/a.png", "people/b.png", "people/c.png", "animals/z.png", "people/d.png"]
    assert both.ids() == [1, 5, 2, 3, 6, 4], "ids repeat, so all images are numbered, set after set"
    assert [both[index].image_id for index in range(6)] == both.ids()
    assert both.image_size(1) == (20, 20) and both.file_bytes(1) == Path(both.datasets[1].path(0)).read_bytes()
    first = FirstImages(both, 2)
    assert [record["id"] for record in first.ground_truth()["images"]] == [1, 5], "the first images hold some of each set"


def test_one_truth_by_hand(both):
    truth = both.ground_truth()
    assert [(record["id"], record["file_name"], record["width"]) for record in truth["images"]] == [
        (1, "a.png", 40), (5, "a.png", 20), (2, "b.png", 40), (3, "c.png", 40), (6, "z.png", 20), (4, "d.png", 40),
    ]  # fmt: skip
    assert [(record["id"], record["name"]) for record in truth["categories"]] == [(1, "person"), (2, "mouse")]
    assert [tuple(record[key] for key in ("id", "image_id", "category_id", "keypoints")) for record in truth["annotations"]] == [
        (1, 1, 1, [3, 4, 2, 5, 6, 1, 0, 0, 0]),
        (2, 3, 1, [7, 8, 2, 9, 9, 2, 9, 3, 2]),
        (3, 5, 2, [5, 6, 1, 0, 0, 0, 0, 0, 0]),
        (4, 6, 2, [0, 0, 0, 3, 3, 2, 0, 0, 0]),
        (5, 6, 2, [0] * 9),
    ]
    assert truth["listed"] == {"images": [1, 2, 3, 4, 5, 6], "categories": [1, 2]}


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_joint_that_a_set_lacks_is_not_background_there(both, mirrored):
    """Mice have no right ear: its heatmap (of a mirrored image, that of the left ear) does not train on their images. People's images,
    with and without people, train all heatmaps, though no right ear is labelled in the first one."""
    encode = MultiPoseTargets(JOINTS, CLASSES, InputSpec((32, 32), (0, 0, 0), (1, 1, 1)), unlabelled="ignore")
    trained = []
    for index, name in enumerate(both.file_name(index) for index in range(6)):
        height, width = both.image_size(index)
        objects = both.objects(index).mirror(width) if mirrored else both.objects(index)
        view = View((width / 2, height / 2), 40)
        targets = encode(Sample(1, name, np.zeros((32, 32, 3), np.uint8), objects, view))
        trained.append((width, len(objects), targets["hm_hp_weight"].any((1, 2)).tolist()))
    mice = [True, False, True] if mirrored else [True, True, False]
    assert sorted(trained) == [(20, 1, mice), (20, 2, mice), *[(40, 0, [True] * 3)] * 2, *[(40, 1, [True] * 3)] * 2]


def test_ids_that_differ_stay(people, tmp_path):
    other = copy.deepcopy(PEOPLE)
    other["images"] = [image(70, "a.png"), image(60, "b.png")]
    other["annotations"] = [annotation(11, 70, 1, [0] * 9)]
    block = write(tmp_path / "other", other)
    joined = ConcatDataset([opened(people, ["person"]), opened({**block, "image_ids": [70]}, ["person"])], ["person"])
    assert sorted(joined.ids()) == [1, 2, 3, 4, 70] and joined.category_ids() == [1]
    truth = joined.ground_truth()
    assert [record["id"] for record in truth["annotations"]] == [1, 2, 11] and truth["annotations"][2]["image_id"] == 70
    assert truth["listed"]["images"] == [1, 2, 3, 4, 60, 70], "a result of an image that is left out is no error"


def test_sets_that_do_not_fit(people, animals):
    bare = opened(people, ["person"], keypoints=None)
    with pytest.raises(
        ConfigError, match=r"datasets.1: its objects have nothing, but those of the first .* keypoints \[3, 3\] \(nose, left_ear"
    ):
        ConcatDataset([opened(people, ["person"]), bare], ["person"])
    with pytest.raises(ConfigError, match="datasets: is empty"):
        ConcatDataset([], ["person"])
    for repeats in ([1], [1, 0]):
        with pytest.raises(ConfigError, match="repeats: .* for each of 2 data sets"):
            ConcatDataset([bare, bare], ["person"], repeats)


class TestConcatDataset(DatasetTests):
    def make(self):
        return ConcatDataset(
            [SyntheticPeople(3, 1, ["person"], size=(64, 64)), SyntheticPeople(2, 2, ["person"], size=(48, 64))], ["person"], [1, 3]
        )


# a configuration with several sets


@pytest.fixture
def config(tmp_path, people, animals):
    """Train on two sets, evaluate on both."""
    blocks = [{**people, "categories": ["person"]}, animals]
    joined = {"type": "ConcatDataset", "datasets": [{"type": "CocoDataset", **block} for block in blocks]}
    content = {
        "classes": CLASSES,
        "input": {"size": [32, 32]},
        "keypoints": {"_replace_": True, "names": list(JOINTS.names), "sigmas": [0.1, 0.2, 0.3], "skeleton": [["nose", "left_ear"]]},
        "data": {"train": {"dataset": {**joined, "repeats": [1, 3]}}, "val": {"dataset": joined}},
    }
    path = tmp_path / "both.yaml"
    path.write_text(json.dumps({"_base_": "quickstart.yaml", **content}))
    return str(path)


def test_every_epoch_shows_each_image_as_often_as_its_set_says(config):
    samples = build_samples(load_config(config, ["data.train.transforms.view.mode=shift"]))
    assert len(samples.dataset) == 6 and len(samples) == 4 + 3 * 2
    loader = Loader(samples, 2, 2, True, False)
    assert loader.steps_per_epoch == 5
    shown = [[i for batch in batches for i in batch["image_id"].tolist()] for batches in loader.epochs(2)]
    assert sorted(shown[0]) == sorted(shown[1]) == [1, 2, 3, 4, 5, 5, 5, 6, 6, 6] and shown[0] != shown[1]
    again = [i for batches in loader.epochs(2, 1, step=3) for batch in batches for i in batch["image_id"].tolist()]
    assert again == shown[1][6:], "the order within an epoch is a function of seed and epoch"
    first, second = (samples.prepare(place)[0].view for place in np.flatnonzero(samples.images == 1)[:2])
    assert first != second, "each time per image is shown it is augmented anew"


def test_the_truth_is_found_to_be_true(config):
    """The joined truth, taken as results, scores 1 in each class."""
    loaded = load_config(config, ["test.metric.per_class=true"])
    dataset, metric = build_dataset(loaded, "val"), build_metric(loaded)
    truth = dataset.ground_truth()
    results = [{**record, "score": 0.9} for record in truth["annotations"]]
    stats = metric.evaluate(truth, results, dataset.ids())
    for name in ("keypoints/AP", "keypoints/AP/person", "keypoints/AP/mouse", "bbox/AP/person", "bbox/AP/mouse"):
        assert stats[name] == pytest.approx(1.0)
    moved = [{**record, "image_id": {5: 1, 6: 3}.get(record["image_id"], record["image_id"])} for record in results]
    assert metric.evaluate(truth, moved, dataset.ids())["keypoints/AP/mouse"] == 0, "images of two sets with one id are two"


def test_check_looks_at_each_file_of_its_own(config, capsys, tmp_path):
    assert main(["check", config, "--split", "val", "--fix", str(tmp_path / "mended")]) == 0
    out = capsys.readouterr().out
    assert "val-1: " in out and "val-2: " in out and "animals/set.json: 2 images, 4 annotations" in out
    assert "'num_keypoints' is 2, 2 joints" not in out and "other joints" not in out
    mended = json.loads((tmp_path / "mended" / "val-2.json").read_text())
    assert mended["categories"] == ANIMALS["categories"] and mended["annotations"][0]["keypoints"] == [1, 2, 2, 0, 0, 0, 5, 6, 1]


def test_stats_has_a_column_for_each_set(config, capsys, tmp_path):
    assert main(["stats", config, "--split", "val", "--out", str(tmp_path / "stats")]) == 0
    said = json.loads((tmp_path / "stats" / "statistics.json").read_text())
    assert list(said) == ["val-1", "val-2"]
    assert [{name: each["objects"] for name, each in said[split]["classes"].items()} for split in said] == [
        {"person": 2, "mouse": 0},
        {"person": 0, "mouse": 3},
    ]
    assert said["val-2"]["joints"]["left_ear"]["visible"] == 1 and said["val-2"]["joints"]["nose"]["hidden"] == 1


def test_browse_finds_images_by_their_new_ids(config, tmp_path):
    assert main(["browse", config, "--split", "train", "--id", "6", "--out", str(tmp_path / "look")]) == 0
    assert [path.name for path in (tmp_path / "look").iterdir()] == ["train-000004-6.jpg"]


def test_converted_it_is_one_set_with_the_same_samples(config, tmp_path):
    assert main(["convert", config, "--out", str(tmp_path / "records"), "--shards", "2"]) == 0
    joined = build_dataset(load_config(config), "train")
    stored = MindRecordDataset(str(tmp_path / "records" / "train"), CLASSES, JOINTS)
    assert len(stored) == 6 and stored.ids() == joined.ids() and stored.category_ids() == joined.category_ids()
    for index in range(6):
        one, other = stored[index], joined[index]
        np.testing.assert_array_equal(one.image, other.image)
        for name, values in other.objects.values.items():
            np.testing.assert_array_equal(one.objects.values[name], values)
    mice = MindRecordDataset(str(tmp_path / "records" / "train"), ["rat"], JOINTS, categories={"mouse": "rat"}, with_objects=True)
    assert mice.ids() == [5, 6] and {record["name"] for record in mice.ground_truth()["categories"]} == {"rat"}


def test_export_writes_each_set_and_names_them_together(config, tmp_path):
    import yaml

    assert main(["export", "yolo-pose", config, "--out", str(tmp_path / "yolo")]) == 0
    said = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text())
    assert said["train"] == ["images/train-1", "images/train-2"] and said["names"] == {0: "person", 1: "mouse"}
    line = (tmp_path / "yolo" / "labels" / "val-2" / "a.txt").read_text().split()
    assert line == ["1", "0.275", "0.275", "0.45", "0.45", "0.25", "0.3", "1", "0", "0", "0", "0", "0", "0"]


def test_an_image_that_cannot_be_read_is_named_with_its_own_file_and_id(config, tmp_path):
    (tmp_path / "animals" / "z.png").unlink()
    dataset = build_dataset(load_config(config), "val")
    with pytest.raises(DataError, match=r"animals/z.png: .*\(image id 9 of .*animals/set.json\)"):
        dataset[4]
