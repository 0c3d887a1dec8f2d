"""CocoDataset: what it reads, and what it says about files it cannot use."""

import copy
import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.contracts.fields import Angles, Field
from mindpoint.data.build import FirstImages
from mindpoint.errors import ConfigError, DataError
from mindpoint.registry import registry
from mindpoint.storage.images import read_image
from mindpoint_coco.datasets import coco_file
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.keypoints import Keypoints

KEYPOINTS = Keypoints(names=["left_eye", "right_eye"])
CONTENT = {
    "images": [
        {"id": 7, "file_name": "b.png", "width": 20, "height": 10},
        {"id": 3, "file_name": "a.png", "width": 16, "height": 12},
        {"id": 5, "file_name": "c.png", "width": 8, "height": 8},
    ],
    "annotations": [
        {"id": 1, "image_id": 3, "category_id": 4, "bbox": [1, 2, 3.5, 4], "keypoints": [1, 2, 2, 0, 0, 0]},
        {
            "id": 2,
            "image_id": 7,
            "category_id": 4,
            "bbox": [0, 0, 5, 5],
            "keypoints": [0] * 6,
            "iscrowd": 1,
            "area": 9.5,
            "num_keypoints": 0,
        },
        {"id": 3, "image_id": 3, "category_id": 2, "bbox": [5, 5, 6, 6], "keypoints": [6, 6, 1, 7, 7, 2]},
        {"id": 4, "image_id": 3, "category_id": 9, "bbox": [5, 5, 6, 6], "keypoints": []},
    ],
    "categories": [{"id": 4, "name": "person"}, {"id": 2, "name": "ape"}, {"id": 9, "name": "chair"}],
}


@pytest.fixture
def make(tmp_path):
    """Writes an annotation file (a changed copy of CONTENT) with its images, and opens it."""
    (tmp_path / "images").mkdir()
    for seed, record in enumerate(CONTENT["images"]):
        pixels = np.random.default_rng(seed).integers(0, 256, (record["height"], record["width"], 3), np.uint8)
        cv2.imwrite(str(tmp_path / "images" / record["file_name"]), pixels)

    def build(change=None, classes=("person", "ape"), text=None, **arguments):
        content = copy.deepcopy(CONTENT)
        if change:
            change(content)
        path = tmp_path / "people.json"
        path.write_text(json.dumps(content) if text is None else text)
        return CocoDataset(str(path), str(tmp_path / "images"), list(classes), **{"keypoints": KEYPOINTS, **arguments})

    build.folder = tmp_path / "images"
    return build


def test_objects_and_pixels(make):
    dataset = make()
    assert [dataset[i].image_id for i in range(len(dataset))] == [7, 3, 5]
    sample = dataset[1]
    np.testing.assert_array_equal(sample.image, cv2.imread(str(make.folder / "a.png")))
    assert sample.view is None and sample.name.endswith("a.png")
    np.testing.assert_array_equal(sample.objects.boxes, [[1, 2, 4.5, 6], [5, 5, 11, 11]])
    np.testing.assert_array_equal(sample.objects.keypoints, [[[1, 2, 2], [0, 0, 0]], [[6, 6, 1], [7, 7, 2]]])
    np.testing.assert_array_equal(sample.objects.labels, [0, 1])
    np.testing.assert_array_equal(sample.objects.areas, [14, 36])
    assert dataset[0].objects.crowd.tolist() == [True] and dataset[0].objects.areas.tolist() == [9.5]
    assert len(dataset[2].objects) == 0 and dataset[2].objects.keypoints.shape == (0, 2, 3)
    assert dataset[-1].image_id == 5 and dataset.objects(-2).labels.tolist() == [0, 1]
    with pytest.raises(IndexError):
        dataset[3]


def test_labels_follow_the_classes_and_others_are_left_out(make):
    assert make(classes=["ape", "person"]).objects(1).labels.tolist() == [1, 0]
    apes = make(classes=["ape"])
    assert apes.objects(1).boxes.tolist() == [[5, 5, 11, 11]] and len(apes.objects(0)) == 0
    assert [record["id"] for record in apes.ground_truth()["annotations"]] == [3]
    assert [record["name"] for record in apes.ground_truth()["categories"]] == ["ape"]


def test_which_images(make):
    assert make(with_objects=True).image_ids.tolist() == [7, 3]
    assert make(with_objects=True, classes=["ape"]).image_ids.tolist() == [3]
    chosen = make(image_ids=[5, 3])
    assert chosen.image_ids.tolist() == [5, 3] and chosen.objects(1).labels.tolist() == [0, 1]
    assert {record["id"] for record in chosen.ground_truth()["images"]} == {3, 5}
    assert [record["id"] for record in chosen.ground_truth()["annotations"]] == [1, 3]


def test_ground_truth_has_its_defaults(make):
    first, second, third = make().ground_truth()["annotations"]
    assert (first["area"], first["iscrowd"], first["num_keypoints"]) == (14, 0, 1)
    assert (second["area"], second["iscrowd"], second["num_keypoints"]) == (9.5, 1, 0)
    assert third["num_keypoints"] == 2


def test_joints_that_are_absent_are_not_labelled(make):
    def bare(content):
        del content["annotations"][0]["keypoints"]
        content["annotations"][2]["keypoints"] = []

    dataset = make(bare)
    assert not dataset.objects(1).keypoints.any() and dataset.objects(1).keypoints.shape == (2, 2, 3)
    truth = {record["id"]: record for record in dataset.ground_truth()["annotations"]}
    assert truth[1]["keypoints"] == [0] * 6 == truth[3]["keypoints"] and truth[1]["num_keypoints"] == 0


def test_boxes_only(make):
    """Without a keypoints section nobody looks at joints, and nothing is added to the records."""
    dataset = make(lambda content: [record.pop("keypoints") for record in content["annotations"]], keypoints=None)
    assert dataset.fields == () and list(dataset.objects(1).values) == ["boxes", "labels", "areas", "crowd"]
    np.testing.assert_array_equal(dataset[1].objects.boxes, [[1, 2, 4.5, 6], [5, 5, 11, 11]])
    first = dataset.ground_truth()["annotations"][0]
    assert sorted(first) == ["area", "bbox", "category_id", "id", "image_id", "iscrowd"] and first["area"] == 14
    assert dataset.category_ids() == [4, 2] and make(classes=["ape", "person"]).category_ids() == [2, 4]
    assert [record["name"] for record in dataset.categories()] == ["person", "ape"]
    assert dataset.ids() == [7, 3, 5] and dataset.image_size(1) == (12, 16) and dataset.file_name(2) == "c.png"


TURNED = {"rotation": "Angles", "track": {"type": "mindpoint.contracts.fields:Field", "dtype": "int64", "shape": [2]}}


def _turned(content):
    content["annotations"][0].update(rotation=0.5, track=[3, 4])
    content["annotations"][2].update(rotation=-1)


def test_declared_fields(make):
    dataset = make(_turned, fields=TURNED)
    assert [field.name for field in dataset.fields] == ["keypoints", "rotation", "track"]
    objects = dataset.objects(1)
    assert objects.rotation.tolist() == [0.5, -1] and objects.track.tolist() == [[3, 4], [0, 0]]
    np.testing.assert_allclose(objects.mirror(16).rotation, [np.pi - 0.5, 1 - np.pi], atol=1e-6)  # pi + 1 is 1 - pi
    assert len(dataset.objects(2).rotation) == 0 and dataset.objects(2).track.shape == (0, 2)
    truth = {record["id"]: record for record in dataset.ground_truth()["annotations"]}
    assert truth[1]["rotation"] == 0.5 and truth[3]["track"] == [0, 0]
    alone = make(_turned, fields={"rotation": Angles("rotation")}, keypoints=None)
    assert alone.objects(1).rotation.tolist() == [0.5, -1]


@pytest.mark.parametrize("value", ["north", [1, 2], float("nan")])
def test_wrong_values_of_fields_name_file_annotation_and_field(make, value):
    with pytest.raises(DataError, match="people.json: annotation 3: 'rotation' is .*, not finite numbers"):
        make(lambda content: content["annotations"][2].update(rotation=value), fields={"rotation": "Angles"})


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"area": "Field"}, "fields.area: this name is already used in annotations"),
        ({"keypoints": "Field"}, "fields.keypoints: this name is already used in annotations"),
        ({"rotation": "Angle"}, "fields.rotation: 'Angle' is not a kind of field; choose Field, Lengths, Angles"),
        ({"rotation": 3}, "fields.rotation: 3 does not describe a field"),
        ({"rotation": Angles("turn")}, "fields.rotation: the block names the field 'turn'"),
        ({"mask": Field("mask", (None, None))}, "fields.mask: the shape .* is not fixed"),
    ],
)
def test_fields_that_cannot_be(make, fields, message):
    with pytest.raises(ConfigError, match=message):
        make(fields=fields)


def test_fields_in_a_configuration(make, tmp_path):
    make(_turned)
    config = tmp_path / "mine.yaml"
    block = "{type: mindpoint.contracts.fields:Field, name: track, shape: [2], dtype: int64}"
    config.write_text(
        "input: {size: [64, 64], mean: [0.5, 0.5, 0.5], std: [0.3, 0.3, 0.3]}\nclasses: [person, ape]\n"
        "keypoints: {names: [left_eye, right_eye]}\n"
        "model: {backbone: {type: ResNet, depth: 18}, heads: {pose: {type: MultiPoseHeads}}}\n"
        "data:\n  train:\n    dataset:\n"
        f"      type: CocoDataset\n      annotations: {tmp_path}/people.json\n      images: {tmp_path}/images\n"
        f"      fields: {{rotation: Angles, track: {block}}}\n"
    )
    dataset = load_config(str(config)).build("data.train.dataset")
    assert dataset.objects(1).track.tolist() == [[3, 4], [0, 0]] and dataset.objects(1).rotation.tolist() == [0.5, -1]


def test_both_names_are_the_same_class():
    for now, before in (("CocoDataset", "CocoKeypoints"), ("MindRecordDataset", "MindRecordKeypoints")):
        assert registry("datasets").get(now) is registry("datasets").get(before)


def test_the_file_is_checked_once(make, monkeypatch):
    dataset = make()
    monkeypatch.setattr(coco_file, "_check_records", lambda *arguments: pytest.fail("checked again"))
    assert len(dataset.ground_truth()["annotations"]) == 3


def test_layout_of_coco(tmp_path):
    joints, folder = {"keypoints": KEYPOINTS}, str(tmp_path)
    block = CocoDataset.in_layout(folder, "val", joints)
    assert block == {"annotations": f"{folder}/annotations/person_keypoints_val2017.json", "images": f"{folder}/val2017"}
    assert CocoDataset.in_layout(folder, "val", {})["annotations"] == f"{folder}/annotations/instances_val2017.json"
    assert CocoDataset.in_layout(folder, "train", joints)["with_objects"] is True
    assert "with_objects" not in CocoDataset.in_layout(folder, "train", {}), "images without objects train a detector"
    test = CocoDataset.in_layout(folder, "test", {})
    assert test["annotations"].endswith("image_info_test-dev2017.json") and test["unlabelled"] and test["images"].endswith("test2017")
    with pytest.raises(DataError, match="COCO has no split 'minival'; choose train, val or test"):
        CocoDataset.in_layout(folder, "minival", {})
    with pytest.raises(DataError, match="nowhere: no such folder"):
        CocoDataset.in_layout(f"{folder}/nowhere", "val", {})


def test_samples_are_independent_and_reading_is_thread_safe(make):
    dataset = pickle.loads(pickle.dumps(make()))
    dataset[1].objects.boxes[:] = 0
    with ThreadPoolExecutor(4) as pool:
        samples = list(pool.map(dataset.__getitem__, [0, 1, 2] * 8))
    assert [sample.image_id for sample in samples] == [7, 3, 5] * 8
    assert samples[1].objects.boxes[0].tolist() == [1, 2, 4.5, 6]


def _set(kind, index, key, value):
    return lambda content: content[kind][index].__setitem__(key, value)


def _drop(kind, index, key):
    return lambda content: content[kind][index].pop(key)


BAD_RECORDS = {
    "lacks list": (lambda content: content.pop("annotations"), ["the list 'annotations' is missing"]),
    "image lacks height": (_drop("images", 1, "height"), ["image 3: lacks 'height'"]),
    "image size": (_set("images", 1, "width", "16"), ["image 3", "'width' is '16'", "positive whole number"]),
    "image without id": (_drop("images", 1, "id"), ["image number 1 of the list: lacks 'id'"]),
    "annotation lacks image": (_drop("annotations", 2, "image_id"), ["annotation 3: lacks 'image_id'"]),
    "annotation lacks box": (_drop("annotations", 2, "bbox"), ["annotation 3: lacks 'bbox'"]),
    "keypoint length": (
        _set("annotations", 2, "keypoints", [1.0] * 51),
        ["annotation 3", "'keypoints' is not a list of 6 finite numbers", "2 points"],
    ),
    "keypoint text": (_set("annotations", 2, "keypoints", [1, 2, "x", 1, 2, 2]), ["annotation 3", "'keypoints'", "finite numbers"]),
    "box length": (_set("annotations", 2, "bbox", [1, 2, 3]), ["annotation 3", "'bbox' must hold 4 numbers", "got 3"]),
    "box no list": (_set("annotations", 2, "bbox", None), ["annotation 3", "'bbox' must hold 4 numbers", "got None"]),
    "box infinite": (_set("annotations", 2, "bbox", [1, 2, float("nan"), 3]), ["annotation 3", "'bbox'", "not a finite number"]),
    "area": (_set("annotations", 2, "area", "big"), ["annotation 3", "'area' is 'big'"]),
    "crowd": (_set("annotations", 2, "iscrowd", 2), ["annotation 3", "'iscrowd' is 2"]),
    "image twice": (_set("images", 2, "id", 7), ["image id 7 is used more than once"]),
    "annotation twice": (_set("annotations", 2, "id", 1), ["annotation id 1 is used more than once"]),
    "category twice": (_set("categories", 2, "name", "ape"), ["2 categories are named 'ape'"]),
    "lost image": (_set("annotations", 2, "image_id", 99), ["1 of 4 annotations", "image_id that no image record has: 99", "annotation 3"]),
    "lost category": (_set("annotations", 2, "category_id", 99), ["category_id that no category record has: 99"]),
    "no object": (lambda content: content["images"].insert(0, 5), ["image number 0 of the list is not an object"]),
}


@pytest.mark.parametrize("name", BAD_RECORDS)
def test_bad_records_are_named(make, name):
    change, expected = BAD_RECORDS[name]
    with pytest.raises(DataError) as caught:
        make(change)
    for part in ["people.json", *expected]:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "text, expected",
    [
        ('{"images": [],\n "annotations": [}', "people.json:2:18: the annotation file is not JSON"),
        ("", "people.json:1:1: the annotation file is not JSON"),
        ("[]", "is a result file"),
    ],
)
def test_no_json(make, text, expected):
    with pytest.raises(DataError, match=expected):
        make(text=text)


def test_missing_file_folder_and_class(make, tmp_path):
    with pytest.raises(DataError, match="nowhere.json: no such annotation file"):
        CocoDataset(str(tmp_path / "nowhere.json"), str(tmp_path), ["person"], KEYPOINTS)
    with pytest.raises(DataError, match="not a file; name the annotation file"):
        CocoDataset(str(tmp_path), str(tmp_path), ["person"], KEYPOINTS)
    make()
    with pytest.raises(DataError, match="no such folder of images"):
        CocoDataset(str(tmp_path / "people.json"), str(tmp_path / "nowhere"), ["person"], KEYPOINTS)
    with pytest.raises(DataError, match="no category is named hand; there are person, ape, chair"):
        make(classes=["person", "hand"])


def test_image_ids_that_are_not_there(make):
    with pytest.raises(DataError, match="2 of 3 ids of 'image_ids' are not among its 3 images: 1, 2; it has 7, 3, 5"):
        make(image_ids=[1, 7, 2])
    with pytest.raises(DataError, match="more than once"):
        make(image_ids=[7, 7])
    with pytest.raises(DataError, match="no image has an annotation"):
        make(image_ids=[5], with_objects=True)


def test_unusable_images(make):
    dataset = make()
    file = make.folder / "a.png"
    whole = file.read_bytes()
    bad = {"is empty": b"", "is truncated": whole[:-20], "not an image that OpenCV can read": b"hello, this is text"}
    for message, data in bad.items():
        file.write_bytes(data)
        with pytest.raises(DataError, match=f"a.png: .*{message}.*image id 3 of .*people.json"):
            dataset[1]
    file.unlink()
    with pytest.raises(DataError, match="a.png: no such image file.*image id 3"):
        dataset[1]
    cv2.imwrite(str(file), np.zeros((16, 12, 3), np.uint8))
    with pytest.raises(DataError, match="is 12 x 16 pixels, but image id 3 .* says 16 x 12.*EXIF"):
        dataset[1]


@pytest.mark.parametrize("progressive", [0, 1])
def test_truncated_jpeg_is_noticed_wherever_it_ends(tmp_path, progressive):
    pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    thumbnail = cv2.imencode(".jpg", pixels[:20, :20])[1].tobytes()
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, cv2.IMWRITE_JPEG_RST_INTERVAL, 4])[1].tobytes()
    # an application segment with a whole JPEG in it, as cameras store thumbnails
    data = data[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + data[2:]
    path = tmp_path / "x.jpg"
    for end in (len(thumbnail) + 10, len(data) // 3, len(data) // 2, len(data) - 2, len(data) - 1):
        path.write_bytes(data[:end])
        assert cv2.imread(str(path)) is not None or end < len(data) // 3  # OpenCV itself says nothing
        with pytest.raises(DataError, match="x.jpg: is truncated"):
            read_image(str(path))
    for tail in (b"", b"\0" * 64, b"\xff\xd8 more"):
        path.write_bytes(data + tail)
        assert read_image(str(path)).shape == (120, 160, 3)


def test_all_coco_images_read(coco_mini):
    for split in ("train2017", "val2017"):
        annotations = coco_mini / "annotations" / f"person_keypoints_{split}.json"
        content = json.loads(annotations.read_text())
        keypoints = Keypoints(names=content["categories"][0]["keypoints"])
        dataset = CocoDataset(str(annotations), str(coco_mini / split), ["person"], keypoints)
        assert len(dataset) == len(content["images"])
        assert sum(len(dataset[index].objects) for index in range(len(dataset))) == len(content["annotations"])
        truth = dataset.ground_truth()
        assert truth["annotations"] == content["annotations"] and truth["images"] == content["images"]


def test_ground_truth_tells_what_it_leaves_out(make):
    listed = {"images": [7, 3, 5], "categories": [4, 2, 9]}
    assert make(classes=["ape"], image_ids=[3]).ground_truth()["listed"] == listed
    first = FirstImages(make(), 1).ground_truth()
    assert first["listed"] == listed and [record["id"] for record in first["images"]] == [7]
