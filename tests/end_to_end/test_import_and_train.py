"""From an export to a model that was trained for a step and evaluated, by commands only."""

import json
import os

import pytest
import yaml

POSE = {"model": {"backbone": {"width": 8}, "neck": {"conv": "plain", "channels": [16, 16, 16]}, "heads": {"pose": {"head_conv": 8}}}}
POSE_BASES = ["_base_/model/multi_pose.yaml", "_base_/model/resnet_dcn.yaml", "_base_/data/input_coco.yaml", "_base_/runtime/default.yaml"]
BOXES_BASES, BOXES = ["quickstart_detection.yaml"], {"model": {"backbone": {"width": 8}, "neck": {"channels": 16}}}


@pytest.fixture(scope="module")
def mindpoint(commands, tmp_path_factory):
    run = commands(os.environ, tmp_path_factory.mktemp("commands"))

    def succeeds(*arguments):
        done = run(*arguments)
        assert done.returncode == 0, done.stderr

    return succeeds


def trained(mindpoint, source, folder, bases, config):
    """Import, train a step, evaluate; return what the evaluation in the training found. The networks are compiled in other tests."""
    out = folder / "out"
    mindpoint("data", "import", "auto", source, out, "--link")
    joints = out / "joints.yaml"
    truth = {"type": "CocoDataset", "annotations": str(out / "annotations.json"), "images": str(out / "images")}
    content = {
        "_base_": [*bases, str(joints)] if joints.exists() else bases,
        **config,
        "input": {"size": [64, 64]},
        "train": {"epochs": 1, "max_steps": 1},
        "optimizer": {"type": "Adam", "lr": 1e-3},
        "schedule": {"type": "Constant"},
        "runtime": {"mode": "eager"},
    }
    train = {"dataset": truth, "batch_size": 1, "workers": 1}
    if joints.exists():
        train["targets"] = {"type": "MultiPoseTargets"}
    else:
        names = [record["name"] for record in json.loads((out / "annotations.json").read_text())["categories"]]
        content["classes"] = names
    content["data"] = {"train": train, "val": {"dataset": truth}}
    (folder / "mine.yaml").write_text(yaml.safe_dump(content))
    mindpoint("train", folder / "mine.yaml", "--out", folder / "run")
    lines = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    return {**lines[0], **lines[-1]["metrics"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deeplabcut", "yolo_pose_tiger", "crowdpose"])
def test_joints(name, formats, tmp_path, mindpoint):
    said = trained(mindpoint, formats / name, tmp_path, POSE_BASES, POSE)
    assert said["keypoints/AP"] >= 0 and said["loss"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pascal_voc", "yolo_boxes_roboflow"])
def test_boxes(name, formats, tmp_path, mindpoint):
    said = trained(mindpoint, formats / name, tmp_path, BOXES_BASES, BOXES)
    assert said["bbox/AP"] >= 0 and said["loss"] > 0
