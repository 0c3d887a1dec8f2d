"""Evaluating: images that cannot be read, and parts that break their contract."""

import math

import cv2
import numpy as np
import pytest
import toy
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.contracts.decoder import Decoder
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.fields import Field
from mindpoint.contracts.instances import Detections
from mindpoint.errors import DataError, PartError
from mindpoint.inference.detector import build_detector
from mindpoint.inference.evaluation import detect_all, evaluate

MAPS = {"spot": FeatureSpec(1, toy.CELL)}


def forward(inputs):
    """The brightest cell, as a network would show it."""
    image = inputs["image"].mean(axis=1)
    cells = image.reshape(len(image), 4, 4, 4, 4).mean(axis=(2, 4))
    return {"spot": (cells / cells.max())[:, None].astype(np.float32)}


@pytest.fixture
def detector(toy_config):
    return lambda decoder="toy:SpotDecoder": build_detector(
        load_config(toy_config, [f"model.decoder={{type: '{decoder}'}}"]), forward, MAPS, toy.CELL
    )


@pytest.fixture
def toy_config(request):
    return str(request.getfixturevalue("toy"))


def everything(items, total):
    return items


def test_an_unreadable_image_is_left_out_named_and_counted(detector, caplog):
    with caplog.at_level("WARNING", "mindpoint"):
        result = evaluate(detector(), toy.Spots(6, broken=4), toy.Accuracy(), everything)
    assert sorted(result.detections) == [0, 1, 2, 3, 5] and result.statistics == {"accuracy": 1.0}
    (note,) = result.notes
    assert note == "1 of 6 images could not be read and are not evaluated: spot-4.png: image 4 is broken; mend it" and note in result.table
    assert "image skipped in the evaluation: spot-4.png" in caplog.text


def test_the_last_image_of_a_batch_may_be_unreadable(detector):
    assert sorted(evaluate(detector(), toy.Spots(3, broken=2), toy.Accuracy(), everything).detections) == [0, 1]


def test_nothing_readable_is_an_error(detector):
    with pytest.raises(DataError, match="none of its images can be read; the first error: spot-0.png"):
        detect_all(detector(), toy.Spots(1, broken=0), everything)


class Undeclared(toy.SpotDecoder):
    def __call__(self, maps, views, mirrored=None):
        return [Detections(np.zeros((1, 4)), np.ones(1), np.zeros(1, int), (Field("depth"),), {"depth": np.ones(1)}) for _ in views]


class Wrong(toy.SpotDecoder):
    def __call__(self, maps, views, mirrored=None):
        return super().__call__(maps, views)[:-1]


class Crash(toy.SpotDecoder):
    def __call__(self, maps, views, mirrored=None):
        return maps["spot"][99]


class Shapeless(toy.SpotDecoder):
    def __call__(self, maps, views, mirrored=None):
        return [Detections(np.zeros((2, 4)), np.ones(1), np.zeros(2, int), self.fields, {"center": np.zeros((2, 1, 2))}) for _ in views]


@pytest.mark.parametrize(
    "name, said",
    [
        ("Undeclared", r"model.decoder: Undeclared \(.*\) declares the fields center, but its detections have depth"),
        ("Wrong", r"model.decoder: Wrong \(.*\) must return a list of Detections, one for each of 1 images"),
        ("Crash", r"model.decoder: Crash \(test_evaluation.py:\d+\) failed: IndexError"),
        ("Shapeless", r"field 'scores' is declared as \(N\) and has the shape \(1,\) for 2 objects"),
    ],
)
def test_decoders_that_break_their_contract(detector, name, said):
    with pytest.raises((PartError, DataError), match=said):
        detector(f"test_evaluation:{name}")([np.zeros((16, 16, 3), np.uint8)])


class Silent(toy.Accuracy):
    statistics, main = ("accuracy", "speed"), "accuracy"


class Failing(toy.Accuracy):
    def results(self, detections, ground_truth=None):
        raise KeyError("bbox")


@pytest.mark.slow
def test_metrics_that_break_their_contract(detector):
    with pytest.raises(PartError, match=r"test.metric: Silent \(.*\) declares the statistic 'speed', but returned accuracy"):
        evaluate(detector(), toy.Spots(2), Silent(), everything)
    with pytest.raises(PartError, match=r"test.metric: Failing \(test_evaluation.py:\d+\) failed: KeyError: 'bbox'"):
        evaluate(detector(), toy.Spots(2), Failing(), everything)


def test_the_oracle_for_these_tests_is_right(detector):
    found = detect_all(detector(), toy.Spots(5), everything).detections
    for index, one in found.items():
        expected = toy.Spots(5)[index].objects.boxes[0]
        np.testing.assert_allclose(one.boxes[0], expected)
        assert math.isclose(one.scores[0], 1.0)
    assert isinstance(detector().decoder, Decoder)


@pytest.mark.slow
def test_pictures_of_all_images(toy_config, tmp_path, capsys):
    """Truth and prediction of each in a file of its own; without annotations the prediction alone."""
    visualizer = "+test.visualizer={type: 'toy:Painter'}"
    assert main(["train", toy_config, "--out", str(tmp_path / "run"), "--set", "train.max_steps=1", "--set", visualizer]) == 0
    command = ["eval", str(tmp_path / "run"), "--trust", "--pictures"]
    assert main([*command, str(tmp_path / "val")]) == 0
    assert "pictures of 10 images in" in capsys.readouterr().out
    for kind in ("truth", "prediction"):
        assert sorted(path.stem for path in (tmp_path / "val" / kind).iterdir()) == sorted(map(str, range(10)))
    assert cv2.imread(str(tmp_path / "val" / "truth" / "3.jpg")).shape == cv2.imread(str(tmp_path / "val" / "prediction" / "3.jpg")).shape
    assert main(["eval", "--results", "r.json", "--config", toy_config, "--pictures", str(tmp_path)]) == 2
    assert "--pictures needs a MODEL" in capsys.readouterr().err
