"""Drawn people: what is annotated must be what is drawn, the same on every run, and the same after writing to disk."""

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.errors import ConfigError
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.keypoints import Keypoints
from mindpoint_synthetic.drawing import LABELS_EACH, draw
from mindpoint_synthetic.figure import JOINTS, SKELETON, sample_figure
from mindpoint_synthetic.outfit import sample_outfit
from mindpoint_synthetic.people import SyntheticPeople
from pycocotools.coco import COCO

ALL = Keypoints(JOINTS, SKELETON)
J = {name: index for index, name in enumerate(JOINTS)}
HASH = """
import hashlib, json
from mindpoint_coco.keypoints import Keypoints
from mindpoint_synthetic.people import SyntheticPeople
from mindpoint_synthetic.figure import JOINTS
data = SyntheticPeople(6, 3, ["person"], Keypoints(JOINTS), size=(96, 128))
pixels = b"".join(data[index].image.tobytes() for index in range(6))
print(hashlib.sha256(pixels + json.dumps(data.ground_truth()["annotations"]).encode()).hexdigest())
"""


def people(count=6, seed=3, keypoints=ALL, classes=("person",), **options):
    return SyntheticPeople(count, seed, classes, keypoints, **options)


SMALL_FILES_ONLY = """
import resource, sys
from mindpoint.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
sys.exit(main())
"""
THREE_JOINTS = """
classes: [person]
keypoints: {names: [nose, left_wrist, right_wrist]}
input: {size: [64, 64], mean: [0.5, 0.5, 0.5], std: [0.3, 0.3, 0.3]}
model: {backbone: {type: ResNet, depth: 18}, heads: {pose: {type: MultiPoseHeads}}}
"""


@pytest.fixture(scope="module")
def joints():
    """(N, 17, 3) of 500 images."""
    records = people(500, 5).ground_truth()["annotations"]
    return np.array([record["keypoints"] for record in records]).reshape(-1, 17, 3)


def drawings(count):
    for seed in range(count):
        rng = np.random.default_rng(seed)
        yield draw(sample_figure(rng), sample_outfit(rng), rng.uniform(80, 170), (128.0, 128.0))


def painted(drawing, size=(256, 256)):
    """The pixels that the figure covers: those that come out alike on black and on white."""
    on_black, on_white = np.zeros((*size, 3), np.uint8), np.full((*size, 3), 255, np.uint8)
    drawing.paint(on_black)
    drawing.paint(on_white)
    return (on_black == on_white).all(axis=2)


def test_same_bytes_in_another_process_and_in_threads():
    data = people(size=(96, 128))
    with ThreadPoolExecutor(4) as pool:
        images = [sample.image for sample in pool.map(data.__getitem__, [5, 4, 3, 2, 1, 0])][::-1]
    text = json.dumps(data.ground_truth()["annotations"]).encode()
    here = hashlib.sha256(b"".join(image.tobytes() for image in images) + text).hexdigest()
    there = subprocess.run([sys.executable, "-c", HASH], capture_output=True, text=True, check=True).stdout.strip()
    assert there == here


def test_seeds_and_indices_differ():
    images = [people(seed=seed)[index].image for seed in (1, 2) for index in (0, 1)]
    for first in range(4):
        for second in range(first):
            assert np.abs(images[first].astype(int) - images[second]).mean() > 10


def test_sample_form():
    sample = people(size=(120, 200), people=(3, 3), height=(0.3, 0.5))[4]
    assert sample.image_id == 5 and sample.view is None and "4" in sample.name and "3" in sample.name
    assert sample.image.shape == (120, 200, 3) and sample.image.dtype == np.uint8
    assert 1 <= len(sample.objects) <= 3
    assert sample.objects.boxes.dtype == np.float32 and sample.objects.keypoints.dtype == np.float32
    assert sample.objects.labels.dtype == np.int64 and not sample.objects.crowd.any()
    with pytest.raises(IndexError):
        people()[6]


def test_boxes_only():
    """The same pictures and boxes, without a word of joints."""
    bare, full = people(2, keypoints=None), people(2)
    np.testing.assert_array_equal(bare[1].image, full[1].image)
    np.testing.assert_array_equal(bare[1].objects.boxes, full[1].objects.boxes)
    assert bare.fields == () and "keypoints" not in str(bare.ground_truth())


def test_joints_lie_on_the_painted_figure():
    for drawing in drawings(60):
        # two pixels of slack: antialiased rims are no part of the mask, and the joints of the face may lie on its outline
        mask = cv2.dilate(painted(drawing).astype(np.uint8), np.ones((5, 5)))
        column, row = np.rint(drawing.joints).astype(int).T
        inside = (column >= 0) & (column < 256) & (row >= 0) & (row < 256)
        assert mask[row[inside], column[inside]].all()


def test_boxes_and_areas_are_those_of_the_painted_pixels():
    data = people(30, 8, people=(1, 1))
    for index in range(30):
        _, (person,), objects = data._scene(index)
        mask = painted(person.drawing)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert np.abs(objects.boxes[0] - [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).max() <= 2
        assert objects.areas[0] == pytest.approx(mask.sum(), rel=0.12)  # a rim of up to a pixel


def test_boxes_hold_what_is_seen():
    data = people(60, 9)
    for index in range(60):
        objects = data[index].objects
        assert len(objects) >= 1
        for box, keypoints, area in zip(objects.boxes, objects.keypoints, objects.areas):
            assert (box[:2] >= 0).all() and (box[2:] <= 256).all()
            seen = keypoints[keypoints[:, 2] == 2, :2]
            assert len(seen) >= 5
            assert (seen >= box[:2] - 0.5).all() and (seen <= box[2:] - 0.5).all()
            assert 0.1 * np.prod(box[2:] - box[:2]) < area < np.prod(box[2:] - box[:2])
            assert (keypoints[keypoints[:, 2] == 0] == 0).all()


def test_visibility_under_another_body():
    rng = np.random.default_rng(0)
    drawing = draw(sample_figure(rng), sample_outfit(rng), 150, (128.0, 128.0))
    free = np.zeros((256, 256), np.int16)
    drawing.mark(free, 0)
    before = drawing.visibility(free, 0)
    arm = [J["left_shoulder"], J["left_elbow"], J["left_wrist"]]
    assert (before[arm] == 2).all()

    def covered(*names):
        labels = free.copy()
        for name in names:
            cv2.circle(labels, np.rint(drawing.joints[J[name]]).astype(int).tolist(), 2, 2 * LABELS_EACH, -1)
        return drawing.visibility(labels, 0)

    assert covered("left_wrist")[arm].tolist() == [2, 2, 1]  # the elbow tells where the wrist may be
    assert covered("left_wrist", "left_elbow")[arm].tolist() == [2, 1, 0]
    others = np.setdiff1d(np.arange(17), arm)
    assert (covered("left_wrist", "left_elbow")[others] == before[others]).all()
    assert (drawing.visibility(np.full_like(free, 2 * LABELS_EACH), 0) == 0).all()
    assert (drawing.visibility(free[:, :1], 0) == 0).all()  # all outside of a narrow image


@pytest.mark.slow
def test_left_is_on_the_viewers_right_from_the_front_and_on_the_left_from_behind(joints):
    shoulders = (joints[:, [J["left_shoulder"], J["right_shoulder"]], 2] == 2).all(axis=1)
    across = joints[:, J["left_shoulder"], 0] - joints[:, J["right_shoulder"], 0]
    eyes = (joints[:, [J["left_eye"], J["right_eye"]], 2] == 2).all(axis=1)
    face = (joints[:, [J["left_eye"], J["right_eye"], J["nose"]], 2] > 0).any(axis=1)
    ears = (joints[:, [J["left_ear"], J["right_ear"]], 2] == 2).all(axis=1)
    assert (shoulders & eyes).sum() > 200 and (shoulders & ears & ~face).sum() > 30
    assert (across[shoulders & eyes] > 0).mean() > 0.98
    assert (across[shoulders & ears & ~face] < 0).all()


def test_both_sides_are_alike_on_average(joints):
    for name in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        left, right = joints[:, J[f"left_{name}"]], joints[:, J[f"right_{name}"]]
        assert len(joints) > 1000  # the standard error of the shares below is under 0.02
        assert np.abs((left[:, 2] == 2).mean() - (right[:, 2] == 2).mean()) < 0.06
        both = (left[:, 2] > 0) & (right[:, 2] > 0)
        difference = left[both, 1] - right[both, 1]
        assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(both.sum())


def test_poses_vary(joints):
    shown = joints[:, :, 2] > 0
    pick = lambda name: joints[:, J[name], 1]  # noqa: E731
    arms = shown[:, J["left_wrist"]] & shown[:, J["left_shoulder"]]
    assert 0.1 < (pick("left_wrist") < pick("left_shoulder"))[arms].mean() < 0.5  # raised
    legs = shown[:, J["left_hip"]] & shown[:, J["left_knee"]] & shown[:, J["left_ankle"]]
    thigh, shin = pick("left_knee") - pick("left_hip"), pick("left_ankle") - pick("left_knee")
    assert 0.1 < (thigh < 0.5 * shin)[legs].mean() < 0.5  # seated, crouching, running
    eyes = (joints[:, J["left_eye"], 2] == 2) & (joints[:, J["right_eye"], 2] == 2)
    assert 0.35 < eyes.mean() < 0.65


def test_neck_and_top_of_the_head():
    both, same = people(40, 5, Keypoints([*JOINTS, "head_top", "neck"]), actions=["stand"]), people(40, 5, actions=["stand"])
    seen = []
    for index in range(40):
        more, fewer = both[index].objects, same[index].objects
        assert np.array_equal(more.keypoints[:, :17], fewer.keypoints) and np.array_equal(both[index].image, same[index].image)
        seen.extend(
            person for person in more.keypoints if (person[[17, 18, J["nose"], J["left_shoulder"], J["right_shoulder"]], 2] > 0).all()
        )
    top, neck, nose, left, right = np.stack(seen)[:, [17, 18, J["nose"], J["left_shoulder"], J["right_shoulder"]], :2].transpose(1, 0, 2)
    assert len(seen) > 30 and (top[:, 1] < nose[:, 1]).all() and (nose[:, 1] < neck[:, 1]).all()
    assert (np.linalg.norm(neck - (left + right) / 2, axis=1) < 0.3 * np.linalg.norm(top - neck, axis=1)).all()


def test_those_who_tumble_turn_all_ways():
    def trunks(**options):
        records = people(150, 5, people=(1, 1), **options).ground_truth()["annotations"]
        found = np.array([record["keypoints"] for record in records]).reshape(-1, 17, 3)
        hips, shoulders = ([J[f"{side}_{name}"] for side in ("left", "right")] for name in ("hip", "shoulder"))
        found = found[(found[:, hips + shoulders, 2] > 0).all(axis=1), :, :2]
        return found[:, hips].mean(axis=1) - found[:, shoulders].mean(axis=1)

    assert (trunks()[:, 1] > 0).mean() > 0.95
    x, y = trunks(actions=["tumble"]).T
    mixed = trunks(actions=["stand", "tumble"])[:, 1]  # half of those who tumble stand upright
    assert 0.05 < (mixed < 0).mean() < (y < 0).mean()
    for quarter in (x > abs(y), y > abs(x), -x > abs(y), -y > abs(x)):
        assert quarter.mean() > 0.08


def test_joints_follow_the_configured_subset_and_order():
    names = ("right_wrist", "nose", "left_ankle", "left_wrist", "right_ankle")
    few, full = people(keypoints=Keypoints(names, [("right_wrist", "nose")])), people()
    for index in range(6):
        part, whole = few[index], full[index]
        assert np.array_equal(part.image, whole.image)
        assert np.array_equal(part.objects.keypoints, whole.objects.keypoints[:, [J[name] for name in names]])
    category = few.ground_truth()["categories"][0]
    assert category["keypoints"] == list(names) and category["skeleton"] == [[1, 2]]
    for record in few.ground_truth()["annotations"]:
        assert len(record["keypoints"]) == 15
        assert record["num_keypoints"] == sum(v > 0 for v in record["keypoints"][2::3])


def test_labels_follow_the_configured_classes():
    data = people(classes=["dog", "person"])
    assert (data[0].objects.labels == 1).all()
    truth = data.ground_truth()
    assert [(category["id"], category["name"]) for category in truth["categories"]] == [(1, "dog"), (2, "person")]
    assert {record["category_id"] for record in truth["annotations"]} == {2}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"keypoints": Keypoints(["nose", "tail"])}, "no joint named 'tail'; it has nose, left_eye"),
        ({"classes": ["dog"]}, "'person', which is not among dog"),
        ({"count": 0}, "count is 0"),
        ({"count": 10**30}, "count is 10+; it must be in 1..10000000"),
        ({"size": (10**6, 10**6)}, "size is .*of at most 134 million pixels"),
        ({"size": (10**20, 10**20)}, "size is .*of at most 134 million pixels"),
        ({"seed": -1}, "seed is -1"),
        ({"size": (256,)}, "size is"),
        ({"people": (3, 2)}, "people is"),
        ({"height": (0.9, 0.2)}, "height is"),
    ],
)
def test_unusable_arguments(options, message):
    with pytest.raises(ConfigError, match=message):
        people(**options)


def test_ground_truth_is_that_of_the_samples():
    data = people()
    truth = data.ground_truth()
    assert truth is data.ground_truth()
    assert [record["id"] for record in truth["annotations"]] == list(range(1, len(truth["annotations"]) + 1))
    for index, image in enumerate(truth["images"]):
        sample = data[index]
        records = [record for record in truth["annotations"] if record["image_id"] == image["id"]]
        assert image["id"] == sample.image_id and (image["height"], image["width"]) == sample.image.shape[:2]
        assert np.array_equal(np.array([r["keypoints"] for r in records], np.float32).reshape(-1, 17, 3), sample.objects.keypoints)
        corners = [[r["bbox"][0], r["bbox"][1], r["bbox"][0] + r["bbox"][2], r["bbox"][1] + r["bbox"][3]] for r in records]
        assert np.array_equal(np.array(corners, np.float32), sample.objects.boxes)
        assert np.array_equal([r["area"] for r in records], sample.objects.areas)


def test_written_to_disk_and_read_again(tmp_path, capsys):
    out = tmp_path / "new" / "people"
    assert main(["synthesize", str(out), "--count", "6", "--seed", "3", "--size", "96", "128", "--name", "drawn"]) == 0
    assert [path.name for path in out.parent.iterdir()] == ["people"]
    path = out / "annotations" / "person_keypoints_drawn.json"
    data = people(size=(96, 128))
    loaded = COCO(path)
    assert loaded.dataset["annotations"] == data.ground_truth()["annotations"]
    assert loaded.loadCats(1)[0]["keypoints"] == list(JOINTS) and [16, 14] in loaded.loadCats(1)[0]["skeleton"]
    read = CocoDataset(str(path), str(out / "images"), ["person"], ALL)
    assert len(read) == 6
    for index in range(6):
        old, new = data[index], read[index]
        assert old.image_id == new.image_id and np.array_equal(old.image, new.image)
        for name in ("boxes", "keypoints", "labels", "areas", "crowd"):
            assert np.array_equal(getattr(old.objects, name), getattr(new.objects, name)), name


def test_written_with_the_keypoints_of_a_configuration_as_jpeg(tmp_path):
    config = tmp_path / "three.yaml"
    config.write_text(THREE_JOINTS)
    out = tmp_path / "out"
    out.mkdir()  # an empty folder may be there
    assert main(["synthesize", str(out), "--count", "2", "--config", str(config), "--quality", "95"]) == 0
    content = json.loads((out / "annotations" / "person_keypoints_synthetic.json").read_text())
    assert content["categories"][0]["keypoints"] == ["nose", "left_wrist", "right_wrist"]
    image = cv2.imread(str(out / "images" / content["images"][1]["file_name"]))
    assert np.abs(image.astype(int) - people(2, 0)[1].image).mean() < 6


def test_written_with_a_choice_of_people(tmp_path):
    look = ["--height", "0.7", "0.9", "--actions", "stand", "wide", "--facing", "front", "--arms", "hang"]
    assert main(["synthesize", str(tmp_path / "out"), "--count", "3", "--size", "96", "96", "--people", "1", "1", *look]) == 0
    content = json.loads((tmp_path / "out" / "annotations" / "person_keypoints_synthetic.json").read_text())
    chosen = people(3, 0, size=(96, 96), people=(1, 1), height=(0.7, 0.9), actions=("stand", "wide"), facing=("front",), arms=("hang",))
    assert content["annotations"] == chosen.ground_truth()["annotations"]


def test_a_folder_in_use_is_refused(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert main(["synthesize", str(tmp_path / "out"), "--count", "2"]) == 2
    assert "not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine.txt"]


@pytest.mark.parametrize("option", [["--quality", "0"], ["--name", "../x"], ["--people", "2", "1"]])
def test_unusable_options(tmp_path, capsys, option):
    assert main(["synthesize", str(tmp_path / "out"), "--count", "2", *option]) == 2
    assert "mindpoint: error: " in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_no_space_leaves_nothing_and_no_control_characters(tmp_path):
    arguments = ["synthesize", str(tmp_path / "out"), "--count", "2"]
    done = subprocess.run([sys.executable, "-c", SMALL_FILES_ONLY, *arguments], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "out: cannot be written: File too large" in done.stderr
    assert not any(character in done.stderr + done.stdout for character in "\r\x1b")
    assert not any(tmp_path.iterdir())
