"""A training that ends early and is resumed is the training that was not."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.contracts.hook import Hook
from mindpoint.errors import DataError, Interrupted, OutputError, TrainingError, WeightsError
from mindpoint.model import checkpoint
from mindpoint.runtime import device
from mindpoint.training import resume
from mindpoint.training.build import build_samples, build_trainer
from mindpoint.training.run_folder import latest_folder, new_folder, old_folder

HERE = Path(__file__).parent
STRESS = HERE.parents[1] / "benchmarks" / "resume_stress.py"
SETTINGS = (
    "train.epochs=4",
    "+hooks.checkpoint.every_steps=2",
    "+train.ema=0.9",
    "+train.accumulate=2",
    "+train.clip_norm=1.0",
    "+train.loss_scale=dynamic",
    "+data.train.max_unreadable=2",
    "data.train.dataset={type: 'toy:Spots', count: 40, broken: 17}",
    "schedule={type: 'mindpoint.optim.schedules:Cosine', warmup_steps: 4}",
)


class Signal(Hook):
    """A signal comes after a step."""

    def __init__(self, step, number=signal.SIGINT):
        self.step, self.number = step, number

    def after_step(self, trainer):
        if trainer.step == self.step:
            trainer.signals.received = self.number


class Counter(Hook):
    """State that only a checkpoint can bring over, of a hook that stands behind the one that writes it."""

    def __init__(self):
        self.steps = self.epochs = 0

    def after_step(self, trainer):
        self.steps += 1

    def after_epoch(self, trainer):
        self.epochs += 1

    def state_dict(self):
        return {"steps": self.steps, "epochs": self.epochs}

    def load_state_dict(self, state):
        self.steps, self.epochs = state["steps"], state["epochs"]


def build(run_dir, *overrides, settings=SETTINGS, again=False):
    config = load_config(str(HERE / "toy.yaml"), [*settings, *overrides])
    device.setup("CPU", config.seed)
    run_dir.mkdir(exist_ok=True)
    trainer = build_trainer(config, run_dir, again)
    trainer.hooks["counter"] = Counter()
    return trainer


def resumed(run_dir, *overrides, **more):
    path, stored = resume.find_checkpoint(run_dir)
    trainer = build(run_dir, *overrides, again=True, **more)
    resume.restore(trainer, stored, path)
    return trainer


def records(run_dir):
    lines = [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if "seconds" not in name} for line in lines]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a training that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    build(folder).train()
    return folder


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The folder of one that a signal has ended within the second epoch."""
    folder = tmp_path_factory.mktemp("left")
    trainer = build(folder)
    trainer.hooks["signal"] = Signal(7)
    with pytest.raises(Interrupted, match="SIGINT ended the training at step 7") as caught:
        trainer.train()
    assert caught.value.exit_code == 130
    return folder


@pytest.fixture
def run(left, tmp_path):
    return Path(shutil.copytree(left, tmp_path / "run"))


def assert_same(run_dir, whole):
    for name in ("last.ckpt", "best.ckpt"):
        ours, theirs = checkpoint.load(run_dir / name), checkpoint.load(whole / name)
        assert set(ours.arrays) == set(theirs.arrays)
        for key in theirs.arrays:
            assert np.array_equal(ours.arrays[key], theirs.arrays[key]), (name, key)
        assert ours.info["state"] == theirs.info["state"]
    assert records(run_dir) == records(whole)


@pytest.mark.slow
def test_stopped_within_an_epoch(run, whole):
    with open(run / "log.jsonl", "a") as file:
        file.write('{"step": 8, "epoch": 2, "loss": 1.0}\n{"step": 9, "ep')  # as a killed process leaves it
    trainer = resumed(run)
    assert (trainer.step, trainer.epoch) == (7, 1)
    trainer.train()
    assert_same(run, whole)
    assert checkpoint.load(run / "last.ckpt").info["state"]["hooks"]["counter"] == {"steps": 20, "epochs": 4}


@pytest.mark.slow
def test_stopped_in_an_evaluation(tmp_path, whole):
    trainer = build(tmp_path / "run")
    read, images = type(trainer.val_data).__getitem__, []

    class Watched(type(trainer.val_data)):
        def __getitem__(self, index):
            images.append(index)
            if len(images) == 5:
                trainer.signals.received = signal.SIGTERM
            return read(self, index)

    trainer.val_data.__class__ = Watched
    with pytest.raises(Interrupted) as caught:
        trainer.train()
    assert caught.value.exit_code == 143 and trainer.step == 10 and not trainer.metrics
    again = resumed(tmp_path / "run")
    assert (again.step, again.epoch) == (10, 1), "the epoch is not closed: its evaluation is still to come"
    again.train()
    assert_same(tmp_path / "run", whole)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(run, whole, caplog):
    (run / "last.ckpt").write_bytes((run / "last.ckpt").read_bytes()[:1000])
    with caplog.at_level("WARNING"):
        trainer = resumed(run)
    assert "last.ckpt: damaged" in caplog.text and "renamed to last.ckpt.damaged" in caplog.text and trainer.step == 6
    trainer.train()
    assert_same(run, whole)


def test_without_any_checkpoint(tmp_path):
    with pytest.raises(WeightsError, match="has no checkpoint to resume from; remove this folder and"):
        resume.find_checkpoint(tmp_path)
    with pytest.raises(OutputError, match="no such run folder"), old_folder(tmp_path / "absent"):
        pass


def test_what_has_changed_is_said_value_by_value(run, caplog):
    with caplog.at_level("WARNING"):
        trainer = resumed(run, "train.epochs=6", "optimizer.lr=0.01", "+train.max_skipped=3", "+train.weights=gone.ckpt")
    for line in (
        "train.weights: absent -> gone.ckpt",
        "train.epochs: 4 -> 6",
        "optimizer.lr: 0.02 -> 0.01",
        "train.max_skipped: absent -> 3",
    ):
        assert line in caplog.text
    assert trainer.total_steps == 30 and trainer.base_lr == pytest.approx(0.01)


def test_another_machine_is_said(run, caplog, monkeypatch):
    before = os.environ.get("OMP_NUM_THREADS")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with caplog.at_level("WARNING"):
        resumed(run)
    assert f"the machine has changed, so results may differ in the last digits: OMP_NUM_THREADS {before} -> 7" in caplog.text


def test_another_batch_size_begins_the_epoch_again(run, caplog):
    with caplog.at_level("WARNING"):
        trainer = resumed(run, "data.train.batch_size=4")
    assert "continues at the start of epoch 2" in caplog.text and (trainer.epoch, trainer.step) == (1, 10)


def test_another_optimizer_and_averages_begin_anew(run, caplog):
    settings = [text for text in SETTINGS if "average" not in text]
    with caplog.at_level("WARNING"):
        trainer = resumed(run, "optimizer={type: 'mindpoint.optim.optimizers:SGD', lr: 0.01}", "+train.ema=0.5", settings=settings)
    assert "which keep their initial values" in caplog.text and "moments." in caplog.text
    stored = checkpoint.load(run / "last.ckpt").arrays
    for average in trainer.network_step.averages:
        assert np.array_equal(average.asnumpy(), stored[average.name])


def test_another_model_is_refused(run):
    with pytest.raises(WeightsError, match="belongs to another model"):
        resumed(run, "model.backbone.channels=6")


@pytest.mark.slow
def test_a_finished_training_says_so_and_a_longer_one_goes_on(whole, tmp_path):
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    assert resumed(run).finished
    longer = resumed(run, "train.epochs=5", "schedule={type: 'mindpoint.optim.schedules:Constant'}")
    assert not longer.finished
    longer.train()
    assert [record["step"] for record in records(run) if "loss" in record] == list(range(1, 26))


@pytest.mark.slow
def test_averages_are_what_a_checkpoint_detects_with(whole):
    stored = checkpoint.load(whole / "last.ckpt")
    own, used = stored.arrays["backbone.conv.weight"], stored.network_arrays["backbone.conv.weight"]
    assert np.array_equal(used, stored.arrays["average.backbone.conv.weight"]) and not np.array_equal(used, own)


@pytest.mark.slow
def test_an_unreadable_image_is_left_out_for_the_next_one(whole):
    assert checkpoint.load(whole / "last.ckpt").info["state"]["unreadable"] == {"17": "spot-17.png: image 17 is broken; mend it"}
    trainer = build(whole.parent / "unreadable")
    sample, stand_in = (trainer.loader.samples.sample(index) for index in (17, 18))
    assert sample["image_id"] == stand_in["image_id"] == 18
    trainer.loader.samples.max_unreadable = 0
    with pytest.raises(DataError, match="spot-17.png: image 17 is broken"):
        trainer.train()


def test_images_that_are_all_gone_are_counted_and_named(toy):
    class Gone(list):
        def __getitem__(self, index):
            raise DataError(f"{index} is gone")

    samples = build_samples(load_config(str(toy), ["+data.train.max_unreadable=2"]))
    samples.dataset = Gone(range(40))
    with pytest.raises(
        DataError, match="3 images could not be read, but data.train.max_unreadable is 2:\n39 is gone\n0 is gone\n1 is gone"
    ):
        samples.prepare(39)


@pytest.mark.slow
def test_a_full_disk_ends_the_training_and_leaves_what_was_there(run, whole, monkeypatch):
    before = {name: (run / name).read_bytes() for name in ("last.ckpt", "previous.ckpt")}
    trainer, write = resumed(run), os.fsync

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="last.ckpt: cannot be written: No space left on device"):
        trainer.train()
    assert {name: (run / name).read_bytes() for name in before} == before and not list(run.glob(".*"))
    monkeypatch.setattr(os, "fsync", write)
    resumed(run).train()
    assert_same(run, whole)


@pytest.mark.slow
def test_too_many_gradients_that_are_not_finite_end_the_training(tmp_path):
    trainer = build(tmp_path / "run", "data.train.dataset={type: 'toy:Spots', count: 8, nan: 3}", "+train.max_skipped=2")
    with pytest.raises(TrainingError) as caught:
        trainer.train()
    text = str(caught.value)
    assert trainer.step == 3 and text.startswith("3 steps in a row had non-finite gradients, but train.max_skipped is 2")
    assert "spot_loss nan" in text and "learning rate" in text and "image ids" in text and "3" in text.rpartition("image ids")[2]


@pytest.mark.slow
def test_the_newest_checkpoint_within_an_epoch_is_never_older_than_asked_for(whole, tmp_path):
    class Kept(Hook):
        steps = []

        def on_checkpoint(self, trainer):
            self.steps.append(trainer.step)

    for minutes, steps in ((1e-9, [1, 2, 3, 4, 5]), (60, [5])):
        trainer = build(tmp_path / str(minutes), "hooks.checkpoint.every_steps=0", f"+train.checkpoint_minutes={minutes}", "train.epochs=1")
        kept = trainer.hooks["kept"] = Kept()
        kept.steps = []
        trainer.train()
        assert list(dict.fromkeys(kept.steps)) == steps


@pytest.mark.slow
def test_what_was_learnt_before_a_reader_was_killed_is_kept(whole, tmp_path):
    class Kill(Hook):
        def after_step(self, trainer):
            if trainer.step == 5:
                for child in psutil.Process().children():
                    child.kill()

    settings = [setting for setting in SETTINGS if "every_steps" not in setting]
    trainer = build(tmp_path / "run", "+data.train.processes=true", settings=settings)
    trainer.hooks["kill"] = Kill()
    with pytest.raises(DataError, match="a data worker process was killed"):
        trainer.train()
    assert trainer.step >= 5 and checkpoint.load(tmp_path / "run" / "last.ckpt").info["step"] == trainer.step
    resumed(tmp_path / "run", settings=settings).train()
    assert_same(tmp_path / "run", whole)


@pytest.mark.slow
def test_a_signal_to_all_processes_is_told_as_such_when_readers_die_first(whole, tmp_path):
    class Stop(Hook):
        def before_epoch(self, trainer):
            if trainer.epoch == 1:  # the next thing is to fetch a batch
                for process in (*psutil.Process().children(), psutil.Process()):
                    process.send_signal(signal.SIGTERM)

    settings = [setting for setting in SETTINGS if "every_steps" not in setting]
    trainer = build(tmp_path / "run", "+data.train.processes=true", "+hooks.checkpoint.every=9", settings=settings)
    trainer.hooks["stop"] = Stop()
    with trainer.signals.handled(), pytest.raises(Interrupted, match="SIGTERM ended the training at step") as caught:
        trainer.train()
    assert caught.value.exit_code == 143
    assert checkpoint.load(tmp_path / "run" / "last.ckpt").info["step"] == trainer.step >= 5
    resumed(tmp_path / "run", settings=settings).train()
    assert_same(tmp_path / "run", whole)


def test_a_folder_is_one_run_at_a_time(tmp_path):
    code = f"""
import time
from pathlib import Path
from mindpoint.storage.lock import locked
with locked(Path({str(tmp_path)!r})):
    print("in", flush=True)
    time.sleep(60)
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "in\n"
    for folder in (lambda: old_folder(tmp_path), lambda: new_folder(str(tmp_path), "")):
        with pytest.raises(OutputError, match=f"another run uses this folder .process {other.pid} on "), folder():
            pass
    other.kill()
    other.wait()
    (tmp_path / ".last.ckpt.abc.tmp").mkdir()
    with old_folder(tmp_path):
        assert not list(tmp_path.glob(".*.tmp"))


def test_a_full_disk_is_said_before_the_training_and_leaves_no_lock(tmp_path, monkeypatch):
    def full(descriptor, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OutputError, match=r"\.lock: cannot be written: No space left on device"), old_folder(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_the_latest_folder_of_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(str(HERE / "toy.yaml"))
    runs = {
        "toy": "toy",
        "toy-3": None,
        "toy-2": "toy",
        "toy-4": "toy-4",
        "toy-other": "toy",
        "toy[1]": "toy[1]",
    }  # folder, name in its checkpoint
    for age, (folder, name) in enumerate(runs.items()):
        Path("runs", folder).mkdir(parents=True)
        if name is not None:
            checkpoint.save(Path("runs", folder, "last.ckpt"), {"x": np.zeros(1, np.float32)}, {"name": name})
            os.utime(Path("runs", folder, "last.ckpt"), (1000 + age, 1000 + age))
    assert latest_folder("toy", config) == Path("runs/toy-2") and latest_folder("toy-4", config) == Path("runs/toy-4")
    assert latest_folder("toy[1]", config) == Path("runs/toy[1]")
    for name in ("nothing", "toy-3"):
        with pytest.raises(WeightsError, match=f"runs/{name}: no run with a checkpoint"):
            latest_folder(name, config)


def test_the_latest_folder_of_checkpoints_without_a_name(tmp_path, monkeypatch):
    """As earlier versions wrote them: a numbered folder counts if its configuration is the same."""
    monkeypatch.chdir(tmp_path)
    config = load_config(str(HERE / "toy.yaml"))
    for age, (folder, change) in enumerate({"toy": "seed=7", "toy-2": "seed=5", "toy-3": "seed=8"}.items()):
        Path("runs", folder).mkdir(parents=True)
        Path("runs", folder, "config.yaml").write_text(load_config(str(HERE / "toy.yaml"), [change]).to_yaml())
        checkpoint.save(Path("runs", folder, "last.ckpt"), {"x": np.zeros(1, np.float32)}, {})
        os.utime(Path("runs", folder, "last.ckpt"), (1000 + age, 1000 + age))
    assert latest_folder("toy", config) == Path("runs/toy-2")
    shutil.rmtree("runs/toy-2")
    assert latest_folder("toy", config) == Path("runs/toy")


@pytest.mark.slow
def test_a_run_of_another_configuration_with_a_number_is_not_resumed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    short = ["--set", "train.epochs=1", "--set", "hooks.evaluation=null"]
    for name in ("exp", "exp-2"):
        shutil.copy(HERE / "toy.yaml", f"{name}.yaml")
        assert main(["train", f"{name}.yaml", *short]) == 0
    capsys.readouterr()
    assert main(["train", "exp.yaml", "--resume", "--set", "train.epochs=2", *short[2:]]) == 0
    assert "resumed from runs/exp/last.ckpt" in capsys.readouterr().out
    os.utime("runs/exp/last.ckpt", (1000, 1000))
    assert main(["train", "runs/exp-2", "--resume", "--set", "train.epochs=2"]) == 0
    assert checkpoint.load(Path("runs/exp-2/last.ckpt")).info["name"] == "exp-2"
    assert "resumed from runs/exp-2/last.ckpt" in capsys.readouterr().out


def _blocks_signals(task):
    (mask,) = [line.split()[1] for line in (task / "status").read_text().splitlines() if line.startswith("SigBlk")]
    return all(int(mask, 16) >> (number - 1) & 1 for number in (signal.SIGINT, signal.SIGTERM))


@pytest.mark.slow
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_command_with_advice_that_works(tmp_path, number, code):
    arguments = [str(HERE / "toy.yaml"), "--out", str(tmp_path / "run"), "--set", "data.train.processes=true"]
    long = ["--set", "train.epochs=100000", "--set", "+hooks.checkpoint.every=100000", "--set", "hooks.evaluation=null"]
    options = {"env": {**os.environ, "PYTHONPATH": str(HERE)}, "stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-m", "mindpoint", "train", *arguments, *long], **options)
    while process.poll() is None and not (tmp_path / "run" / "log.jsonl").exists():
        time.sleep(0.05)
    open_threads = [task for task in Path(f"/proc/{process.pid}/task").iterdir() if not _blocks_signals(task)]
    assert len(open_threads) == 1, "any other thread than the one that waits could take a signal"
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert f"mindpoint: {signal.Signals(number).name} ended the training at step" in said and "Traceback" not in said
    resume_with = said.partition("continue with: mindpoint ")[2].split()
    assert resume_with == ["train", str(tmp_path / "run"), "--resume", "--trust"], "the toys are named by their class"
    if number == signal.SIGINT:  # the advice is the same for the other
        done = subprocess.run([sys.executable, "-m", "mindpoint", *resume_with, "--set", "train.epochs=6"], **options)
        assert done.returncode == 0 and "train.epochs: 100000 -> 6" in done.stdout, done.stderr
        assert "hooks.evaluation" not in done.stdout, "what --set said must hold when the training goes on"


@pytest.mark.slow
def test_killed_at_random_moments():
    done = subprocess.run([sys.executable, str(STRESS), "--kills", "2"], capture_output=True, text=True)
    assert done.returncode == 0 and "2 kills, 0 differences" in done.stdout, done.stdout + done.stderr


def test_a_program_that_trains_keeps_its_signals(tmp_path):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert main(["train", str(tmp_path / "none.yaml")]) == 2
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before and signal.SIGINT not in before
    assert "signals" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.slow
def test_stopped_in_an_epoch_of_several_sets(tmp_path):
    sets = "[{type: 'toy:Spots', count: 20}, {type: 'toy:Spots', count: 9, broken: 4}]"
    several = f"data.train.dataset={{type: 'mindpoint.data.concat:ConcatDataset', datasets: {sets}, repeats: [1, 2]}}"
    build(tmp_path / "whole", several).train()
    trainer = build(tmp_path / "run", several)
    trainer.hooks["signal"] = Signal(7)
    with pytest.raises(Interrupted):
        trainer.train()
    again = resumed(tmp_path / "run", several)
    assert again.steps_per_epoch == (20 + 2 * 9) // 8 and (again.step, again.epoch) == (7, 1)
    again.train()
    assert_same(tmp_path / "run", tmp_path / "whole")
