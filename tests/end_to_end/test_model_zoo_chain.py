"""A training of the model zoo, by its parameter names, through every command: the same detections from each."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint_parity import zoo

SETTINGS = ["input.size=[256, 256]", "test.resolution=fixed", "test.flip=false"]


def rows(objects):
    """Score, box and joints ``(x, y)`` of each object as a row."""
    joints = [[place for joint in found["keypoints"] for place in (joint["x"], joint["y"])] for found in objects]
    return np.array([[found["score"], *found["box"], *line] for found, line in zip(objects, joints)])


def evaluated(folder):
    """The same of the results of an evaluation, in COCO's format, and its statistics."""
    records = json.loads((folder / "results.json").read_text())
    places = np.array([np.reshape(record["keypoints"], (-1, 3))[:, :2].ravel() for record in records])
    boxes = np.array([record["bbox"] for record in records])
    boxes[:, 2:] += boxes[:, :2]
    scores = np.array([[record["score"]] for record in records])
    return np.hstack([scores, boxes, places]), json.loads((folder / "statistics.json").read_text())["statistics"]


def annotate(found, image, path):
    """Write an annotation file for which these detections are fairly good: two of three of the best thirty."""
    annotations = [
        {
            "id": number + 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "num_keypoints": 17,
            "bbox": [*map(float, row[1:3]), *map(float, row[3:5] - row[1:3])], "area": float(np.prod(row[3:5] - row[1:3])),
            "keypoints": np.c_[row[5:].reshape(17, 2), np.full(17, 2)].ravel().tolist(),
        }
        for number, row in enumerate(found[:30]) if number % 3
    ]  # fmt: skip
    height, width = cv2.imread(str(image)).shape[:2]
    images = [{"id": 1, "file_name": image.name, "height": height, "width": width}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}))


@pytest.mark.slow
def test_detections_are_the_same_throughout(golden_zoo, coco_mini, tmp_path):
    """Convert, predict, evaluate, export with decoding as MINDIR; predict and evaluate with that file in new processes."""
    image, truth = coco_mini / "val2017" / "000000000139.jpg", tmp_path / "truth.json"
    training, model, exported = (tmp_path / name for name in ("training.ckpt", "ours.ckpt", "pose.mindir"))
    changes = [word for change in SETTINGS for word in ("--set", change)]
    data = ["--set", f"data.val.dataset={{type: CocoDataset, annotations: {truth}, images: {image.parent}}}"]

    def predict(file, run):
        out = tmp_path / f"predict-{file.name}"
        assert run(["predict", str(file), str(image), "--out", str(out), "--threshold", "0", *changes]) == 0
        return rows(json.loads((out / "predictions.json").read_text())[0]["objects"])

    def evaluate(file, run):
        out = tmp_path / f"eval-{file.name}"
        assert run(["eval", str(file), "--out", str(out), *changes, *data]) == 0
        return evaluated(out)

    def new_process(words):
        return subprocess.run([sys.executable, "-m", "mindpoint", *words], timeout=600).returncode

    zoo.write_training(training, zoo.zoo_state(golden_zoo))
    assert main(["weights", "convert", str(training), str(model)]) == 0
    expected = predict(model, main)
    assert len(expected) > 30 and np.ptp(expected[:, 0]) > 0.1
    annotate(expected, image, truth)
    results, statistics = evaluate(model, main)
    assert 0.2 < statistics["keypoints/AP"] < 0.95
    assert main(["export", str(model), "--format", "mindir", "--decode", "--out", str(exported), "--images", str(image), *changes]) == 0
    again, (results_again, statistics_again) = predict(exported, new_process), evaluate(exported, new_process)
    scale = np.array([50] + 38 * [1])  # 0.05 pixels are as much as 0.001 in the score
    for found in (results, again, results_again):
        assert found.shape == expected.shape
        furthest = np.abs((found[:, None] - expected) * scale).max(axis=2)  # in any order: almost equal scores may change places
        assert (furthest.min(axis=0) < 0.05).mean() >= 0.98 and (furthest.min(axis=1) < 0.05).mean() >= 0.98
    assert statistics_again == pytest.approx(statistics, abs=1e-3, nan_ok=True)
