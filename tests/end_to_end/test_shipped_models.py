"""The shipped configurations through the command line: a few steps of training, evaluation, pictures."""

import json
import os

import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("shipped")


@pytest.fixture(scope="module")
def mindpoint(commands, folder):
    """``mindpoint("train", ...)``: a command in the folder."""
    return commands(os.environ, folder)


TERMS = {"loss", "hm_loss", "wh_loss", "off_loss", "hp_loss", "hm_hp_loss", "hp_offset_loss"}
SHORT = ["--set", "train.max_steps=2", "--set", "data.val.dataset.count=3", "--set", "data.train.batch_size=2"]
EAGER = ["--set", "runtime.mode=eager"]  # compiling takes longer than two steps; the others do it
NARROW = ["--set", "model.backbone={type: ResNet, depth: 18, width: 8}", "--set", "model.neck={type: Deconv, channels: [16, 16, 16]}"]
SWAPS = {
    "as shipped": [],
    "ResNet-18, two heads fewer": [*EAGER, *NARROW, "--set", "model.heads.pose.hp_offset=false", "--set", "model.heads.pose.hm_hp=false"],
}


@pytest.mark.slow
@pytest.mark.parametrize("swap", SWAPS)
def test_quick_start_with_parts_swapped(folder, mindpoint, swap):
    done = mindpoint("train", "quickstart", *SHORT, *SWAPS[swap], "--out", swap)
    assert done.returncode == 0, done.stdout + done.stderr
    records = [json.loads(line) for line in (folder / swap / "log.jsonl").read_text().splitlines()]
    expected = TERMS - {"hm_hp_loss", "hp_offset_loss"} if "two heads fewer" in swap else TERMS
    assert all(expected == {name for name in record if name.endswith("loss")} for record in records[:2])
    assert all(0 < records[0][name] < 1000 for name in expected)
    assert "keypoints      AP" in done.stdout and len(list((folder / swap / "pictures").iterdir())) == 1


@pytest.mark.slow
def test_five_of_the_joints_by_a_file_of_one_s_own(folder, mindpoint):
    """Other keypoints are a matter of YAML: names, skeleton, sigmas."""
    (folder / "five.yaml").write_text(
        "_base_: quickstart.yaml\n"
        "keypoints: {_replace_: true, names: [nose, left_wrist, right_wrist, left_ankle, right_ankle],\n"
        "            skeleton: [[nose, left_wrist], [nose, right_wrist]], sigmas: [0.03, 0.06, 0.06, 0.09, 0.09]}\n"
    )
    done = mindpoint("train", "five.yaml", *SHORT, *EAGER, *NARROW, "--out", "five")
    assert done.returncode == 0, done.stdout + done.stderr
    found = mindpoint("eval", "five", "--set", "data.val.dataset.count=2")
    assert found.returncode == 0, found.stderr
    for result in json.loads((folder / "five" / "eval-val-best" / "results.json").read_text()):
        assert len(result["keypoints"]) == 15


@pytest.mark.slow
def test_real_images(folder, mindpoint, coco_mini):
    """Official augmentation on COCO images, evaluation at kept resolution, prediction on files."""
    val = coco_mini / "val2017"
    sets = [f"data.train.dataset.annotations={coco_mini}/annotations/person_keypoints_train2017.json"]
    sets += [f"data.train.dataset.images={coco_mini}/train2017", "data.train.batch_size=2", "train.max_steps=2", "train.epochs=1"]
    sets += ["data.val=null", "hooks.evaluation=null", "hooks.pictures=null", "input.size=[128, 128]"]
    sets += ["model.backbone.channels=[8, 16, 16, 16, 16, 16]", "model.heads.pose.head_conv=16"]
    changes = [part for value in sets for part in ("--set", value)]
    done = mindpoint("train", "dla34_dcn_coco", *changes, *EAGER, "--out", "real")
    assert done.returncode == 0, done.stdout + done.stderr
    annotations = coco_mini / "annotations" / "person_keypoints_val2017.json"
    dataset = f"{{type: CocoKeypoints, annotations: {annotations}, images: {val}, image_ids: [139, 181303]}}"
    evaluated = mindpoint("eval", "real", "--set", f"+data.val={{dataset: {dataset}}}")
    assert evaluated.returncode == 0, evaluated.stdout + evaluated.stderr
    results = json.loads((folder / "real" / "eval-val-last" / "results.json").read_text())
    assert {result["image_id"] for result in results} == {139, 181303}
    files = [val / "000000000139.jpg", val / "000000181303.jpg"]
    predicted = mindpoint("predict", "real", *files, "--out", "out", "--threshold", "0", "--set", "test.resolution=fixed")
    assert predicted.returncode == 0, predicted.stdout + predicted.stderr
    assert "in 2 images" in predicted.stdout
    records = json.loads((folder / "out" / "predictions.json").read_text())
    assert [record["image"] for record in records] == [str(path) for path in files]
    assert all(len(found["keypoints"]) == 17 and 0 <= found["score"] <= 1 for record in records for found in record["objects"])
