"""``mindpoint eval`` of result files: with each joint, intervals, and a comparison. No model, no MindSpore."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import yaml
from mindpoint.cli.main import main

NAMES = ["left_ear", "right_ear", "tail"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve images of one object, results that are 2 pixels off, and results that are 6 off and lack two objects."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / "images").mkdir()
    images, annotations, results = [], [], {"near": [], "far": []}
    for number in range(1, 13):
        cv2.imwrite(str(folder / "images" / f"{number}.png"), np.full((60, 80, 3), 90, np.uint8))
        points = np.array([[20, 20], [30, 20], [50, 40]], float) + number
        images.append({"id": number, "file_name": f"{number}.png", "width": 80, "height": 60})
        box = [10.0 + number, 10.0 + number, 50.0, 40.0]
        flat = lambda moved, v: np.c_[moved, np.full(3, v)].ravel().tolist()  # noqa: E731
        said = {"image_id": number, "category_id": 3, "bbox": box}
        annotations.append({**said, "id": number, "area": 2000.0, "iscrowd": 0, "keypoints": flat(points, 2), "num_keypoints": 3})
        results["near"].append({**said, "score": 0.8, "keypoints": flat(points + [2, 0], 1)})
        if number not in (4, 9):
            results["far"].append({**said, "score": 0.7, "keypoints": flat(points + [[0, 6], [0, 6], [0, 2]], 1)})
    (folder / "truth.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 3, "name": "mouse", "keypoints": NAMES}]})
    )
    for name, records in results.items():
        (folder / f"{name}.json").write_text(json.dumps(records))
    config = {
        "_base_": [
            "_base_/model/multi_pose.yaml",
            "_base_/model/dla34_dcn.yaml",
            "_base_/data/input_coco.yaml",
            "_base_/runtime/default.yaml",
        ],
        "classes": ["mouse"],
        "keypoints": {"names": NAMES},
        "data": {"val": {"dataset": {"type": "CocoDataset", "annotations": str(folder / "truth.json"), "images": str(folder / "images")}}},
    }
    (folder / "mouse.yaml").write_text(yaml.safe_dump(config))
    return folder


def results_of(folder, name):
    return ["eval", "--results", str(folder / f"{name}.json"), "--config", str(folder / "mouse.yaml")]


def test_a_comparison(folder, tmp_path, capsys):
    command = [*results_of(folder, "near"), "--compare", str(folder / "far.json"), "--bootstrap", "40"]
    assert main([*command, "--out", str(tmp_path), "--report", str(tmp_path / "report")]) == 0
    said = capsys.readouterr().out
    content = json.loads((tmp_path / "comparison.json").read_text())
    error = content["statistics"]["joints/mean_error"]
    assert content["compared"] == ["far", "near"] and content["resamples"] == 40
    assert error["far"] == pytest.approx(14 / 3) and error["near"] == pytest.approx(2) and error["difference"] == pytest.approx(2 - 14 / 3)
    assert error["interval"] == pytest.approx([2 - 14 / 3] * 2)  # the same in every image
    found = content["statistics"]["joints/found"]
    assert found["difference"] == pytest.approx(1 / 6) and 0 <= found["interval"][0] < 1 / 6 < found["interval"][1] < 0.6
    assert content["statistics"]["joints/mean_error/left_ear"]["difference"] == pytest.approx(-4)
    assert {one["file"] for one in content["errors"][:2]} == {"4.png", "9.png"} and content["errors"][0]["far"] == 1
    assert "Images that changed most" in said and "joints/mean_error/tail" not in said.partition("Parts that")[2], "it has not changed"
    assert json.loads((tmp_path / "statistics.json").read_text())["intervals"]["joints/mean_error"] == pytest.approx([2, 2])
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Parts that changed most" in page and "95 % intervals, 40 resamples" in page


def test_the_picture_shows_what_each_found(folder, tmp_path):
    """A row is truth, other, model; in the first rows the other has found nothing: its image is grey."""
    command = [*results_of(folder, "near"), "--compare", str(folder / "far.json"), "--bootstrap", "2", "--out", str(tmp_path)]
    assert main(command) == 0
    picture = cv2.imread(str(tmp_path / "comparison.jpg"))
    width, height = 427, 320
    assert picture.shape == (8 * (height + 24 + 4) - 4, 3 * (width + 4) - 4, 3)
    cells = [picture[24 : 24 + height, start : start + width] for start in (0, width + 4, 2 * (width + 4))]
    colourful = [int((np.ptp(cell.astype(int), axis=2) > 40).sum()) for cell in cells]
    assert colourful[0] > 500 and colourful[1] == 0 and colourful[2] > 500


def test_each_joint_on_request(folder, tmp_path, capsys):
    assert main([*results_of(folder, "far"), "--out", str(tmp_path / "a")]) == 0
    plain = capsys.readouterr().out
    assert "mean_error" in plain and "PCK@0.2" in plain and "left_ear" not in plain
    assert not (tmp_path / "a" / "comparison.json").exists()
    assert main([*results_of(folder, "far"), "--each", "--out", str(tmp_path / "b")]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.endswith("  left_ear")]
    assert line.split()[2:4] == ["6.000", "6.000"]
    assert json.loads((tmp_path / "b" / "statistics.json").read_text())["statistics"]["joints/mean_error/tail"] == pytest.approx(2)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--bootstrap", "0"], "--bootstrap is 0; it must be in 1..1000000"),
        (["--compare", "nowhere.json"], "nowhere.json: no such"),
        (["--compare", "nowhere"], "nowhere"),
        (["--compare", "TRUTH"], "is an object with images, annotations, categories, not a list of results"),
    ],
)
def test_mistakes(folder, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    named = [str(folder / "truth.json") if word == "TRUTH" else word for word in arguments]
    assert main([*results_of(folder, "near"), *named, "--out", "o"]) == 2
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said


def test_result_files_need_no_mindspore(folder, tmp_path):
    command = [*results_of(folder, "near"), "--compare", str(folder / "far.json"), "--bootstrap", "2", "--out", str(tmp_path)]
    code = f"import sys; from mindpoint.cli.main import main; assert main({command!r}) == 0; assert 'mindspore' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120).returncode == 0


def test_a_folder_of_an_evaluation_in_place_of_a_model_is_told(folder, tmp_path, capsys):
    (tmp_path / "results.json").write_bytes((folder / "near.json").read_bytes())
    results = ["--results", str(folder / "far.json"), "--config", str(folder / "mouse.yaml")]
    assert main(["eval", "--compare", str(tmp_path), *results, "--out", str(tmp_path / "out")]) == 2
    assert f"for the results of an evaluation, name {tmp_path / 'results.json'}" in capsys.readouterr().err
