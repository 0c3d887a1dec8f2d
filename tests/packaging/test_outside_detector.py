"""A detector of three strides, written from the guide alone as ``plugins new`` lays it out: installed, tested, trained, exported."""

import json

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.slow
FEW = ("--set", "train.max_steps=24", "--set", "data.train.batch_size=8", "--set", "hooks.evaluation=null", "--set", "hooks.pictures=null")
SEEN = ("--threshold", "0.02", "--format", "json,pictures")


@pytest.fixture(scope="module")
def run(install, tmp_path_factory, commands):
    """Return a function that runs ``mindpoint`` where the distribution is installed, and the folder of a short training."""
    folder = tmp_path_factory.mktemp("outside")
    command = commands(install("strides").environment, folder)

    def mindpoint(*arguments):
        done = command(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    mindpoint("train", "strides:example", "--out", folder / "run", *FEW)
    return mindpoint, folder


def found_in(folder):
    return [found for image in json.loads((folder / "predictions.json").read_text()) for found in image["objects"]]


def test_every_part_keeps_its_contract(run):
    mindpoint, _ = run
    statuses = [line.split()[0] for line in mindpoint("plugins", "test", "strides").splitlines()[1:]]
    assert statuses == ["ok", "ok", "ok", "ok", "skipped", "ok"]  # the target encoder is tested with the decoder


def test_it_learns_without_centernet(run, install):
    _, folder = run
    losses = [entry["loss"] for entry in map(json.loads, (folder / "run" / "log.jsonl").read_text().splitlines()) if "loss" in entry]
    assert len(losses) == 24 and np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4])
    code = f"import sys\nfrom mindpoint import Predictor\nPredictor({str(folder / 'run')!r})\n"
    code += "print([m for m in sys.modules if 'centernet' in m])"
    assert install("strides").python("-c", code).stdout.strip() == "[]"


def test_encoder_and_decoder_are_inverse_on_all_strides(run):
    mindpoint, folder = run
    mindpoint(
        "eval",
        folder / "run",
        "--oracle",
        "all",
        "--set",
        "+data.val.max_images=30",
        "--set",
        "data.val.dataset.length=[0.2, 0.6]",
        "--out",
        folder / "oracle",
    )
    assert json.loads((folder / "oracle" / "statistics.json").read_text())["statistics"]["bbox/AP"] == 1.0


def test_the_exported_file_finds_the_same_and_draws_it(run):
    mindpoint, folder = run
    image = np.full((150, 190, 3), 120, np.uint8)
    cv2.circle(image, (60, 70), 40, (40, 40, 230), -1)
    cv2.imwrite(str(folder / "image.png"), image)
    said = mindpoint("export", folder / "run", "--out", folder / "strides.onnx", "--dynamic", "batch", "size")
    assert "100.0% of" in said and "at 2 sizes" in said
    for model, out in (("run", "network"), ("strides.onnx", "file")):
        mindpoint("predict", folder / model, folder / "image.png", "--out", folder / out, *SEEN)
    ours, theirs = found_in(folder / "network"), found_in(folder / "file")
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs):
        assert one["class"] == other["class"] and one["box"] == pytest.approx(other["box"], abs=0.05)
    (picture,) = (folder / "file").glob("image*.*g")
    assert (cv2.absdiff(cv2.imread(str(picture)), image) > 60).mean() > 0.01
