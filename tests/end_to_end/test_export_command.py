"""From a checkpoint to an exported file and back to detections, on the command line, with MindSpore and without."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mindpoint import Predictor
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.contracts.instances import Detections
from mindpoint.exporting.verify import SCORE, UNMATCHED, match
from mindpoint.model import checkpoint
from mindpoint.model.network import build_network
from mindpoint.runtime import device

# The program, where MindSpore cannot be imported, in the end proved not to be there.
WITHOUT_MINDSPORE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "mindspore":
            raise ModuleNotFoundError("No module named 'mindspore'", name="mindspore")

sys.meta_path.insert(0, Absent())
from mindpoint.cli.main import main
code = main(sys.argv[1:])
assert "mindspore" not in sys.modules
sys.exit(code)
"""


def mindpoint(*arguments, without=False):
    program = ["-c", WITHOUT_MINDSPORE] if without else ["-m", "mindpoint"]
    done = subprocess.run([sys.executable, *program, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def succeeds(*arguments, **options):
    done = mindpoint(*arguments, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A slim network with deformable convolutions and random weights everywhere; its scores are spread over 0..1."""
    folder = tmp_path_factory.mktemp("model")
    config = load_config(
        "quickstart", ["input.size=[96, 96]", "model.backbone.channels=[4, 8, 8, 8, 16, 16]", "model.heads.pose.head_conv=8"]
    )
    device.setup("CPU", config.seed)
    network = build_network(config)
    rng = np.random.default_rng(1)
    for name, parameter in network.parameters_dict().items():
        value = parameter.asnumpy()
        if "conv_offset_mask" in name:
            value = rng.normal(0, 0.3, value.shape)
        elif value.ndim == 4:
            value = rng.normal(0, (2 / np.prod(value.shape[1:])) ** 0.5, value.shape)
        if name.endswith((".hm.2.weight", ".hm_hp.2.weight")):
            value = 20 * value
        elif name.endswith((".hm.2.bias", ".hm_hp.2.bias")):
            value = 0 * value
        elif name.endswith(".wh.2.bias"):
            value = value + 8
        parameter.set_data(type(parameter.data)(value.astype(np.float32)))
    checkpoint.save(folder / "slim.ckpt", network, {"config": config.to_yaml()})
    return folder / "slim.ckpt"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(2)
    for number, (height, width) in enumerate([(120, 160), (96, 96), (200, 90)]):
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8), (width, height)))
    return folder


@pytest.fixture(scope="module")
def files(model, pictures):
    """The model as files: of its maps for fixed input, and of detections for any, in ordinary operators."""
    plain, decoding = model.with_name("maps.onnx"), model.with_name("detections.onnx")
    assert main(["export", str(model), "--out", str(plain), "--images", str(pictures)]) == 0
    arguments = ["--decode", "--dynamic", "batch", "size", "--portable", "--no-verify"]  # the tests compare more
    assert main(["export", str(model), "--out", str(decoding), *arguments]) == 0
    return plain, decoding


def detections(records, fields):
    """Objects of an image in a JSON file."""
    joints = [record["keypoints"] for record in records]
    values = {
        "keypoints": np.array([[(joint["x"], joint["y"]) for joint in row] for row in joints], np.float32),
        "keypoint_scores": np.array([[joint["score"] for joint in row] for row in joints], np.float32),
        "from_heatmap": np.array([[joint["from_heatmap"] for joint in row] for row in joints]),
    }
    boxes, scores = (np.array([record[name] for record in records], np.float32) for name in ("box", "score"))
    return Detections(boxes, scores, np.zeros(len(records), int), fields, values)


@pytest.mark.slow
@pytest.mark.parametrize("which, changes", [(0, []), (1, ["test.flip=false"])], ids=["maps, with the mirrored image", "detections"])
def test_predicting_without_mindspore_is_the_same(model, files, pictures, tmp_path, which, changes):
    succeeds("predict", files[which], pictures, "--out", tmp_path / "out", "--threshold", "0.1", without=True)
    found = [record["objects"] for record in json.loads((tmp_path / "out" / "predictions.json").read_text())]
    predictor = Predictor(model, threshold=0.1, overrides=changes)
    expected = [predictor(path).detections for path in sorted(pictures.iterdir())]
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected):
        assert len(ours) == len(theirs) > 30
        assert match(detections(ours, theirs.fields), theirs, pixels=2e-3)[0] >= (1 - UNMATCHED) * len(
            theirs
        )  # rounding may choose between two peaks


@pytest.mark.slow
def test_program_of_the_documentation(files, pictures, tmp_path):
    text = (Path(__file__).resolve().parents[2] / "docs" / "deployment.md").read_text(encoding="utf-8")
    program = re.search(r"^```python\n(.*?)^```$", text, re.M | re.S).group(1)
    shutil.copy(files[1], tmp_path / "pose.onnx")
    cv2.imwrite(str(tmp_path / "street.jpg"), cv2.imread(str(pictures / "0.png")))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = np.array([re.findall(r"-?\d+\.\d+", line) for line in done.stdout.splitlines()], float)
    expected = Predictor(files[1], threshold=0.1)(tmp_path / "street.jpg").detections
    rows = np.concatenate([expected.scores[:, None], expected.keypoints.reshape(len(expected), -1)], axis=1)
    assert found.shape == rows.shape and len(rows) > 30
    assert np.isclose(found, rows, atol=0.02, rtol=0).mean() > 0.99


def annotated_as_found(model, pictures, path):
    """An annotation file for which the network is fairly good: two of three of the best that it finds, their joints displaced."""
    rng = np.random.default_rng(4)
    predictor = Predictor(model, threshold=0.2, overrides=["test.flip=false"])
    images, annotations = [], []
    for number, picture in enumerate(sorted(pictures.iterdir())):
        found = predictor(picture)
        images.append({"id": number, "file_name": picture.name, "height": found.image.shape[0], "width": found.image.shape[1]})
        for row in np.flatnonzero(rng.random(18) < 2 / 3):
            left, top, right, bottom = found.detections.boxes[row].tolist()
            points = found.detections.keypoints[row] + rng.normal(0, 0.04 * (right - left), (17, 2))
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": 0, "num_keypoints": 17,
                    "bbox": [left + rng.normal(), top, right - left, bottom - top], "area": (right - left) * (bottom - top),
                    "keypoints": np.c_[points, np.full(17, 2)].ravel().tolist(),
                }
            )  # fmt: skip
    categories = [{"id": 1, "name": "person"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


@pytest.mark.slow
def test_engines_agree_in_evaluation(model, files, pictures, tmp_path):
    """The statistics, and the scores of the detections themselves."""
    annotated_as_found(model, pictures, tmp_path / "truth.json")
    data = f"data.val.dataset={{type: CocoKeypoints, annotations: {tmp_path / 'truth.json'}, images: {pictures}}}"
    mindir = model.with_suffix(".mindir")
    assert main(["export", str(model), "--format", "mindir", "--no-verify"]) == 0
    statistics, scores = {}, {}
    for file in (model, *files, mindir):
        arguments = ["eval", str(file), "--out", str(tmp_path / file.name), "--set", data, "--set", "test.flip=false"]
        if file.suffix == ".onnx":
            succeeds(*arguments, without=True)
        else:
            assert main(arguments) == 0
        statistics[file] = json.loads((tmp_path / file.name / "statistics.json").read_text())["statistics"]
        scores[file] = np.sort([record["score"] for record in json.loads((tmp_path / file.name / "results.json").read_text())])
    assert all(0.2 < statistics[model][name] < 0.9 for name in ("keypoints/AP", "bbox/AP")) and len(scores[model]) > 100
    for file in (*files, mindir):
        assert statistics[file] == pytest.approx(statistics[model], abs=1e-3, nan_ok=True), file.name
        np.testing.assert_allclose(scores[file], scores[model], atol=SCORE)


@pytest.mark.parametrize("command", [["train", "quickstart"], ["eval", "model.ckpt"], ["export", "model.ckpt"]])
def test_what_needs_mindspore_names_the_command(command):
    done = mindpoint(*command, without=True)
    assert done.returncode == 2
    assert "this needs MindSpore; install it with: pip install 'mindpoint[mindspore]'" in done.stderr


def test_what_does_not_need_mindspore_works_without(tmp_path):
    succeeds("config", "check", "dla34_dcn_coco", without=True)
    succeeds("synthesize", tmp_path / "people", "--count", "1", without=True)
    assert "MultiPoseDecoder" in succeeds("plugins", "list", without=True)


@pytest.mark.slow
def test_mindir_that_decodes(model, pictures, tmp_path):
    """Any number of images; compared in a new process while it is written; predicting from it in another finds the same."""
    path = tmp_path / "pose.mindir"
    command = ("export", model, "--format", "mindir", "--decode", "--dynamic", "batch", "--out", path, "--images", pictures)
    assert "gives detections" in (said := succeeds(*command)) and "verified: " in said
    succeeds("predict", path, pictures, "--out", tmp_path / "out", "--threshold", "0.1")
    found = [record["objects"] for record in json.loads((tmp_path / "out" / "predictions.json").read_text())]
    predictor = Predictor(model, threshold=0.1, overrides=["test.flip=false"])
    for ours, picture in zip(found, sorted(pictures.iterdir())):
        theirs = predictor(picture).detections
        assert len(ours) == len(theirs) > 30
        assert match(detections(ours, theirs.fields), theirs, pixels=2e-3)[0] >= (1 - UNMATCHED) * len(theirs)
