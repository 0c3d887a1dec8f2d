"""Drawn things: boxes and areas are those of the visible pixels, the same on every run; classes are told apart by what is drawn."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.errors import ConfigError
from mindpoint.testing import DatasetTests
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_synthetic.objects import SyntheticObjects
from mindpoint_synthetic.things import THINGS, thing

ALL = list(THINGS)
HASH = """
import hashlib
from mindpoint_synthetic.objects import SyntheticObjects
from mindpoint_synthetic.things import THINGS
data = SyntheticObjects(4, 3, list(THINGS), (96, 128))
print(hashlib.sha256(b"".join(data[index].image.tobytes() + data[index].objects.boxes.tobytes() for index in range(4))).hexdigest())
"""


def drawn(count=6, seed=3, classes=ALL, **options):
    return SyntheticObjects(count, seed, classes, **options)


def painted(things, size):
    """The pixels that come out alike on black and on white: those that the things cover wholly."""
    grounds = [np.full((*size, 3), value, np.uint8) for value in (0, 255)]
    for ground in grounds:
        for one in things:
            one.paint(ground)
    return (grounds[0] == grounds[1]).all(axis=2)


class TestSyntheticObjects(DatasetTests):
    most = 3

    def make(self):
        return drawn(3)


def test_same_bytes_in_another_process():
    data = drawn(4, size=(96, 128))
    here = hashlib.sha256(b"".join(data[index].image.tobytes() + data[index].objects.boxes.tobytes() for index in range(4))).hexdigest()
    assert subprocess.run([sys.executable, "-c", HASH], capture_output=True, text=True, check=True).stdout.strip() == here
    assert not np.array_equal(data[0].image, data[1].image) and not np.array_equal(data[0].image, drawn(4, 4, size=(96, 128))[0].image)


@pytest.mark.parametrize("name", ALL)
def test_box_and_area_are_those_of_the_painted_pixels(name):
    data = drawn(8, 5, [name], things=(1, 1), length=(0.4, 0.6))
    shapes = set()
    for index in range(8):
        _, (one,), objects = data._scene(index)
        mask = painted([one], (256, 256))
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert np.abs(objects.boxes[0] - [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).max() <= 3  # antialiased tips
        assert objects.areas[0] == pytest.approx(mask.sum(), rel=0.2)  # a rim of up to a pixel
        shapes.add(tuple(objects.boxes[0]))
    assert len(shapes) == 8


def test_what_is_hidden_is_in_no_box_and_deeply_hidden_things_are_left_out():
    """The farther thing's box and area shrink to what the nearer one leaves; of the visible share less than 30 % is never kept."""
    data, occluded = drawn(60, 7, things=(5, 8), length=(0.3, 0.5), crowding=0.9), 0
    for index in range(60):
        _, things, objects = data._scene(index)
        assert (objects.boxes[:, :2] >= 0).all() and (objects.boxes[:, 2:] <= 256).all()
        for number, one in enumerate(things):
            alone, hidden = np.zeros((256, 256), np.int16), np.zeros((256, 256), np.int16)
            one.mark(alone, 1)
            for nearer in things[number + 1 :]:
                nearer.mark(hidden, 1)
            seen = (alone == 1) & (hidden == 0)
            rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
            assert objects.boxes[number].tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            assert objects.areas[number] == seen.sum() >= 0.3 * alone.sum()
            occluded += seen.sum() < 0.8 * alone.sum()
    assert occluded > 30


def test_every_class_comes_up_and_labels_follow_the_configured_order():
    labels = np.concatenate([drawn(200).objects(index).labels for index in range(200)])
    assert np.bincount(labels, minlength=len(ALL)).min() > 0.5 * len(labels) / len(ALL)
    few = drawn(20, classes=["star", "ball"])
    assert {one.label for index in range(20) for one in few._scene(index)[1]} == {0, 1}
    assert [record["name"] for record in few.ground_truth()["categories"]] == ["star", "ball"]


def test_classes_differ_in_size():
    """Of the same length asked for, the median longer side of the box goes by the kind: things lie in the middle of the image, alone."""
    sides = {}
    for name in ALL:
        data = drawn(40, 2, [name], things=(1, 1), length=(0.3, 0.3), size=(256, 256))
        corners = [one.extent() for index in range(40) for one in data._scene(index)[1]]
        sides[name] = np.median([(box[2:] - box[:2]).max() for box in corners]) / (0.3 * 256)
    assert sides["umbrella"] > 1.15 and sides["umbrella"] > 1.3 * sides["star"] and 0.7 < sides["key"] < 1
    assert sides["clock"] == pytest.approx(1.1, abs=0.02) and sides["ball"] == pytest.approx(0.9, abs=0.02), "round: tilted or not"


def test_holes_show_the_ground():
    rng = np.random.default_rng(0)
    for name in ("key", "mug"):
        one = thing(rng, 0, name, 200, 128 + 128j)
        holes = np.zeros((256, 256), np.int16)
        one.mark(holes, 1)
        outside = np.zeros_like(holes, bool)
        outside[0] = outside[-1] = outside[:, 0] = outside[:, -1] = True
        grown = np.zeros_like(outside)
        while (grown != outside).any():
            grown = outside.copy()
            for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
                outside |= np.roll(grown, step, axis) & (holes == 0)
        assert ((holes == 0) & ~outside).sum() > 100, name


@pytest.mark.parametrize(
    "options, message",
    [
        ({"classes": ["ball", "dog"]}, "cannot draw 'dog'; it draws ball, book"),
        ({"classes": []}, "at least one class"),
        ({"count": 0}, "SyntheticObjects: count is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"size": (256,)}, "size is"),
        ({"things": (3, 2)}, "things is"),
        ({"length": (0.5, 1.2)}, "length is"),
        ({"crowding": 2}, "crowding is 2"),
    ],
)
def test_unusable_arguments(options, message):
    with pytest.raises(ConfigError, match=message):
        drawn(**options)


def test_written_to_disk_and_read_again(tmp_path):
    out = tmp_path / "things"
    look = ["--things", "3", "5", "--length", "0.2", "0.6", "--crowding", "0.6"]
    assert main(["synthesize", str(out), "--draw", "things", "--count", "4", "--size", "96", "128", "--name", "few", *look]) == 0
    data = drawn(4, 0, size=(96, 128), things=(3, 5), length=(0.2, 0.6), crowding=0.6)
    path = out / "annotations" / "instances_few.json"
    assert json.loads(path.read_text())["annotations"] == data.ground_truth()["annotations"]
    read = CocoDataset(str(path), str(out / "images"), ALL)
    for index in range(4):
        assert np.array_equal(data[index].image, read[index].image)
        for name in ("boxes", "labels", "areas"):
            assert np.array_equal(getattr(data[index].objects, name), getattr(read[index].objects, name)), name
    assert main(["data", "check", str(path), "--images", str(out / "images")]) == 0


@pytest.mark.parametrize(
    "options, message",
    [(["--draw", "things", "--people", "1", "2"], "--people is for people"), (["--length", "0.1", "0.2"], "--length is for things")],
)
def test_options_of_the_other_kind_are_refused(tmp_path, capsys, options, message):
    assert main(["synthesize", str(tmp_path / "out"), "--count", "2", *options]) == 2
    assert message in capsys.readouterr().err and not any(tmp_path.iterdir())
