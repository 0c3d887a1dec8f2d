"""From a checkpoint to an exported file and back to detections, on the command line, with MindSpore and without."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from mindpoint.config import load_config
from mindpoint.engine import checkpoint
from mindpoint.engine.network import build_network

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


def objects(folder):
    """All objects of all images in ``predictions.json``: scores, boxes and joints, an image at a time."""
    records = json.loads((folder / "predictions.json").read_text())
    return [
        np.array([[o["score"], *o["box"], *(v for k in o["keypoints"] for v in (k["x"], k["y"], k["score"]))] for o in record["objects"]])
        for record in records
    ]


@pytest.mark.slow
def test_predicting_without_mindspore_is_the_same(model, pictures, tmp_path):
    succeeds("export", model, "--images", pictures)
    said = succeeds("export", model, "--out", tmp_path / "all.onnx", "--decode", "--dynamic", "batch", "size", "--portable")
    assert "the file cannot do otherwise: test.flip=false" in said and "any number of images of any size, gives detections" in said
    plain = ("--set", "test.flip=false")
    settings = {
        "checkpoint, mirrored": (model, (), False),
        "file, mirrored": (model.with_suffix(".onnx"), (), True),
        "checkpoint": (model, plain, False),
        "file that decodes": (tmp_path / "all.onnx", (), True),
    }
    found = {}
    for name, (file, changes, without) in settings.items():
        out = tmp_path / name.replace(" ", "-")
        succeeds("predict", file, pictures, "--out", out, "--threshold", "0.1", *changes, without=without)
        found[name] = objects(out)
    for one, other in (("checkpoint, mirrored", "file, mirrored"), ("checkpoint", "file that decodes")):
        assert sum(map(len, found[one])) > 10
        for ours, theirs in zip(found[other], found[one]):
            np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.slow
def test_engines_agree_in_evaluation(model, coco_mini, tmp_path):
    """The statistics, and the detections themselves, since those of a network that has learned nothing say little."""
    annotations, images = coco_mini / "annotations" / "person_keypoints_val2017.json", coco_mini / "val2017"
    data = ["--set", f"data.val.dataset={{type: CocoKeypoints, annotations: {annotations}, images: {images}}}"]
    succeeds("export", model, "--out", tmp_path / "slim.onnx", "--no-verify")
    succeeds("export", model, "--format", "mindir", "--out", tmp_path / "slim.mindir", "--no-verify")
    statistics, scores = {}, {}
    for file in (model, tmp_path / "slim.onnx", tmp_path / "slim.mindir"):
        out = tmp_path / f"eval-{file.suffix[1:]}"
        succeeds("eval", file, "--out", out, *data, without=file.suffix == ".onnx")
        statistics[file.suffix] = json.loads((out / "statistics.json").read_text())["statistics"]
        scores[file.suffix] = np.array([record["score"] for record in json.loads((out / "results.json").read_text())])
    assert len(scores[".ckpt"]) > 1000
    for engine in (".onnx", ".mindir"):
        assert statistics[engine] == pytest.approx(statistics[".ckpt"], abs=1e-3, nan_ok=True)
        np.testing.assert_allclose(np.sort(scores[engine]), np.sort(scores[".ckpt"]), atol=1e-3)


@pytest.mark.parametrize(
    "command", [["train", "quickstart"], ["eval", "model.ckpt"], ["export", "model.ckpt"], ["parity", "--golden", ".", "--coco", "."]]
)
def test_what_needs_mindspore_names_the_command(command):
    done = mindpoint(*command, without=True)
    assert done.returncode == 2
    assert "MindSpore, which is not installed here; install it with: pip install 'mindpoint[mindspore]'" in done.stderr


def test_what_does_not_need_mindspore_works_without(tmp_path):
    succeeds("config", "check", "dla34_dcn_coco", without=True)
    succeeds("synthesize", tmp_path / "people", "--count", "1", without=True)
    assert "MultiPoseDecoder" in succeeds("plugins", "list", without=True)
