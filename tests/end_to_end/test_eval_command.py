"""``mindpoint eval`` as a user runs it, with a network that has learnt nothing."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.contracts.features import FeatureSpec
from mindpoint.data.build import build_dataset
from mindpoint.inference.detector import build_detector
from mindpoint.inference.mindspore_model import network_detector
from mindpoint.model.network import build_network
from mindpoint.runtime import device

CONFIG = str(Path(__file__).parent / "tiny.yaml")


def statistics(folder):
    return json.loads((folder / "statistics.json").read_text())["statistics"]


@pytest.mark.slow
def test_a_coco_folder_and_its_results_again(evaluated, coco_mini, tmp_path):
    first = statistics(evaluated.out)
    assert "person_keypoints_val2017.json: 47 of 47 images" in evaluated.printed and len(first) == 28
    assert first["bbox/AP50"] > 0.5 and f"{first['keypoints/AP']:.3f}" in evaluated.printed
    results = ["--results", str(evaluated.out / "results.json"), "--config", "dla34_dcn_coco"]
    assert main(["eval", *results, "--coco", str(coco_mini), "--out", str(tmp_path)]) == 0
    assert statistics(tmp_path) == first and not (tmp_path / "results.json").exists()


@pytest.mark.slow
def test_golden_results_without_a_model(golden, coco_mini, tmp_path):
    results = str(golden / "detections.json")
    arguments = ["--results", results, "--config", "dla34_dcn_coco", "--coco", str(coco_mini)]
    assert main(["eval", *arguments, "--out", str(tmp_path / "o"), "--report", str(tmp_path / "r")]) == 0
    expected = json.loads((golden / "evaluation.json").read_text())["stats"]
    found = [value for name, value in statistics(tmp_path / "o").items() if not name.startswith("joints/")]
    np.testing.assert_allclose(found, [*expected["keypoints"], *expected["bbox"]], atol=1e-6)
    page = (tmp_path / "r" / "index.html").read_text()
    assert "all 47 images" in page and "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page


@pytest.mark.slow
def test_test_mode_writes_what_the_server_takes(tiny_model, coco_mini, tmp_path, capsys):
    """A list of images without annotations, as COCO's test-dev: results and nothing else."""
    content = json.loads((coco_mini / "annotations" / "person_keypoints_val2017.json").read_text())
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    (tmp_path / "coco" / "test2017").mkdir()
    images = content["images"][:2]
    for image in images:
        shutil.copy(coco_mini / "val2017" / image["file_name"], tmp_path / "coco" / "test2017")
    info = {"images": images, "categories": [*content["categories"], {"id": 2, "name": "bicycle"}]}
    (tmp_path / "coco" / "annotations" / "image_info_test-dev2017.json").write_text(json.dumps(info))
    out = tmp_path / "out"
    assert main(["eval", str(tiny_model), "--coco", str(tmp_path / "coco"), "--mode", "test", "--out", str(out)]) == 0
    name = "person_keypoints_test-dev2017_mindpoint_results"
    assert {file.name for file in out.iterdir()} == {"config.yaml", f"{name}.json", f"{name}.zip"}
    with zipfile.ZipFile(out / f"{name}.zip") as archive:
        records = json.loads(archive.read(f"{name}.json"))
    assert {record["image_id"] for record in records} == {image["id"] for image in images}
    assert {record["category_id"] for record in records} == {1} and len(records) == 40  # the best 20 of each
    assert "40 results" in capsys.readouterr().out


@pytest.mark.slow
def test_truth_in_place_of_all_heads(tiny_model):
    """With every head perfect the network finds everybody, also with the mirrored copy, in windows that move and stretch."""
    arguments = [
        "eval",
        str(tiny_model),
        "--oracle",
        "all",
        "--set",
        "input.size=[128, 128]",
        "--set",
        "test.flip=true",
    ]
    assert main(arguments) == 0
    found = statistics(tiny_model.parent / "eval-val-tiny-oracle-all")  # never in the place of the real ones
    assert found["bbox/AP"] > 0.98 and found["keypoints/AP50"] == pytest.approx(1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "give either a MODEL, or a result file"),
        (["MODEL", "--results", "x.json"], "give either a MODEL, or a result file"),
        (["--results", "x.json"], "--config is missing; name the configuration of the results x.json"),
        (["--results", "x.json", "--config", "quickstart", "--mode", "test"], "--mode needs a MODEL"),
        (["MODEL", "--mode", "test", "--report", "r"], "need annotations, which --mode test lacks"),
        (["MODEL", "--report-images", "-1"], "--report-images is -1; it must be at least 0"),
        (["MODEL", "--coco", "nowhere"], "nowhere: no such folder"),
        (["MODEL", "--coco", ".", "--split", "dev"], "COCO has no split 'dev'; choose train, val or test"),
        (["MODEL", "--oracle", "hm,head"], "the truth is not available for 'head'; choose among hm, wh, hps, reg, hm_hp, hp_offset"),
    ],
)
def test_mistakes(arguments, message, tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["eval", *(str(tiny_model) if word == "MODEL" else word for word in arguments)]) == 2
    assert message in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_told_before_evaluating(tiny_model, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert main(["eval", str(tiny_model), "--out", str(tmp_path / "out"), "--report", str(tmp_path / "file")]) == 2
    assert "file: cannot be created: File exists" in capsys.readouterr().err
    assert not (tmp_path / "out" / "statistics.json").exists() and (tmp_path / "file").read_text() == "mine"


def one_by_one(detector, images):
    return [detector([image])[0] for image in images]


def assert_equal(singles, together, atol=0.0):
    assert len(singles) == len(together)
    for single, other in zip(singles, together):
        for name in ("scores", "boxes", "keypoints", "keypoint_scores"):
            np.testing.assert_allclose(getattr(other, name), getattr(single, name), rtol=0, atol=atol)


@pytest.mark.parametrize("changes", [["test.flip=true"], ["test.resolution=keep", "test.flip=true"], ["test.scales=[0.5, 1.0, 1.5]"]])
def test_a_batch_gives_what_single_images_give_bit_for_bit(changes):
    """With a network of numpy that is exact in any batch, images of several shapes, the last batch not full."""
    config, batched = load_config(CONFIG, changes), load_config(CONFIG, [*changes, "test.batch_size=4"])
    channels = {"hm": 1, "wh": 2, "hps": 34, "reg": 2, "hm_hp": 17, "hp_offset": 2}
    maps = {name: FeatureSpec(count, 4) for name, count in channels.items()}
    mixers = {name: np.random.default_rng(count).standard_normal((count, 3), np.float32) for name, count in channels.items()}

    def forward(inputs):
        small = inputs["image"][:, :, ::4, ::4]
        return {name: (mixer[None, :, :, None, None] * small[:, None]).sum(axis=2) for name, mixer in mixers.items()}

    rng = np.random.default_rng(0)
    images = [
        rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in [(64, 64), (50, 90), (64, 64), (60, 64), (50, 90), (64, 60), (33, 64)]
    ]
    singles = one_by_one(build_detector(config, forward, maps, 32), images)
    assert_equal(singles, build_detector(batched, forward, maps, 32)(images))


@pytest.mark.slow
def test_a_batch_gives_what_single_images_give_with_mindspore(tiny):
    device.setup("CPU", tiny.seed)
    network = build_network(tiny)
    dataset = build_dataset(tiny, "val")
    images = [dataset[index].image for index in range(5)]
    singles = one_by_one(network_detector(tiny, network), images)
    assert_equal(singles, network_detector(load_config(CONFIG, ["test.batch_size=3"]), network)(images), atol=1e-4)


@pytest.mark.slow
def test_a_model_against_itself_with_another_setting(tiny_model, tmp_path, capsys):
    """``eval --compare OLD NEW``; a model of other joints is refused before it is evaluated."""
    out = tmp_path / "out"
    assert main(["eval", "--compare", str(tiny_model), str(tiny_model), "--oracle", "all", "--bootstrap", "5", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    content = json.loads((out / "comparison.json").read_text())
    recall = content["statistics"]["bbox/AR100"]
    assert content["compared"] == ["first", "second"]  # the same file
    assert recall["difference"] > 0.2 and recall["interval"][0] > 0 and "better" in said
    assert (out / "comparison.jpg").stat().st_size > 10_000 and content["statistics"]["joints/mean_error/nose"]["interval"] is not None
    (tmp_path / "fewer.yaml").write_text(f"_base_: [{CONFIG}]\nkeypoints: {{_replace_: true, names: [nose]}}\n")
    (tmp_path / "none.json").write_text("[]")
    command = ["eval", "--results", str(tmp_path / "none.json"), "--config", str(tmp_path / "fewer.yaml"), "--compare", str(tiny_model)]
    assert main([*command, "--out", str(tmp_path / "o")]) == 2
    assert "its points are nose, left_eye, right_eye," in capsys.readouterr().err
