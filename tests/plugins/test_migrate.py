"""Configurations of other projects: each option has its place, which exists, and nothing in their files runs."""

import re
import runpy
import shlex
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from mindpoint.cli.main import built_in, main
from mindpoint.config import load_config
from mindpoint.config.differences import differences
from mindpoint.config.schema import ROOT
from mindpoint.errors import ConfigError
from mindpoint.model.network import build_network
from mindpoint.registry import registry

ROOT_FOLDER = Path(__file__).resolve().parents[2]
PAGE = (ROOT_FOLDER / "docs" / "from-model-zoo.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d+) \| (.*?) \| (.*?) \|$", re.M)
ROWS = {int(number): (there, here) for number, there, here in ROW.findall(PAGE)}

ZOO = """
device_target: "Ascend"
coco_data_dir: ""
mindrecord_dir: ""
mindrecord_prefix: "coco_hp.train.mind"
device_id: 0
device_num: 1
distribute: 'false'
need_profiler: "false"
profiler_path: "./profiler"
epoch_size: 1
train_steps: -1
enable_save_ckpt: "true"
do_shuffle: "true"
enable_data_sink: "true"
data_sink_steps: 1
save_checkpoint_path: ""
load_checkpoint_path: ""
save_checkpoint_steps: 1000
save_checkpoint_num: 1
dataset_config:
    num_classes: 1
    num_joints: 17
    max_objs: 32
    input_res: [512, 512]
    output_res: [128, 128]
    rand_crop: False
    shift: 0.1
    scale: 0.4
    aug_rot: 0.0
    rotate: 0
    flip_prop: 0.5
    mean: np.array([0.40789654, 0.44719302, 0.47026115], dtype=np.float32)
    std: np.array([0.28863828, 0.27408164,
                   0.27809835], dtype=np.float32)
    flip_idx: [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12], [13, 14], [15, 16]]
    edges: [[0, 1], [0, 2], [1, 3]]
    eig_val: np.array([0.2141788, 0.01817699, 0.00341571], dtype=np.float32)
net_config:
    down_ratio: 4
    last_level: 6
    final_kernel: 1
    stage_levels: [1, 1, 1, 2, 2, 1]
    stage_channels: [16, 32, 64, 128, 256, 512]
    head_conv: 256
    dense_hp: True
    hm_hp: True
    reg_hp_offset: True
    reg_offset: True
    hm_weight: 1
    off_weight: 1
    wh_weight: 0.1
    hp_weight: 1
    hm_hp_weight: 1
    mse_loss: False
    reg_loss: 'l1'
train_config:
    batch_size: 32
    loss_scale_value: 1024
    optimizer: 'Adam'
    lr_schedule: 'MultiDecay'
    Adam:
        weight_decay: 0.0
        decay_filter: "lambda x: __import__('os').system('touch ran') or True"
    PolyDecay: {learning_rate: 0.00012, end_learning_rate: 0.0000005, power: 5.0, eps: 0.0000001, warmup_steps: 2000}
    MultiDecay:
        learning_rate: 0.00012
        eps: 0.0000001
        warmup_steps: 2000
        multi_epochs: [270, 300]
        factor: 10
eval_config:
    soft_nms: True
    keep_res: True
    multi_scales: [1.0]
    pad: 31
    K: 100
    score_thresh: 0.3
export_config: {input_res: dataset_config.input_res, ckpt_file: "./ckpt_file.ckpt", export_format: "MINDIR", export_name: "pose"}
---
epoch_size: "a help text"
"""


@pytest.fixture
def zoo(tmp_path, monkeypatch, capsys):
    """Migrate the model zoo's file, changed, with options; returns the configuration and what was said."""
    monkeypatch.chdir(tmp_path)

    def migrated(options="", **changes):
        text = ZOO
        for name, value in changes.items():
            text, count = re.subn(rf"(\b{name}: ).*", lambda found, value=value: found[1] + value, text)
            assert count
        Path("zoo.yaml").write_text(text)
        Path("out.yaml").unlink(missing_ok=True)
        assert main(["migrate", "zoo", "zoo.yaml", *shlex.split(options), "--out", "out.yaml"]) == 0, capsys.readouterr().err
        assert not Path("ran").exists()
        return load_config("out.yaml"), capsys.readouterr().out

    return migrated


def value(config, key):
    found = config.data
    for part in key.split("."):
        found = found[part]
    return found


class TestZoo:
    def test_its_own_file_is_the_shipped_recipe(self, zoo):
        """But for what the file adds: 350 epochs are an option there, and a single process has 32 images."""
        config, _ = zoo("--epoch_size 350 --distribute true --device_num 8")
        different = {key for key, *_ in differences(load_config("dla34_coco_modelzoo"), config)}
        new = {
            "runtime.device",
            "train.sink",
            "train.loss_scale",
            "test.pad",
            "test.scales",
            "hooks.checkpoint.every_steps",
            "hooks.checkpoint.keep",
        }
        written = (
            "data.train.shuffle",
            "data.train.targets",
            "data.train.transforms.view",
            "model.",
            "keypoints.",
            "optimizer.weight_decay",
            "schedule.factor",
        )
        assert not [key for key in different - new - {"hooks.pictures.threshold"} if not key.startswith(written)]
        network = [load.build("model.backbone") for load in (config, load_config("dla34_coco_modelzoo"))]
        assert set(network[0].parameters_dict()) == set(network[1].parameters_dict())
        assert value(config, "data.train.total_batch_size") == 256 and value(config, "input.std") == [0.28863828, 0.27408164, 0.27809835]

    @pytest.mark.parametrize(
        "options, key, expected",
        [
            ("--epoch_size=7", "train.epochs", 7),
            ("--train_steps 9", "train.max_steps", 9),
            ("--device_target CPU", "runtime.device", "CPU"),
            ("--device_id 3", "runtime.device_id", 3),
            ("--do_shuffle false", "data.train.shuffle", False),
            ("--data_sink_steps 50", "train.sink", 50),
            ("--save_checkpoint_steps 10 --save_checkpoint_num 4", "hooks.checkpoint.keep", 4),
            ("--load_checkpoint_path a.ckpt", "train.weights", "a.ckpt"),
            ("--mindrecord_dir m", "data.train.dataset.path", "m/train"),
            ("--coco_data_dir c", "data.val.dataset.images", "c/val2017"),
            ("--need_profiler true --profiler_path p", "hooks.profile.folder", "p"),
            ("--distribute true --device_num 4", "data.train.total_batch_size", 128),
        ],
    )
    def test_options_of_the_scripts(self, zoo, options, key, expected):
        assert value(zoo(options)[0], key) == expected

    @pytest.mark.parametrize(
        "changes, key, expected",
        [
            ({"down_ratio": "8"}, "data.train.targets.stride", 8),
            ({"stage_levels": "[1, 1, 1, 3, 4, 1]"}, "model.backbone.levels", [1, 1, 1, 3, 4, 1]),
            ({"final_kernel": "3"}, "model.heads.pose.final_kernel", 3),
            ({"mse_loss": "True"}, "model.decoder.joint_activation", "none"),
            ({"reg_loss": "'sl1'"}, "model.losses.pose.regression", "smooth_l1"),
            ({"pad": "127"}, "test.pad", 127),
            ({"score_thresh": "0.4"}, "hooks.pictures.threshold", 0.4),
            ({"last_level": "5"}, "model.neck.last_level", 5),
            ({"keep_res": "False"}, "test.resolution", "fixed"),
            ({"rand_crop": "True"}, "data.train.transforms.view.mode", "crop"),
            ({"lr_schedule": "'PolyDecay'"}, "schedule.end", 0.0000005 / 0.00012),
            ({"enable_save_ckpt": "'false'"}, "hooks", None),
        ],
    )
    def test_keys_of_its_file(self, zoo, changes, key, expected):
        config, _ = zoo(**changes)
        if expected is None:
            assert "checkpoint" not in value(config, key)
        else:
            assert value(config, key) == pytest.approx(expected) if isinstance(expected, float) else value(config, key) == expected

    @pytest.mark.slow
    def test_options_of_the_network_give_its_parameters(self, zoo):
        """Differences in number, by hand: of convolutions in merges, heads and trees, and of the two numbers a channel that normalise."""
        channels, width, outputs = (4, 4, 8, 16, 32, 64), 8, 1 + 2 + 34 + 2 + 17 + 2

        def merge(coarse, fine, factor):
            return coarse * fine + 2 * fine + (2 * factor * fine) ** 2 + 9 * 2 * fine * fine + 2 * fine

        def after_backbone(first):
            maps = channels[first:]
            chain = sum(merge(coarse, fine, 2) for fine, coarse in zip(maps, maps[1:]))
            return chain + sum(merge(maps[i], maps[0], 2**i) for i in range(1, len(maps))) + 6 * 9 * maps[0] * width

        def count(**changes):
            network = build_network(zoo(stage_channels=str(list(channels)), head_conv=str(width), **changes)[0])
            assert {spec.stride for spec in network.maps.values()} == {int(changes.get("down_ratio", 4))}
            return sum(parameter.size for parameter in network.trainable_params())

        usual = count()
        assert count(final_kernel="3") - usual == (9 - 1) * width * outputs
        assert count(last_level="5") - usual == -merge(64, 8, 8)
        assert count(down_ratio="2") - usual == after_backbone(1) - after_backbone(2)
        assert count(down_ratio="8") - usual == after_backbone(3) - after_backbone(2)
        blocks, roots = 4 * (2 * 9 * 32 * 32 + 4 * 32), 6 * 32 * 32 + 4 * 32  # of two further trees in level 4
        assert count(stage_levels="[1, 1, 1, 2, 3, 1]") - usual == blocks + roots

    def test_what_has_no_effect_is_said_and_written(self, zoo):
        config, said = zoo("--device_target CPU --save_checkpoint_path ckpts", num_joints="5", multi_epochs="[1]")
        assert "train.loss_scale" not in config.to_yaml() and "sink" not in value(config, "train")
        for remark in (
            "loss_scale_value: has no effect: the model zoo",
            "enable_data_sink, data_sink_steps: have no effect",
            "save_checkpoint_path: use mindpoint train FILE --out ckpts",
            "train_config.Adam.decay_filter: is not run",
        ):
            assert f"\n- {remark}" in said and f"\n# - {remark}" in Path("out.yaml").read_text()

    @pytest.mark.parametrize(
        "command, message",
        [
            ("zoo.yaml --epoch_sise 3", "--epoch_sise: is not an option of the model zoo's scripts; did you mean --epoch_size?"),
            ("zoo.yaml --epoch_size", "--epoch_size: its value is missing"),
            ("zoo.yaml --epoch_size many", "zoo.yaml --epoch_size many: epoch_size: many cannot be used: invalid literal"),
            ("zoo.yaml --epoch_size 0", "its settings make an invalid configuration:\nout.yaml:"),
            ("nowhere.yaml", "nowhere.yaml: cannot be read: No such file or directory"),
            ("other.yaml", "other.yaml: is not a configuration of the model zoo's CenterNet"),
            ("part.yaml", "part.yaml: 'MultiDecay' is missing; copy it from the model zoo's default_config.yaml"),
        ],
    )
    def test_mistakes(self, tmp_path, monkeypatch, capsys, command, message):
        monkeypatch.chdir(tmp_path)
        Path("zoo.yaml").write_text(ZOO)
        Path("other.yaml").write_text("a: 1\n")
        Path("part.yaml").write_text(ZOO.replace("    MultiDecay:", "    Other:"))
        assert main(["migrate", "zoo", *command.split(), "--out", "out.yaml"]) == 2
        assert message in capsys.readouterr().err and not Path("out.yaml").exists()

    def test_nothing_is_overwritten(self, zoo, capsys):
        zoo()
        assert main(["migrate", "zoo", "zoo.yaml", "--out", "out.yaml"]) == 2
        assert "out.yaml: exists; choose another name or remove it" in capsys.readouterr().err


OPTS = (
    "main.py multi_pose --exp_id dla_3x --dataset coco_hp --batch_size 128 --lr 5e-4 --num_epochs 320 --lr_step 270,300 "
    "--keep_res --flip_test"
)


class TestOfficial:
    def migrated(self, text, out="out.yaml"):
        Path(out).unlink(missing_ok=True)
        return main(["migrate", "opts", text, "--out", out])

    def test_the_official_recipe_is_the_shipped_one(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert self.migrated(OPTS) == 0
        different = {key for key, *_ in differences(load_config("dla34_dcn_coco"), load_config("out.yaml"))}
        assert different == {"data.train.total_batch_size"}  # in place of batch_size

    def test_a_recorded_opt_txt(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("opt.txt").write_text(
            f"==> commit hash: 1\n==> Cmd:\n{shlex.split(OPTS) + ['--dense_hp', '--mse_loss']}\n==> Opt:\n  K: 100\n"
        )
        assert self.migrated("opt.txt") == 0
        config = load_config("out.yaml")
        assert value(config, "model.losses.pose.dense") is True and value(config, "data.train.targets.joint_sigma") == 4

    def test_the_official_recipe_of_detection_is_the_shipped_one(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        options = "--batch_size 128 --lr 5e-4 --lr_step 180,210 --num_epochs 230 --keep_res --flip_test"
        assert self.migrated(f"ctdet {options}") == 0
        different = {key for key, *_ in differences(load_config("ctdet_dla34_dcn_coco"), load_config("out.yaml"))}
        assert different == {"data.train.total_batch_size"}

    @pytest.mark.parametrize("arch, depth, conv", [("resdcn_18", 18, "deformable"), ("res_101", 101, "plain")])
    def test_residual_networks_of_detection(self, tmp_path, monkeypatch, arch, depth, conv):
        monkeypatch.chdir(tmp_path)
        assert self.migrated(f"ctdet --arch {arch}") == 0
        config = load_config("out.yaml")
        assert value(config, "model.backbone") == {"type": "ResNet", "depth": depth}
        assert value(config, "model.neck.conv") == conv and value(config, "model.heads.detection.head_conv") == 64
        assert value(config, "data.train.targets") == {"type": "DetectionTargets"}

    @pytest.mark.parametrize(
        "options, key, expected",
        [
            ("ctdet --dense_wh", "data.train.targets.dense_sizes", "whole"),
            ("ctdet --mse_loss", "model.losses.detection.center_loss", "mse"),
            ("ctdet --not_reg_offset", "data.train.targets.reg", False),
            ("ctdet --arch resdcn_18 --head_conv 32", "model.heads.detection.head_conv", 32),
            ("ctdet --cat_spec_wh", "model.decoder.class_sizes", True),
            ("ctdet --arch hourglass", "model.backbone.type", "Hourglass104"),
            ("multi_pose --arch res_101", "model.neck.conv", "plain"),
            ("multi_pose --not_rand_crop --aug_rot 0.5 --rotate 30", "data.train.transforms.view.rotation", 30.0),
            ("multi_pose --no_color_aug", "data.train.transforms", None),
            ("multi_pose --input_h 384", "input.size", [384, 512]),
            ("multi_pose --test_scales 0.5,1,2", "test.scales", [0.5, 1, 2]),
            ("multi_pose --load_model a/b.pth", "train.weights", "a/b.ckpt"),
        ],
    )
    def test_options(self, tmp_path, monkeypatch, options, key, expected):
        monkeypatch.chdir(tmp_path)
        assert self.migrated(options) == 0
        found = value(load_config("out.yaml"), key)
        assert "color" not in found if expected is None else str(expected) in str(found)

    def test_mistakes(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        Path("evil.txt").write_text("==> Cmd:\n__import__('os').system('touch ran')\n")
        for text, message in (
            ("multi_pose --exp_id 'a", "the command line: cannot be split into words"),
            ("x" * 300, "the first word must be the task"),
            ("ddd", "the first word must be the task, multi_pose or ctdet, not 'ddd'"),
            ("multi_pose --lr", "--lr: its value is missing"),
            ("multi_pose --lr fast", "the command line: --lr: fast cannot be used"),
            ("multi_pose --arch vgg", "--arch vgg: unknown network; choose dla_34, resdcn_N, res_N or hourglass"),
            ("evil.txt", "evil.txt: contains no command line"),
        ):
            assert self.migrated(text) == 2
            assert message in capsys.readouterr().err
        assert not Path("ran").exists() and not Path("out.yaml").exists()


class TestDataSets:
    def test_ultralytics(self, formats, tmp_path):
        for name in ("yolo_pose_multiclass", "yolo_pose_datumaro_3d", "yolo_boxes_roboflow"):
            assert main(["migrate", "ultralytics", str(formats / name / "data.yaml"), "--out", str(tmp_path / f"{name}.yaml")]) == 0
        poses = load_config(str(tmp_path / "yolo_pose_multiclass.yaml"))
        assert len(poses.vocabulary["keypoints"]) == 16 and poses.classes == ["standing", "good sitting", "bad sitting"]
        assert poses.vocabulary["keypoints"].sigmas.tolist() == [0.05] * 16
        assert load_config(str(tmp_path / "yolo_boxes_roboflow.yaml")).classes == ["fish", "primary", "shark"]

    def test_mirrored_joints(self, tmp_path):
        (tmp_path / "data.yaml").write_text("names: {0: cat}\nkpt_shape: [3, 2]\nflip_idx: [0, 2, 1]\n")
        assert main(["migrate", "ultralytics", str(tmp_path / "data.yaml"), "--out", str(tmp_path / "out.yaml")]) == 0
        assert load_config(str(tmp_path / "out.yaml")).vocabulary["keypoints"].flip_index.tolist() == [0, 2, 1]

    def test_broken_yaml(self, formats, tmp_path, capsys):
        assert main(["migrate", "ultralytics", str(formats / "yolo_pose_tiger" / "data.yaml"), "--out", str(tmp_path / "o.yaml")]) == 2
        assert "data.yaml: is not YAML" in capsys.readouterr().err

    def test_mmpose(self, tmp_path):
        info = """
import os
dataset_info = dict(
    dataset_name='bird',
    keypoint_info={
        0: dict(name='beak', id=0, color=[51, 153, 255], type='upper', swap=''),
        1: dict(name='left_wing', id=1, color=[0, 255, 0], type='upper', swap='right_wing'),
        2: dict(name='right_wing', id=2, color=[255, 128, 0], type='upper', swap='left_wing')},
    skeleton_info={0: dict(link=('beak', 'left_wing'), id=0, color=[0, 255, 0])},
    joint_weights=[1., 1.2, 1.2],
    sigmas=[0.026, 0.025, 0.035])
"""
        (tmp_path / "bird.py").write_text(info)
        assert main(["migrate", "mmpose", str(tmp_path / "bird.py"), "--out", str(tmp_path / "out.yaml")]) == 0
        joints = load_config(str(tmp_path / "out.yaml")).vocabulary["keypoints"]
        assert joints.names == ("beak", "left_wing", "right_wing") and joints.flip_index.tolist() == [0, 2, 1]
        assert joints.skeleton == ((0, 1),) and joints.colors[0] == (255, 153, 51)
        np.testing.assert_array_equal(joints.sigmas, [0.026, 0.025, 0.035])

    def test_a_file_that_would_do_something_is_not_run(self, tmp_path, capsys, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("evil.py").write_text("open('ran', 'w')\ndataset_info = dict(keypoint_info=__import__('os').environ)\n")
        assert main(["migrate", "mmpose", "evil.py", "--out", "out.yaml"]) == 2
        assert "evil.py:2: dataset_info may contain literals only" in capsys.readouterr().err and not Path("ran").exists()


def seed_rows(path):
    return {int(number): there for number, there in re.findall(r"^\| (\d+) \| (.*?) \|", path.read_text(encoding="utf-8"), re.M)}


def test_the_page_has_every_row_in_order(seed_options):
    """Each option of the README, by the words that it is called there; and for each a key, a command or a reason."""
    rows = seed_rows(seed_options)
    assert list(rows) == list(range(1, 123)) == list(ROWS)
    for number, there in rows.items():
        for quoted in re.findall(r"`([^`]+)`", there):
            assert quoted.split()[0] in ROWS[number][0], (number, quoted)
        here = ROWS[number][1]
        known = [quoted for quoted in re.findall(r"`([^`]+)`", here) if is_key(quoted) or quoted.startswith("mindpoint ")]
        assert known or len(here.split()) >= 5, (number, here)


def is_key(text):
    return re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", text) is not None and text.partition(".")[0] in {"seed", "classes", *ROOT.parts}


KEYS = sorted({quoted for _, here in ROWS.values() for quoted in re.findall(r"`([^`]+)`", here) if is_key(quoted)})
COMMANDS = sorted(set(re.findall(r"`(mindpoint [^`]+)`", PAGE)))


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_the_page_exist(key):
    try:
        load_config("dla34_coco_modelzoo", ["+hooks.profile={type: Profile, start: 1, stop: 2}", f"{key}=not-a-value"])
    except ConfigError as error:
        assert not re.search(r"there is no|has no argument|unknown key", str(error)), error


@lru_cache(maxsize=None)
def help_of(command):
    """Return the --help text of a command or action."""
    import contextlib
    import io

    text = io.StringIO()
    with contextlib.redirect_stdout(text), pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert end.value.code == 0
    return text.getvalue()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_page_exist(command):
    words = command.split()[1:]
    assert words[0] in [*built_in(), *registry("commands").names()]
    depth = 2 if words[0] in ("data", "migrate", "benchmark", "weights") and len(words) > 1 and not words[1].startswith("-") else 1
    said = help_of(tuple(words[:depth]))
    for option in (word for word in words[depth:] if word.startswith("--")):
        assert option in said or words[0] == "migrate" and option == "--epoch_size", option


def test_files_of_the_page_exist():
    for name in re.findall(r"`(tools/[^`]+)`", PAGE):
        assert (ROOT_FOLDER / name).is_file()


def test_arguments_of_modelarts():
    command = runpy.run_path(str(ROOT_FOLDER / "tools" / "modelarts.py"))["command"]
    job = ["--data_url=d", "--train_url", "t", "--num_gpus=8", "--config=dla34_coco_modelzoo", "--train.epochs=350"]
    words = ["train", "dla34_coco_modelzoo", "--coco", "d", "--out", "t", "--set", "train.epochs=350"]
    assert command(job, {}) == words and command(job, {"RANK_SIZE": "8"}) == ["launch", "8", *words]
    with pytest.raises(SystemExit):
        command([*job, "epochs"], {})
