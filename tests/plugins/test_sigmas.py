"""``mindpoint data sigmas``: tolerances from marks of two people, and from a model's results."""

import json

import numpy as np
import pytest
import yaml
from mindpoint.cli.main import main
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics.tolerance import tolerances

NAMES = ["snout", "left_ear", "right_ear"]
SIGMAS = np.array([0.02, 0.05, 0.05])


def marked(seed, count=400, wrong=0.0, first_id=1):
    """Annotations of the same objects by somebody whose marks have these sigmas by COCO's definition: half of the variance in x and y."""
    places, rng = np.random.default_rng(0), np.random.default_rng(seed)
    images, annotations = [], []
    for number in range(count):
        side = places.uniform(40, 200)
        points = places.uniform(0.2, 0.8, (3, 2)) * side + rng.normal(0, 1, (3, 2)) * (SIGMAS * side / np.sqrt(2))[:, None]
        if rng.random() < wrong:
            points[[1, 2]] = points[[2, 1]]
        images.append({"id": first_id + number, "file_name": f"{number}.jpg", "width": 300, "height": 300})
        flat = np.c_[points, [2, 2, 2]].ravel().tolist()
        annotations.append(
            {"id": number + 1, "image_id": first_id + number, "category_id": first_id, "bbox": [0, 0, side, side], "keypoints": flat}
        )
    return {"images": images, "annotations": annotations, "categories": [{"id": first_id, "name": "mouse", "keypoints": NAMES}]}


def test_by_hand():
    """Distances of 3 and 4 pixels on objects whose roots of area are 100 and 50; ears count together."""
    keypoints = Keypoints(NAMES)
    apart = np.array([[3, 1, np.nan], [4, 2, 5]])
    found = tolerances(apart, np.array([100.0, 50.0]), keypoints, marks=2)
    assert found.pairs.tolist() == [2, 2, 1]
    assert found.pixels[0] == pytest.approx(np.sqrt((9 + 16) / 2 / 2)) and found.pixels[1] == pytest.approx(np.sqrt((1 + 4 + 25) / 3 / 2))
    assert found.sigmas[0] == pytest.approx(np.sqrt((0.03**2 + 0.08**2) / 4)) and found.sigmas[1] == found.sigmas[2]
    assert found.robust_pixels[1] == pytest.approx(np.sqrt(4 / 2 / np.log(2)))
    alone = tolerances(apart, np.array([100.0, 50.0]), keypoints, marks=1)
    np.testing.assert_allclose(alone.sigmas, found.sigmas * np.sqrt(2))
    assert np.isnan(tolerances(np.full((1, 3), np.nan), np.ones(1), keypoints, 2).sigmas).all()


@pytest.fixture
def files(tmp_path):
    """Marks of two people, the second with exchanged ears now and then and ids of its own; results of a model."""
    (tmp_path / "one.json").write_text(json.dumps(marked(1)))
    (tmp_path / "two.json").write_text(json.dumps(marked(2, wrong=0.1, first_id=5000)))
    model = [{**one, "score": 0.9} for one in marked(3)["annotations"]]
    (tmp_path / "results.json").write_text(json.dumps(model))
    return tmp_path


def block_of(text):
    return yaml.safe_load("keypoints:" + text.partition("keypoints:\n")[2].join(["\n", ""]))["keypoints"]


def test_marks_of_two_people_give_the_sigmas_that_they_were_made_with(files, capsys):
    assert main(["data", "sigmas", str(files / "one.json"), str(files / "two.json"), "--out", str(files / "set.yaml")]) == 0
    said = capsys.readouterr().out
    joints = yaml.safe_load((files / "set.yaml").read_text())["keypoints"]
    assert block_of(said) == joints
    assert Keypoints(**joints).names == tuple(NAMES) and joints["flip_pairs"] == [["left_ear", "right_ear"]]
    np.testing.assert_allclose(joints["sigmas"], SIGMAS, rtol=0.12)
    assert "400 of 400 objects have a counterpart" in said and "swapped sides" in said and "left_ear, right_ear" in said


def test_results_of_a_model_are_an_upper_bound(files, capsys):
    """Here the model is as exact as a person, so the distance holds both variances."""
    assert main(["data", "sigmas", str(files / "one.json"), str(files / "results.json")]) == 0
    said = capsys.readouterr().out
    np.testing.assert_allclose(block_of(said)["sigmas"], np.sqrt(2) * SIGMAS, rtol=0.12)
    assert "upper bounds" in said


def test_few_pairs_are_said_and_a_joint_without_any_keeps_its_sigma(files, capsys):
    content = marked(1, count=20)
    for one in content["annotations"]:
        one["keypoints"][:3] = 0, 0, 0
    (files / "few.json").write_text(json.dumps(content))
    assert main(["data", "sigmas", str(files / "few.json"), str(files / "two.json")]) == 0
    said = capsys.readouterr().out
    assert "Rough estimates from fewer than 30 pairs: snout, left_ear, right_ear" in said and block_of(said)["sigmas"][0] == 0.05


def test_mistakes(files, capsys):
    one = str(files / "one.json")
    other = marked(2)
    other["categories"][0]["keypoints"] = ["a", "b", "c"]
    (files / "other.json").write_text(json.dumps(other))
    away = marked(2)
    for image in away["images"]:
        image["file_name"] = "x" + image["file_name"]
    (files / "away.json").write_text(json.dumps(away))
    (files / "there.yaml").write_text("mine")
    for arguments, message in (
        ([one, one], "has exactly the positions of"),
        ([one, str(files / "other.json")], "its joints are a, b, c, not snout, left_ear, right_ear"),
        ([one, str(files / "away.json")], "do both describe the same images?"),
        ([one, str(files / "nowhere.json")], "nowhere.json"),
        ([one, str(files / "results.json"), "--out", str(files / "there.yaml")], "exists; choose another name"),
    ):
        assert main(["data", "sigmas", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert (files / "there.yaml").read_text() == "mine"
