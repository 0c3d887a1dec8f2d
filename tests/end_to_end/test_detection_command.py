"""mindpoint predict with a detector of COCO's 80 classes that has learnt nothing: class names in all files, and a choice of classes."""

import csv
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import mindpoint
import mindspore
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.errors import ConfigError

SLIM = "{neck: {conv: plain, channels: [16, 16, 16]}, heads: {detection: {head_conv: 8}}}"


def set_values(parameter, values):
    parameter.set_data(mindspore.Tensor(np.array(values, np.float32)))


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    from mindpoint.model import checkpoint
    from mindpoint.model.network import build_network
    from mindpoint.runtime import device

    folder = tmp_path_factory.mktemp("detector")
    text = f"_base_: ctdet_resnet18_dcn_coco.yaml\nmodel: {SLIM}\ninput: {{size: [64, 64]}}\ntest: {{resolution: fixed, flip: false}}\n"
    (folder / "slim.yaml").write_text(text)
    config = load_config(str(folder / "slim.yaml"))
    device.setup("CPU", 3)
    network, rng = build_network(config), np.random.default_rng(5)
    parameters = network.parameters_dict()
    set_values(parameters["heads.detection.hm.2.weight"], rng.normal(size=(80, 8, 1, 1)))  # all classes, with scores that differ
    set_values(parameters["heads.detection.wh.2.bias"], [3, 4])
    checkpoint.save(folder / "slim.ckpt", network, {"config": config.to_yaml(), "category_ids": [*range(1, 81)]})
    image = rng.integers(0, 255, (64, 96, 3), np.uint8)
    cv2.imwrite(str(folder / "7.png"), image)
    return folder


@pytest.fixture(scope="module")
def everything(detector):
    """All that is found, by a run without a choice."""
    assert main(["predict", str(detector / "slim.ckpt"), str(detector / "7.png"), "--threshold", "0", "--out", str(detector / "all")]) == 0
    (entry,) = json.loads((detector / "all" / "predictions.json").read_text())
    return entry["objects"]


@pytest.mark.slow
def test_chosen_classes_in_every_file(detector, everything, capsys):
    classes = load_config("ctdet_dla34_dcn_coco").classes
    (first, _), (second, _) = Counter(found["class"] for found in everything).most_common(2)
    wanted = [found for found in everything if found["class"] in (first, second)]
    assert 2 <= len(wanted) < len(everything) == 100
    choice = ["--classes", f"{first}, {second}", "--threshold", "0", "--out", str(detector / "some")]
    assert main(["predict", str(detector / "slim.ckpt"), str(detector / "7.png"), *choice]) == 0
    assert f"{len(wanted)} objects in 1 images" in capsys.readouterr().out
    (entry,) = json.loads((detector / "some" / "predictions.json").read_text())
    assert entry["objects"] == wanted and set(wanted[0]) == {"class", "score", "box"}
    with open(detector / "some" / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["class"], float(row["score"])) for row in rows] == [(found["class"], pytest.approx(found["score"])) for found in wanted]
    records = json.loads((detector / "some" / "coco_results.json").read_text())
    names = [classes[record["category_id"] - 1] for record in records]
    assert names == [found["class"] for found in wanted] and {record["image_id"] for record in records} == {7}
    mindpoint.Predictor(detector / "slim.ckpt", threshold=0, only=[first, second])(detector / "7.png").save(detector / "drawn.jpg")
    pictures = [(detector / name).read_bytes() for name in ("some/7.jpg", "drawn.jpg", "all/7.jpg")]
    assert pictures[0] == pictures[1] != pictures[2]


@pytest.mark.slow
def test_names_that_the_model_does_not_have(detector, everything, capsys):
    command = ["predict", str(detector / "slim.ckpt"), str(detector / "7.png"), "--out", str(detector / "refused"), "--classes"]
    for wrong, said in (
        ("trafic light", "has no class 'trafic light'; did you mean 'traffic light'?"),
        ("dog,zzz", "'zzz'; it has person,"),
    ):
        assert main([*command, wrong]) == 2
        assert said in capsys.readouterr().err and not (detector / "refused").exists()
    with pytest.raises(ConfigError, match="has no class 'dogg'; did you mean 'dog'"):
        mindpoint.Predictor(detector / "slim.ckpt", only=["dogg"])


@pytest.mark.slow
def test_program_of_the_documentation(detector):
    """docs/deployment.md: the program for people, with the last lines for a detector; it sees what predict sees in the same file."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "deployment.md").read_text(encoding="utf-8")
    people, things = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)[:2]
    begin = [line for line in people.partition("for score, joints")[0].splitlines() if not line.startswith(("fields =", "names ="))]
    program = "\n".join(begin).replace("pose.onnx", "things.onnx") + "\n" + things
    made = ["--out", str(detector / "things.onnx"), "--decode", "--images", str(detector / "7.png")]
    assert main(["export", str(detector / "slim.ckpt"), *made]) == 0
    (detector / "street.jpg").write_bytes((detector / "7.png").read_bytes())  # OpenCV goes by the content
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=detector)
    assert done.returncode == 0, done.stderr
    said = [re.fullmatch(r"(.*) (\d\.\d+) (\S+),(\S+) (\S+),(\S+)", line).groups() for line in done.stdout.splitlines()]
    found = mindpoint.Predictor(detector / "things.onnx", threshold=0.1, engine="onnxruntime")(detector / "street.jpg").to_records()
    assert [row[0] for row in said] == [record["class"] for record in found] and len(found) > 10
    numbers = np.array([row[1:] for row in said], float)
    assert numbers == pytest.approx(np.array([[record["score"], *record["box"]] for record in found]), abs=0.02)
