"""Two detectors of third parties, installed by pip: boxes only, and two strides with a direction. Both lack keypoints and CenterNet."""

import csv
import functools
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.slow
TRAINED = {"acme_boxes": 0.4, "acme_arrows": 0.4}  # bbox/AP that the training must reach; both come to about 0.6


class Trained:
    """A trained detector in a folder of its own."""

    def __init__(self, name, installed, folder, mindpoint):
        self.name, self.folder, self._installed = name, folder, installed
        self._mindpoint = mindpoint
        self.config = f"{name.replace('_', '-')}:base"
        self.trained = self.run("train", self.config, "--out", "run")

    def run(self, *arguments, code=0):
        done = self._mindpoint(*arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def python(self, code):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=self._installed.environment, cwd=self.folder
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @functools.cached_property
    def plain(self):
        """Return the checkpoint's detections, without the mirrored image."""
        self.run("predict", "run", "images", "--out", "plain", "--format", "json", "--set", "test.flip=false")
        return json.loads((self.folder / "plain" / "predictions.json").read_text())

    def statistics(self, out):
        return json.loads((self.folder / out / "statistics.json").read_text())["statistics"]


def trained(name, install, tmp_path_factory, commands):
    installed, folder = install(name), tmp_path_factory.mktemp(f"{name}-run")
    detector = Trained(name, installed, folder, commands(installed.environment, folder))
    code = (
        f"import cv2, json, sys\nfrom mindpoint.config import load_config\nfrom mindpoint.data.build import build_dataset\n"
        f"data = build_dataset(load_config('{detector.config}'), 'val')\nimport os; os.mkdir('images')\n"
        "for index, image_id in enumerate(data.ids()): cv2.imwrite('images/' + data.file_name(index), data[index].image)\n"
        "json.dump(data.ground_truth(), open('instances_val.json', 'w'))"
    )
    detector.python(code)
    return detector


@pytest.fixture(scope="module")
def boxes(install, tmp_path_factory, commands):
    return trained("acme_boxes", install, tmp_path_factory, commands)


@pytest.fixture(scope="module")
def arrows(install, tmp_path_factory, commands):
    return trained("acme_arrows", install, tmp_path_factory, commands)


@pytest.fixture(params=["acme_boxes", "acme_arrows"])
def detector(request):
    return request.getfixturevalue({"acme_boxes": "boxes", "acme_arrows": "arrows"}[request.param])


def test_nothing_of_keypoints_or_centernet_is_needed(detector):
    shown = detector.run("config", "show", detector.config)
    assert "keypoints" not in shown
    code = (
        "import sys\nfrom mindpoint import Predictor\nPredictor('run')\nfrom mindpoint.config import load_config\n"
        f"from mindpoint.data.build import build_samples, build_metric\nc = load_config('{detector.config}')\n"
        "build_samples(c).sample(0); build_metric(c)\nprint([m for m in sys.modules if 'centernet' in m])"
    )
    assert detector.python(code).strip() == "[]"


def test_it_learns(detector):
    assert detector.statistics("run")["bbox/AP"] > TRAINED[detector.name]
    assert {"best.ckpt", "last.ckpt", "log.jsonl", "pictures"} <= {path.name for path in (detector.folder / "run").iterdir()}


def test_it_resumes_bit_exactly(boxes):
    """Five steps, then the rest of an epoch, are as good as the whole at once."""
    quick = ("--set", "train.epochs=1", "--set", "hooks.evaluation=null", "--set", "hooks.pictures=null", "--set", "+hooks.curves=null")
    boxes.run("train", boxes.config, "--out", "whole", *quick)
    boxes.run("train", boxes.config, "--out", "parts", *quick, "--set", "+train.max_steps=5")
    boxes.run("train", boxes.config, "--out", "parts", "--resume", *quick)
    code = (
        "from mindpoint.model import checkpoint\nimport numpy as np\n"
        "a, b = (checkpoint.load(f'{n}/last.ckpt').arrays for n in ('whole', 'parts'))\n"
        "print(sorted(a) == sorted(b), all(np.array_equal(a[n], b[n]) for n in a))"
    )
    assert boxes.python(code).split() == ["True", "True"]


def test_evaluation_and_report(detector):
    text = detector.run("eval", "run", "--out", "eval", "--report", "report")
    assert detector.statistics("eval") == pytest.approx(detector.statistics("run"), nan_ok=True) and "bbox" in text
    page = (detector.folder / "report" / "index.html").read_text()
    for word in ("keypoint", "joint", "skeleton", "person"):
        assert word not in page.lower(), word
    assert ("triangle" if detector.name == "acme_boxes" else "arrow") in page
    results = json.loads((detector.folder / "eval" / "results.json").read_text())
    truth = json.loads((detector.folder / "instances_val.json").read_text())
    assert {record["category_id"] for record in results} <= {record["id"] for record in truth["categories"]}
    with_results = detector.run("eval", "--results", "eval/results.json", "--config", detector.config, "--out", "again")
    assert "bbox" in with_results and detector.statistics("again") == pytest.approx(detector.statistics("eval"), nan_ok=True)


def test_the_truth_in_place_of_the_heads_is_nearly_perfect(detector):
    detector.run("eval", "run", "--oracle", "all", "--out", "oracle")
    assert detector.statistics("oracle")["bbox/AP"] > 0.9


def test_predictions_in_all_formats_agree(detector):
    detector.run("predict", "run", "images", "--out", "found", "--threshold", "0.1")
    folder = detector.folder / "found"
    images = json.loads((folder / "predictions.json").read_text())
    objects = [found for image in images for found in image["objects"]]
    coco = json.loads((folder / "coco_results.json").read_text())
    rows = list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))
    assert len(objects) == len(coco) == len(rows) > 8
    ids = {"circle": 1, "square": 3, "triangle": 7, "arrow": 1}
    for found, record, row in zip(objects, coco, rows):
        assert ids[found["class"]] == record["category_id"] and found["class"] == row["class"]
        left, top, right, bottom = found["box"]
        assert record["bbox"] == pytest.approx([left, top, right - left, bottom - top])
        assert [float(row[side]) for side in ("left", "top", "right", "bottom")] == pytest.approx(found["box"])
        if detector.name == "acme_arrows":
            assert found["rotation"] == pytest.approx(record["rotation"]) == pytest.approx(float(row["rotation"]))
        assert not {"keypoints", "joints"} & {*found, *record, *row}
    names = {path.name for path in folder.glob("*.jpg")}
    assert len(names) == 12 and cv2.imread(str(next(folder.glob("*.jpg")))).shape[:2] == (80, 80)


@pytest.mark.parametrize(
    "detector, options",
    [
        ("acme_boxes", ["--decode"]),
        ("acme_boxes", ["--dynamic", "batch"]),
        ("acme_arrows", ["--decode", "--dynamic", "batch", "size"]),
        ("acme_arrows", []),
    ],
    indirect=["detector"],
)
def test_exports_run_in_onnx_runtime_and_find_the_same(detector, options):
    name = "-".join(["export", *options]).replace("--", "") + ".onnx"
    flip = ["--set", "test.flip=false"]
    said = detector.run("export", "run", "--out", name, *options, *flip)
    assert "verified" in said and "100.0%" in said
    detector.run("predict", name, "images", "--out", f"found-{name}", "--format", "json", *flip)
    found_in_file = json.loads((detector.folder / f"found-{name}" / "predictions.json").read_text())
    assert len(found_in_file) == len(detector.plain) == 12
    for one, other in zip(found_in_file, detector.plain):
        assert len(one["objects"]) == len(other["objects"])
        for found, expected in zip(one["objects"], other["objects"]):
            np.testing.assert_allclose(found["box"], expected["box"], atol=0.05)
            if detector.name == "acme_arrows":
                assert abs((found["rotation"] - expected["rotation"] + np.pi) % (2 * np.pi) - np.pi) < 1e-3


def test_a_direction_survives_flip_and_scales(arrows):
    """The direction that is found for each clear arrow is the drawn one, also with mirrored copies and several scales."""
    truth = {record["image_id"]: [] for record in json.loads((arrows.folder / "instances_val.json").read_text())["annotations"]}
    for record in json.loads((arrows.folder / "instances_val.json").read_text())["annotations"]:
        truth[record["image_id"]].append((record["bbox"], record["rotation"]))
    for number, settings in enumerate(([], ["test.flip=true"], ["test.flip=true", "test.scales=[0.9,1.0,1.1]"])):
        options = [word for setting in settings for word in ("--set", setting)]
        arrows.run("predict", "run", "images", "--out", f"turn-{number}", "--format", "json", "--threshold", "0.1", *options)
        errors = []
        for image in json.loads((arrows.folder / f"turn-{number}" / "predictions.json").read_text()):
            for found in image["objects"]:
                middle = np.array(found["box"]).reshape(2, 2).mean(axis=0)
                for (left, top, width, height), angle in truth[image["id"]]:
                    if np.abs(middle - [left + width / 2, top + height / 2]).max() < 5:
                        errors.append(abs((found["rotation"] - angle + np.pi) % (2 * np.pi) - np.pi))
        assert len(errors) > 8 and np.median(errors) < 0.5, settings


def test_data_commands_serve_boxes(boxes):
    data = ["--set", "data.val.dataset={_replace_: true, type: CocoDataset, annotations: instances_val.json, images: images}"]
    assert "no problems" in boxes.run("data", "check", "instances_val.json", "--images", "images")
    assert "no problems" in boxes.run("data", "check", boxes.config, "--split", "val", *data)
    counted = boxes.run("data", "stats", boxes.config, "--split", "val", "--out", "stats", *data)
    assert "people" not in counted and "joint" not in counted and "triangle" in counted
    boxes.run("data", "browse", boxes.config, "--split", "train", "--count", "3", "--out", "browse")
    boxes.run("data", "browse", boxes.config, "--split", "val", "--id", "893", "--out", "browse-id", *data)
    assert len(list((boxes.folder / "browse").iterdir())) == 3
    assert [path.name for path in (boxes.folder / "browse-id").iterdir()] == ["val-000001-893.jpg"]
    boxes.run("data", "convert", boxes.config, "--split", "val", "--out", "records", "--shards", "2", *data)
    records = ["--set", "data.val.dataset={_replace_: true, type: MindRecordDataset, path: records/val}"]
    boxes.run("eval", "run", "--out", "from-records", *records)
    assert boxes.statistics("from-records") == pytest.approx(boxes.statistics("run"), nan_ok=True)


def test_drawn_data_is_looked_at_without_files(boxes):
    assert "no problems" in boxes.run("data", "check", boxes.config, "--split", "val")
    assert "circle" in boxes.run("data", "stats", boxes.config, "--out", "drawn-stats")


def test_a_mistake_of_a_plugin_is_one_message(boxes):
    said = boxes.run("train", boxes.config, "--out", "wrong", "--set", "model.heads.grid.classes=[a]", code=2)
    assert "Traceback" not in said
