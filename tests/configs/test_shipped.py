"""The configurations that come with mindpoint are right."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mindpoint.config import Config, load_config, shipped
from mindpoint.config.files import BASE, find, shipped_folder
from mindpoint.config.node import Problems
from mindpoint.config.text import parse

FOLDER = Path(__file__).resolve().parents[2] / "configs"
FILES = sorted(FOLDER.glob("[!_]*/*.yaml"), key=lambda path: path.stem)


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_checks_without_loading_parts(path):
    config = load_config(str(path))
    assert config.has("data.train") and config.has("optimizer") and config.has("train"), "it can be trained as it is"
    config.require("model.decoder", "model.losses", "data.train.targets", "data.val.dataset", "schedule", "test.metric", "hooks")


def test_resolved_text_means_the_same(path):
    config = load_config(str(path))
    again = Config.from_text(config.to_yaml(), "config.yaml", trusted=True)
    assert repr(again.data) == repr(config.data)


def test_says_what_it_is(path):
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    assert first.startswith("# ") and len(first) > 20


def test_is_found_by_name_anywhere(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config(path.stem).data == load_config(path.name).data == load_config(str(path)).data


def test_can_be_inherited_from_anywhere(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(f"_base_: {path.name}\nseed: 12345\n")
    assert load_config("mine.yaml").data == {**load_config(str(path)).data, "seed": 12345}


def test_every_part_is_used():
    used, queue = set(), list(shipped().values())
    while queue:
        path = queue.pop()
        said = parse(path.read_text(encoding="utf-8"), str, Problems()).plain().get(BASE, [])
        beside = [(path.parent / base, base) for base in ([said] if isinstance(said, str) else said)]
        bases = [(near if near.exists() else find(base)).resolve() for near, base in beside]
        queue += [base for base in bases if base not in used]
        used.update(bases)
    folder = shipped_folder().resolve()
    parts = {part for part in (folder / "_base_").glob("*/*.yaml") if part.parent.name != "joints"}  # for users' configurations
    assert parts == used & parts


def test_the_package_holds_these_files():
    assert [(name, path.name) for name, path in shipped().items()] == [(path.stem, path.name) for path in FILES]
    assert (shipped_folder() / "_base_").is_dir()


@pytest.mark.parametrize(
    "name, images, rate, epochs, drops, head_conv",
    [
        ("ctdet_dla34_dcn_coco", 128, 5e-4, 230, [180, 210], 256),
        ("ctdet_dla34_dcn_coco_1x", 128, 5e-4, 140, [90, 120], 256),
        ("ctdet_resnet18_dcn_coco", 114, 5e-4, 140, [90, 120], 64),
        ("ctdet_hourglass_coco", 24, 2.5e-4, 50, [40], 256),
    ],
)
def test_official_recipes_of_detection(name, images, rate, epochs, drops, head_conv):
    """Numbers of the scripts in the official implementation's ``experiments``; those of augmentation are its defaults."""
    config = load_config(name)
    train, data = config.section("train"), config.data["data"]["train"]
    assert (data["batch_size"], config.data["optimizer"]["lr"], train.epochs) == (images, rate, epochs)
    assert config.data["schedule"] == {"type": "MultiStep", "milestones": drops}, "without a warm-up"
    assert (config.data["optimizer"]["type"], train.clip_norm, train.ema) == ("Adam", None, None)
    view, color = (config.build(f"data.train.transforms.{each}") for each in ("view", "color"))
    assert (view.mode, view.flip, view.rotation_probability, view.crop_border) == ("crop", 0.5, 0, 128)
    assert view.crop_scales.tolist() == pytest.approx([0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3])
    assert (color.variations, color.lighting) == ({"brightness": 0.4, "contrast": 0.4, "saturation": 0.4}, 0.1)
    assert config.data["model"]["heads"]["detection"].get("head_conv", 256) == head_conv
    assert "with_objects" not in data["dataset"], "images without objects train too"


def test_classes_of_coco_stand_in_the_order_of_their_ids(coco_mini):
    categories = json.loads((coco_mini / "annotations" / "instances_val2017.json").read_text(encoding="utf-8"))["categories"]
    names = [record["name"] for record in sorted(categories, key=lambda record: record["id"])]
    assert load_config("ctdet_dla34_dcn_coco").classes == names


@pytest.mark.skipif(not FILES, reason="there is none")
def test_command_line(tmp_path):
    def mindpoint(*arguments):
        command = [sys.executable, "-c", "import sys; from mindpoint.cli.main import main; sys.exit(main())", "config", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, timeout=60)

    listed = mindpoint("list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [path.stem for path in FILES]
    checked = mindpoint("check", *(path.stem for path in FILES))
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.splitlines() == [f"{path.stem}: ok" for path in FILES]


def test_a_batch_size_set_later_replaces_the_total_of_the_recipe():
    def batch(*overrides):
        return load_config("dla34_coco_modelzoo", overrides, parts=()).split("train").batch_of_each(4)

    assert batch() == 64 and batch("data.train.batch_size=2") == 2 and batch("data.train.total_batch_size=8") == 2
