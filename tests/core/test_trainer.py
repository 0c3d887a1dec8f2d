"""The loop, its hooks and its files, with a toy model that learns within seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.config.schema import SplitSettings
from mindpoint.contracts.hook import Hook
from mindpoint.data.build import build_dataset, build_metric
from mindpoint.data.loader import Loader
from mindpoint.data.sampling import epoch_order
from mindpoint.errors import ConfigError, DataError, OutputError, PartError, WeightsError
from mindpoint.inference.evaluation import evaluate
from mindpoint.inference.open import open_model
from mindpoint.model import checkpoint
from mindpoint.runtime import device
from mindpoint.training import trainer as trainer_module
from mindpoint.training.build import build_samples, build_trainer
from mindpoint.training.resume import find_checkpoint
from mindpoint.training.run_folder import numbered_checkpoints
from mindpoint.visual.history import History
from toy import Accuracy

RECORDER = "+hooks.recorder={type: 'toy:Recorder'}"
BROKEN_3 = [(3, "spot-3.png: image 3 is broken; mend it")]
BROKEN = ("data.train.dataset={type: 'toy:Spots', count: 40, broken: 17}", "data.train.max_unreadable=0")


@pytest.fixture(scope="module", autouse=True)
def graph_mode_afterwards():
    yield
    device.setup("CPU", seed=0)


def trainer_of(toy, run_dir, *overrides, mode="eager"):
    """The trainer of a toy model, by default one that needs no compilation."""
    config = load_config(str(toy), overrides)
    device.setup("CPU", config.seed, mode=mode)
    return build_trainer(config, run_dir)


def log_of(run_dir):
    return [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_it_learns_and_writes_what_it_did(toy, tmp_path, capsys):
    trainer_of(toy, tmp_path, mode="graph").train()
    records = log_of(tmp_path)
    steps = [record for record in records if "loss" in record]
    assert [record["step"] for record in steps] == list(range(1, 31))
    assert steps[-1]["loss"] < 0.3 * steps[0]["loss"]
    assert steps[0]["loss"] == pytest.approx(2 * steps[0]["spot_loss"])
    assert steps[0]["learning_rate"] == pytest.approx(0.02)
    assert [record["metrics"] for record in records if "metrics" in record][-1] == {"accuracy": 1.0}
    assert json.loads((tmp_path / "statistics.json").read_text()) == {"data": "Spots: 10 images", "statistics": {"accuracy": 1.0}}
    assert len(json.loads((tmp_path / "results.json").read_text())) == 10
    out = capsys.readouterr().out
    assert "step 30/30" in out and "spot_loss" in out and "lr 0.02" in out and "accuracy 1.000" in out
    assert "\r" not in out and "\x1b" not in out


@pytest.mark.slow
def test_a_checkpoint_is_the_model(toy, tmp_path):
    trainer = trainer_of(toy, tmp_path)
    trainer.train()
    model, stored = open_model(str(tmp_path)), checkpoint.load(tmp_path / "best.ckpt")
    result = evaluate(model.detector, build_dataset(model.config, "val"), build_metric(model.config), lambda items, total: items)
    assert result.statistics == trainer.metrics
    for image_id, detections in trainer.detections.items():
        assert np.array_equal(detections.scores, result.detections[image_id].scores)
    assert stored.info["step"] == 10 and stored.info["metrics"] == {"accuracy": 1.0}  # the first of equally good ones is kept


@pytest.mark.slow
def test_hook_points_and_their_order(toy, tmp_path):
    trainer_of(toy, tmp_path, RECORDER, "train.max_steps=6", "hooks.evaluation.every=1").train()
    points = (tmp_path / "points.txt").read_text().split()
    step = ["before_step", "after_step"]
    assert points[0] == "before_train" and points[-1] == "after_train"
    assert points[1:13] == ["before_epoch", *step * 5, "on_checkpoint"]
    assert points[13:17] == ["before_eval", "on_checkpoint", "after_eval", "after_epoch"], "the evaluation is within after_epoch"
    assert points[17:21] == ["before_epoch", "on_checkpoint", *step]


class Defers(Hook):
    """Writes down what happens to it, and what it defers at two points of which one lies within the other."""

    def __init__(self):
        self.seen = []

    def _defer(self, run, point):
        self.seen.append(point)
        run.defer(lambda: self.seen.append(f"deferred at {point}"))

    def after_epoch(self, run):
        self._defer(run, "after_epoch")

    def after_eval(self, run):
        self._defer(run, "after_eval")


class Last(Hook):
    def __init__(self, seen):
        self.seen = seen

    def after_epoch(self, run):
        self.seen.append("last hook at after_epoch")


@pytest.mark.slow
def test_what_a_hook_defers_waits_for_all_hooks_of_its_own_point(toy, tmp_path):
    trainer = trainer_of(toy, tmp_path, "train.epochs=1", "hooks.checkpoint=null")
    defers, rest = Defers(), dict(trainer.hooks)
    trainer.hooks.clear()
    trainer.hooks.update({"defers": defers, **rest, "last": Last(defers.seen)})
    trainer.train()
    assert defers.seen == ["after_epoch", "after_eval", "deferred at after_eval", "last hook at after_epoch", "deferred at after_epoch"]


class TestMainStatistic:
    @pytest.mark.slow
    def test_the_metric_says_what_to_go_by(self, toy, tmp_path):
        changes = ("hooks.checkpoint={_replace_: true, type: 'mindpoint.hooks.checkpoint:Checkpoint'}", "+hooks.evaluation.until=1.0")
        changes += ("+hooks.stop={type: 'mindpoint.hooks.early_stopping:EarlyStopping'}",)
        changes += ("test.metric={type: 'test_trainer:TwoStatistics'}",)
        trainer = trainer_of(toy, tmp_path, *changes)
        assert trainer.main_statistic == "right"
        trainer.train()
        assert trainer.hooks["checkpoint"].best == trainer.hooks["stop"].statistic == "right"
        assert trainer.stop_reason == "right 1.000 has reached 1" and checkpoint.load(tmp_path / "best.ckpt").info["metrics"]["right"] == 1

    def test_names_are_those_that_it_declares(self, toy, tmp_path):
        changes = ("test.metric={type: 'test_trainer:TwoStatistics'}", "hooks.checkpoint.best=accuracy")
        with pytest.raises(ConfigError, match="hooks.checkpoint.best: unknown statistic 'accuracy'; the metric has wrong, right"):
            trainer_of(toy, tmp_path, *changes).train()

    @pytest.mark.slow
    def test_without_evaluation_there_is_nothing_to_go_by(self, toy, tmp_path):
        changes = ("data.val=null", "hooks.evaluation=null", "train.max_steps=2")
        trainer = trainer_of(toy, tmp_path, *changes, "hooks.checkpoint={_replace_: true, type: 'mindpoint.hooks.checkpoint:Checkpoint'}")
        trainer.train()
        assert trainer.main_statistic is None and trainer.step == 2


class TwoStatistics(Accuracy):
    """Declares its names; ``evaluate`` must not be asked for them."""

    main, statistics = "right", ("wrong", "right")

    def evaluate(self, ground_truth, results, image_ids):
        assert image_ids, "asked to evaluate nothing"
        right = super().evaluate(ground_truth, results, image_ids)["accuracy"]
        return {"wrong": 1 - right, "right": right}

    def table(self, statistics):
        return f"right {statistics['right']:.3f}"


def test_a_learning_rate_of_zero_is_one_message(toy, tmp_path):
    with pytest.raises(ConfigError, match="optimizer.lr: the learning rate is 0; it must be positive"):
        trainer_of(toy, tmp_path, "optimizer.lr=0")


def test_unreadable_images_of_all_processes_count_together(toy, tmp_path, monkeypatch):
    """Each of two processes meets as many new ones in a step as are allowed in all."""
    changes = ("data.train.dataset={type: 'toy:Spots', count: 8, broken: 3}", "data.train.max_unreadable=1", "data.train.batch_size=8")
    trainer = trainer_of(toy, tmp_path, *changes, "hooks.evaluation=null", "hooks.checkpoint=null")
    others = [(6, "spot-6.png: broken")]
    monkeypatch.setattr(trainer_module.distributed, "collect", lambda values: values + others if values == BROKEN_3 else values)
    with pytest.raises(DataError, match="2 images could not be read, but data.train.max_unreadable is 1:\nspot-3.png.*\nspot-6.png"):
        trainer.train()
    assert trainer.step == 0


@pytest.mark.slow
def test_the_last_checkpoint_is_of_the_last_step(toy, tmp_path):
    trainer_of(toy, tmp_path, "hooks.checkpoint.every=5", "+hooks.evaluation.until={accuracy: 1.0}").train()
    last = checkpoint.load(tmp_path / "last.ckpt")
    assert last.info["step"] == 10 and last.info["metrics"] == {"accuracy": 1.0}


@pytest.mark.slow
def test_a_hook_that_fails_at_the_end_hides_neither_the_error_nor_the_other_hooks(toy, tmp_path):
    failing = "+hooks.failing={type: 'toy:Recorder', fail_at: on_exception}"
    with pytest.raises(DataError, match="spot-17"):
        trainer_of(toy, tmp_path, failing, RECORDER, *BROKEN).train()
    assert (tmp_path / "points.txt").read_text().split()[-4:] == ["on_exception", "on_exception", "after_train", "after_train"]


@pytest.mark.slow
def test_after_train_is_called_when_a_hook_fails(toy, tmp_path):
    with pytest.raises(PartError, match=r"hooks.recorder: Recorder \(toy.py:\d+\) failed: RuntimeError: as asked"):
        trainer_of(toy, tmp_path, "+hooks.recorder={type: 'toy:Recorder', fail_at: after_step}").train()
    assert (tmp_path / "points.txt").read_text().split()[-2:] == ["on_exception", "after_train"]


@pytest.mark.slow
def test_a_gradient_that_is_not_finite_updates_nothing(toy, tmp_path):
    trainer = trainer_of(toy, tmp_path, "data.train.dataset={type: 'toy:Spots', count: 8, nan: 3}", "train.epochs=1", mode="graph")
    before = {name: value.asnumpy().copy() for name, value in trainer.network_step.network.parameters_dict().items()}
    trainer.train()
    assert trainer.skipped_steps == 1
    for name, value in trainer.network_step.network.parameters_dict().items():
        assert np.array_equal(before[name], value.asnumpy()), name
    step, incident, _ = log_of(tmp_path)
    assert step["skipped_steps"] == 1 and step["loss"] is None
    assert sorted(incident.pop("image_ids")) == list(range(8))
    assert incident == {"step": 1, "epoch": 1, "incident": "gradient not finite"}
    assert History.read(tmp_path).losses["loss"][0] == [1]


@pytest.mark.slow
def test_incidents_stand_in_the_log_whatever_its_interval_and_images_once(toy, tmp_path, capsys):
    changes = ("data.train.dataset={type: 'toy:Spots', count: 40, broken: 17, nan: 3}", "data.train.max_unreadable=1", "train.epochs=2")
    changes += ("hooks.console.every=5", "hooks.log.every=100", "hooks.evaluation=null", "hooks.checkpoint=null")
    trainer = trainer_of(toy, tmp_path, *changes)
    trainer.train()
    wanted = []
    for epoch in (1, 2):
        order = epoch_order(40, trainer.config.seed, epoch - 1, True).tolist()
        step = {index: 5 * (epoch - 1) + order.index(index) // 8 + 1 for index in (3, 17)}
        image_ids = [index + (index == 17) for index in order[(step[3] - 1) % 5 * 8 :][:8]]
        if epoch == 1:
            message = "spot-17.png: image 17 is broken; mend it"
            wanted.append({"step": step[17], "epoch": 1, "incident": "unreadable image", "message": message})
        wanted.append({"step": step[3], "epoch": epoch, "incident": "gradient not finite", "image_ids": image_ids})
    assert sorted(log_of(tmp_path), key=str) == sorted(wanted, key=str)
    out = capsys.readouterr().out
    steps = [line for line in out.splitlines() if line.startswith("epoch")]
    assert "step 10/10  loss 0.0" in steps[-1] and not any("nan" in line for line in steps), "the other steps count"
    assert "steps skipped so far because of non-finite gradients: 2" in out


@pytest.mark.parametrize("workers, processes", [(2, False), (2, True)])
def test_samples_do_not_depend_on_the_workers(toy, workers, processes):
    samples = build_samples(load_config(str(toy)))

    def batches(workers, processes):
        return [
            [(b["image_id"].tolist(), b["image"].copy()) for b in epoch] for epoch in Loader(samples, 8, workers, True, processes).epochs(2)
        ]

    expected, actual = batches(1, False), batches(workers, processes)
    assert expected[0][0][0] != expected[1][0][0], "each epoch has its own order"
    assert sorted(sum((ids for ids, _ in expected[0]), [])) == list(range(40))
    for one, other in zip(sum(expected, []), sum(actual, [])):
        assert one[0] == other[0] and np.array_equal(one[1], other[1])


def test_more_workers_than_cores_are_no_error(toy):
    samples = build_samples(load_config(str(toy)))
    assert len([batch for epoch in Loader(samples, 8, 1000, True, False).epochs(1) for batch in epoch]) == 5


def test_augmentation_differs_between_epochs_and_repeats_with_the_seed(toy):
    samples = build_samples(load_config(str(toy)))
    again = build_samples(load_config(str(toy)))
    other = build_samples(load_config(str(toy), ["seed=6"]))
    assert np.array_equal(samples.sample(3)["image"], again.sample(3)["image"])
    assert not np.array_equal(samples.sample(3)["image"], samples.sample(43)["image"])
    assert not np.array_equal(samples.sample(3)["image"], other.sample(3)["image"])


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["false", "true"])
def test_an_error_in_a_worker_arrives_as_what_it_was(toy, tmp_path, processes):
    trainer = trainer_of(toy, tmp_path, *BROKEN, f"data.train.processes={processes}")
    with pytest.raises(DataError) as caught:
        trainer.train()
    assert str(caught.value) == "spot-17.png: image 17 is broken; mend it"


def test_contradictions_between_parts_are_named(toy, tmp_path):
    with pytest.raises(ConfigError, match="SpotTargets encodes 'spot' at stride 8, but model.heads.spot gives it at stride 4"):
        trainer_of(toy, tmp_path, "data.train.targets={type: 'toy:SpotTargets', stride: 8}")
    with pytest.raises(ConfigError, match="SpotLoss needs the maps spot, which no head returns; the heads return blob"):
        trainer_of(toy, tmp_path, "model.heads.spot={type: 'toy:SpotHead', name: blob}")
    with pytest.raises(ConfigError, match="more than one head returns a map named spot"):
        trainer_of(toy, tmp_path, "+model.heads.second={type: 'toy:SpotHead'}")
    with pytest.raises(ConfigError, match="model.losses: 'keys' cannot be used as a name"):
        trainer_of(toy, tmp_path, "model.losses.spot=null", "+model.losses.keys={type: 'toy:SpotLoss'}")
    with pytest.raises(ConfigError, match="model.losses is empty"):
        trainer_of(toy, tmp_path, "model.losses.spot=null")
    with pytest.raises(ConfigError, match="'model.decoder' is missing"):
        trainer_of(toy, tmp_path, "model.decoder=null")
    with pytest.raises(ConfigError, match=r"input.size: \[16, 18\]: height and width must be multiples of the backbone's divisor, 4"):
        trainer_of(toy, tmp_path, "input.size=[16, 18]")
    with pytest.raises(ConfigError, match=r"data.train.size: \[8, 10\]: height and width must be multiples of the backbone's divisor, 4"):
        trainer_of(toy, tmp_path, "+data.train.size=[8, 10]")
    with pytest.raises(ConfigError, match="50 exceeds the number of images, 40"):
        trainer_of(toy, tmp_path, "data.train.batch_size=50")
    with pytest.raises(ConfigError, match="unknown statistic 'keypoints/AP'; the metric has accuracy"):
        trainer_of(toy, tmp_path, "hooks.checkpoint.best=keypoints/AP").train()


@pytest.mark.slow
def test_training_ends_when_the_goal_is_reached(toy, tmp_path, capsys):
    trainer = trainer_of(toy, tmp_path, "+hooks.evaluation.until={accuracy: 1.0}")
    trainer.train()
    assert trainer.epoch == 2 and "stopped: accuracy 1.000 has reached 1" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="until: unknown statistic 'AP'; the metric has accuracy"):
        trainer_of(toy, tmp_path, "hooks.evaluation.until={AP: 1.0}").train()


@pytest.mark.slow
def test_keep_removes_old_checkpoints_only(toy, tmp_path):
    trainer_of(toy, tmp_path, "hooks.checkpoint.keep=2").train()
    assert sorted(path.name for path in tmp_path.glob("*.ckpt")) == [
        "best.ckpt",
        "epoch-0005.ckpt",
        "epoch-0006.ckpt",
        "last.ckpt",
        "previous.ckpt",
    ]


@pytest.mark.slow
def test_initial_weights(toy, tmp_path):
    (tmp_path / "a").mkdir()
    first = trainer_of(toy, tmp_path / "a", "train.epochs=1")
    first.train()
    second = trainer_of(toy, tmp_path / "b", f"train.weights={tmp_path / 'a' / 'last.ckpt'}")
    for name, value in first.network_step.network.parameters_dict().items():
        assert np.array_equal(value.asnumpy(), second.network_step.network.parameters_dict()[name].asnumpy())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = load_config(str(Path(__file__).parent / "toy.yaml"), ["train.epochs=1"])
    device.setup("CPU", config.seed)
    build_trainer(config, folder).train()
    return folder


def test_old_epoch_checkpoints_go_by_number(tmp_path):
    for number in (9999, 10000, 5):
        (tmp_path / f"epoch-{number:04d}.ckpt").touch()
    for name in ("epoch-best", "epoch-", "epoch-²", "epoch-5b"):
        (tmp_path / f"{name}.ckpt").touch()
    assert [path.stem for path in numbered_checkpoints(tmp_path, "epoch")] == ["epoch-0005", "epoch-9999", "epoch-10000"]


class TestDamage:
    @pytest.mark.slow
    def test_truncated_changed_foreign_and_absent_files(self, run, tmp_path):
        whole = (run / "last.ckpt").read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        for name, content in dict(cut=whole[: len(whole) // 2], flipped=bytes(flipped), text=b"hello", empty=b"").items():
            path = tmp_path / f"{name}.ckpt"
            path.write_bytes(content)
            with pytest.raises(WeightsError, match=f"{name}.ckpt: damaged, "):
                checkpoint.load(path)
        with pytest.raises(WeightsError, match="no such checkpoint"):
            checkpoint.load(tmp_path / "none.ckpt")

    def test_another_model(self, run, toy):
        with pytest.raises(WeightsError) as caught:
            open_model(str(run / "last.ckpt"), None, ["model.backbone.channels=6"])
        text = str(caught.value)
        assert text.startswith(f"{run / 'last.ckpt'} belongs to another model: 1 matched, 0 missing, 0 unexpected, 6 of another shape")
        assert "backbone.conv.weight: (6, 3, 4, 4) here, (4, 3, 4, 4) in the file" in text

    @pytest.mark.slow
    def test_a_full_disk_leaves_the_previous_checkpoint(self, run):
        before = (run / "last.ckpt").read_bytes()
        code = f"""
import resource, signal, sys
import mindpoint
from mindpoint.config import Config
from mindpoint.model import checkpoint
from mindpoint.model.network import build_network
from mindpoint.errors import OutputError
network = build_network(Config.from_text(checkpoint.load({str(run / "last.ckpt")!r}).info["config"], "last.ckpt", [], trusted=True))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (700, resource.RLIM_INFINITY))
try:
    checkpoint.save({str(run / "last.ckpt")!r}, network, {{}})
except OutputError as error:
    print("refused:", error)
"""
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
        assert "last.ckpt: cannot be written" in done.stdout, done.stdout + done.stderr
        assert (run / "last.ckpt").read_bytes() == before
        assert not list(run.glob(".*"))


@pytest.mark.slow
def test_a_log_that_cannot_be_written(toy, tmp_path):
    trainer = trainer_of(toy, tmp_path)
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises(OutputError, match="log.jsonl: cannot be written"):
        trainer.train()


@pytest.mark.slow
def test_checkpoints_by_steps(toy, tmp_path):
    trainer_of(toy, tmp_path, "train.epochs=2", "hooks.checkpoint={every_steps: 2, keep: 3}").train()
    assert [path.name for path in numbered_checkpoints(tmp_path, "step")] == [f"step-{step:07d}.ckpt" for step in (6, 8, 10)]
    assert [path.name for path in numbered_checkpoints(tmp_path, "epoch")] == ["epoch-0001.ckpt", "epoch-0002.ckpt"]
    assert [checkpoint.load(tmp_path / f"step-{step:07d}.ckpt").info["step"] for step in (6, 8, 10)] == [6, 8, 10]


@pytest.mark.slow
def test_a_run_resumes_from_the_newest_kept_checkpoint(toy, tmp_path):
    trainer_of(toy, tmp_path, "train.epochs=2", "train.max_steps=7", "hooks.checkpoint={every_steps: 2, keep: 2}").train()
    for name in ("last", "previous", "best", "epoch-0002"):
        (tmp_path / f"{name}.ckpt").unlink()
    assert find_checkpoint(tmp_path)[0].name == "step-0000006.ckpt"


@pytest.mark.slow
def test_the_loss_scale_is_logged(toy, tmp_path, capsys):
    trainer_of(
        toy, tmp_path, "train.epochs=1", "train.loss_scale=dynamic", "+hooks.tables={type: 'mindpoint.hooks.csv_table:Csv'}", mode="graph"
    ).train()
    assert [record["loss_scale"] for record in log_of(tmp_path) if "loss" in record] == [65536.0] * 5
    assert (tmp_path / "steps.csv").read_text().splitlines()[1].endswith(",65536.0")
    assert "  loss scale 65536  " in capsys.readouterr().out
    assert list(History.read(tmp_path).losses) == ["loss", "spot_loss"]


@pytest.mark.slow
def test_the_run_folder_has_what_was_printed(toy, tmp_path, capsys):
    assert main(["train", str(toy), "--out", str(tmp_path / "run"), "--set", "train.max_steps=7"]) == 0
    assert (tmp_path / "run" / "training.log").read_text() == capsys.readouterr().out
    assert main(["train", str(tmp_path / "run"), "--resume", "--set", "train.max_steps=9"]) == 0
    said = (tmp_path / "run" / "training.log").read_text()
    assert said.endswith(capsys.readouterr().out) and "resumed from" in said and said.count("accuracy 1.000") == 2


@pytest.mark.slow
def test_eager_mode_trains_the_same(toy, tmp_path):
    losses = []
    for mode in ("graph", "eager"):
        command = [sys.executable, "-m", "mindpoint", "train", str(toy), "--out", str(tmp_path / mode)]
        settings = ["--set", f"runtime.mode={mode}", "--set", "train.max_steps=6"]
        subprocess.run([*command, *settings], check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(toy.parent)})
        losses.append([record["loss"] for record in log_of(tmp_path / mode) if "loss" in record])
    assert np.allclose(*losses, rtol=1e-4)


@pytest.mark.parametrize("processes, of_each", [(1, 12), (2, 6), (3, 4)])
def test_a_total_batch_is_shared(processes, of_each):
    settings = SplitSettings(batch_size=5, total_batch_size=12)
    assert settings.batch_of_each(processes) == of_each and SplitSettings(batch_size=5).batch_of_each(processes) == 5


def test_a_total_batch_that_cannot_be_shared():
    with pytest.raises(ConfigError, match="data.train.total_batch_size: 12 is not a multiple of 5 processes"):
        SplitSettings(total_batch_size=12).batch_of_each(5)


def test_data_that_cannot_be_sunk(toy, tmp_path):
    with pytest.raises(ConfigError, match="train.sink: needs an Ascend, but the device is a CPU; set it to null"):
        trainer_of(toy, tmp_path, "train.sink=5")


def on_the_host(function, dataset, sink_size):
    """A replacement of ``mindspore.data_sink`` that runs on the host."""
    rows = dataset.create_tuple_iterator(num_epochs=1)

    def run_many():
        for _ in range(sink_size):
            result = function(*next(rows))
        return result

    return run_many


@pytest.mark.slow
def test_sunk_data_train_the_same(toy, tmp_path, monkeypatch):
    """The same batches, learning rates and updates in the same order, five steps at a time; the device's part is done by the host here."""
    changes = ["train.epochs=2", "schedule={_replace_: true, type: 'mindpoint.optim.schedules:Cosine'}"]
    plain = trainer_of(toy, tmp_path / "plain", *changes, mode="graph")
    monkeypatch.setattr("mindpoint.training.sink.device", SimpleNamespace(name=lambda: "Ascend"))
    monkeypatch.setattr("mindspore.data_sink", on_the_host)
    with pytest.raises(ConfigError, match="train.sink: 3 must divide the 5 steps of an epoch and the 10 of the training"):
        trainer_of(toy, tmp_path, *changes, "train.sink=3")
    sunk = trainer_of(toy, tmp_path / "sunk", *changes, "train.sink=5", mode="graph")
    for trainer in (plain, sunk):
        trainer.run_dir.mkdir()
        trainer.train()
    assert sunk.step == 10 and [record["step"] for record in log_of(sunk.run_dir) if "loss" in record] == [5, 10]
    assert sunk.losses == pytest.approx(plain.losses, rel=1e-6) and sunk.learning_rate == plain.learning_rate
    theirs = plain.network_step.network.parameters_dict()
    for name, value in sunk.network_step.network.parameters_dict().items():
        np.testing.assert_allclose(value.asnumpy(), theirs[name].asnumpy(), rtol=1e-6, err_msg=name)


@pytest.mark.slow
def test_an_unreadable_image_of_sunk_data_is_told_once(toy, tmp_path, monkeypatch, caplog):
    """It is left out in both epochs, and in the last steps of the training."""
    monkeypatch.setattr("mindpoint.training.sink.device", SimpleNamespace(name=lambda: "Ascend"))
    monkeypatch.setattr("mindspore.data_sink", on_the_host)
    changes = ["train.epochs=2", "data.train.dataset.broken=17", "data.train.max_unreadable=1", "train.sink=5"]
    trainer = trainer_of(toy, tmp_path / "sunk", *changes)
    trainer.run_dir.mkdir()
    trainer.train()
    assert caplog.text.count("unreadable image replaced") == 1 and list(trainer.loader.unreadable) == [17]
    assert [record["incident"] for record in log_of(trainer.run_dir) if "incident" in record] == ["unreadable image"]
