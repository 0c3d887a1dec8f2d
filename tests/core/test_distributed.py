"""Training in two processes on this machine: the same as one process with the doubled batch, whatever happens on the way."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.data.loader import Loader
from mindpoint.data.sampling import epoch_order
from mindpoint.doctor.distributed import check_distributed
from mindpoint.errors import ConfigError, TrainingError
from mindpoint.launch import job as launcher
from mindpoint.model import checkpoint
from mindpoint.runtime import device, distributed
from mindpoint.training.build import build_samples, build_trainer

HERE = Path(__file__).parent
DIGEST = "+hooks.digest={type: 'toy:Digest'}"


def launch(folder, *arguments, command="train", processes=2):
    """``mindpoint launch`` in a folder: exit code, standard output, standard error."""
    argv = ["launch", str(processes), command, *arguments, "--logs", "logs", "--hang-timeout", "100"]
    argv += ["--trust"] * (command in ("train", "eval"))  # the toys are named by their class
    done = subprocess.run(
        [sys.executable, "-m", "mindpoint", *argv],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"},
    )
    return done.returncode, done.stdout, done.stderr


def train(folder, *overrides, resume=False):
    changes = [part for change in ("data.train.batch_size=4", *overrides) for part in ("--set", change)]
    return launch(folder, str(HERE / "toy.yaml"), "--out", "run", *changes, *(["--resume"] if resume else []))


def log_of(run_dir):
    return [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]


# 11 validation images, so that two processes have different numbers of them; batch normalisation, which sees only a process's own images,
# uses its moving statistics
SAME = ("train.freeze=[statistics]", "data.val.dataset.count=11", "train.epochs=2", "train.lr_batch_size=16")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Folder and output of a training in two processes."""
    folder = tmp_path_factory.mktemp("two")
    code, out, err = train(folder, *SAME, DIGEST)
    assert code == 0, out + err
    return folder, out


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """Run folder and trainer of the same training in one process."""
    folder = tmp_path_factory.mktemp("one")
    config = load_config(str(HERE / "toy.yaml"), [*SAME, "data.train.batch_size=8"])
    device.setup("CPU", config.seed)
    trainer = build_trainer(config, folder)
    trainer.train()
    return folder, trainer


@pytest.mark.slow
class TestTwoProcessesAndOne:
    def test_losses_are_the_same(self, one, two):
        expected, actual = log_of(one[0]), log_of(two[0] / "run")
        assert [record["step"] for record in actual] == [record["step"] for record in expected] and len(actual) == 11
        for ours, theirs in zip(actual, expected):
            if "loss" in theirs:
                assert ours["learning_rate"] == theirs["learning_rate"] == pytest.approx(0.01)
                assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5), ours["step"]
            else:
                assert ours["metrics"] == theirs["metrics"]

    def test_weights_are_the_same_in_both_and_as_in_one(self, one, two):
        run = two[0] / "run"
        assert (run / "digest-0").read_text() == (run / "digest-1").read_text()
        stored = checkpoint.load(run / "last.ckpt").arrays
        for name, value in one[1].network_step.network.parameters_dict().items():
            assert np.allclose(stored[name], value.asnumpy(), rtol=1e-4, atol=1e-6), name

    def test_every_image_is_evaluated_once(self, one, two):
        expected = json.loads((one[0] / "results.json").read_text())
        actual = json.loads((two[0] / "run" / "results.json").read_text())
        assert [record["image_id"] for record in actual] == list(range(11))
        for ours, theirs in zip(actual, expected):
            assert ours["bbox"] == theirs["bbox"] and ours["score"] == pytest.approx(theirs["score"], rel=1e-4)

    def test_the_first_process_speaks_and_writes_for_all(self, one, two):
        folder, out = two
        assert out.count("step 9/10") == 1 and out.count("accuracy") == 1 and "8 images per step" in out
        assert "step 9/10" not in (folder / "logs" / "rank-1.log").read_text()
        assert {path.name for path in (folder / "run").iterdir()} - {path.name for path in one[0].iterdir()} == {
            "config.yaml",
            "environment.json",
            "training.log",
            "digest-0",
            "digest-1",
        }

    def test_evaluation_alone(self, two):
        code, out, err = launch(two[0], "run", "--out", "eval", command="eval")
        assert code == 0, out + err
        assert out.count("Spots: 11 images") == 1
        for name in ("results.json", "statistics.json"):
            assert (two[0] / "eval" / name).read_text() == (two[0] / "run" / name).read_text()


@pytest.mark.slow
def test_a_killed_process_ends_the_training_and_a_resumed_one_is_the_uninterrupted_one(tmp_path):
    """With batch normalisation: its statistics are those of both, in every step. A hook of all processes acts at ``on_checkpoint``, asks
    for checkpoints itself and has a state of its own in each: checkpoints do not wait for it."""
    whole, killed = folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
    hook = "+hooks.everywhere={type: 'toy:Everywhere'}"
    changes = ("train.epochs=2", "+hooks.checkpoint.every_steps=2", "hooks.evaluation.every=1", hook)
    code, out, err = train(whole, *changes, DIGEST)
    assert code == 0, out + err
    assert checkpoint.load(whole / "run" / "own.ckpt").info["step"] == 10
    assert checkpoint.load(whole / "run" / "last.ckpt").info["state"]["hooks"]["everywhere"] == {"rank": 0}
    assert everywhere(whole) == [{"checkpoints": True, "before": None}, {"checkpoints": False, "before": None}]
    code, out, err = train(killed, *changes, "+hooks.digest={type: 'toy:Digest', at: 8}")
    assert code == 128 + 9
    assert err.startswith("mindpoint: error:\nrank 1 was killed by SIGKILL") and "its last activity: hook digest, after_step" in err
    code, out, err = train(killed, *changes, DIGEST, resume=True)
    assert code == 0, out + err
    digests = {(folder / "run" / f"digest-{rank}").read_text() for folder in folders for rank in (0, 1)}
    assert len(digests) == 1
    assert "step 8 of 10" in out or "step 6 of 10" in out
    assert [content["before"] for content in everywhere(killed)] == [0, 0]


def everywhere(folder):
    return [json.loads((folder / "run" / f"everywhere-{rank}").read_text()) for rank in range(2)]


@pytest.mark.slow
def test_a_signal_to_one_process_ends_all_after_the_same_step_and_a_resumed_training_is_the_uninterrupted_one(two, tmp_path):
    code, out, err = train(tmp_path, *SAME, "+hooks.digest={type: 'toy:Digest', at: 6, number: SIGTERM}")
    assert code == 128 + 15, out + err
    run = tmp_path / "run"
    assert (run / "digest-0").read_text() == (run / "digest-1").read_text() != (two[0] / "run" / "digest-0").read_text()
    assert checkpoint.load(run / "last.ckpt").info["step"] in (6, 7)
    code, out, err = train(tmp_path, *SAME, DIGEST, resume=True)
    assert code == 0, out + err
    for rank in range(2):
        assert (run / f"digest-{rank}").read_text() == (two[0] / "run" / f"digest-{rank}").read_text()


@pytest.mark.slow
def test_one_exchange_of_numbers_in_each_step_and_all_heed_a_hook_of_the_first_process(tmp_path):
    """With a loss that counts objects, and hooks of the first process before and after those of all."""
    hooks = ("+hooks.exchanges={type: 'toy:Exchanges'}", "+hooks.stop={type: 'toy:Stop', after: 8}", DIGEST)
    code, out, err = train(tmp_path, "model.losses.spot.type='toy:CountedLoss'", "train.epochs=2", *hooks)
    assert code == 0, out + err
    run = tmp_path / "run"
    assert checkpoint.load(run / "last.ckpt").info["step"] == 8
    assert (run / "digest-0").read_text() == (run / "digest-1").read_text()
    for rank in range(2):
        after = json.loads((run / f"exchanges-{rank}").read_text())
        assert len(after) == 8
        assert set(np.diff(after[:5]).tolist() + np.diff(after[5:]).tolist()) == {1}, after


@pytest.mark.slow
def test_an_error_of_one_process_is_said_once_without_a_traceback(tmp_path):
    changes = ("data.train.dataset={type: 'toy:Spots', count: 40, broken: 17}", "data.train.max_unreadable=0")
    code, out, err = train(tmp_path, *changes)
    assert code == 2
    assert (out + err).count("spot-17.png: image 17 is broken") == 1 and "Traceback" not in out + err
    assert "ended with exit code 2" in err


@pytest.mark.slow
def test_incidents_of_all_processes_stand_in_the_log(tmp_path):
    """Each of the two has one of the images in its part of the only batch."""
    first, second = epoch_order(8, 5, 0, True).reshape(2, 4)
    dataset = f"data.train.dataset={{type: 'toy:Spots', count: 8, broken: {second[0]}, nan: {first[0]}}}"
    code, out, err = train(tmp_path, dataset, "train.epochs=1", "hooks.evaluation=null", "hooks.checkpoint=null", "hooks.log.every=2")
    assert code == 0, out + err
    unreadable, skipped = log_of(tmp_path / "run")
    assert unreadable["incident"] == "unreadable image" and unreadable["message"].startswith(f"spot-{second[0]}.png")
    stand_in = (second[0] + 1) % 8
    assert skipped == {"step": 1, "epoch": 1, "incident": "gradient not finite", "image_ids": [*first, stand_in, *second[1:]]}


@pytest.mark.slow
def test_the_doctor_lets_processes_add_up_arrays():
    checks = check_distributed(2)
    assert [check.problem for check in checks if check.problem] == []
    assert [check.name for check in checks[:2]] == ["2 processes", "sum of 1 float32"]
    assert re.fullmatch(r"joined in [\d.]+ s", checks[0].value)


MEANS = """
import os
import sys
import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor
from mindpoint.launch import process
from mindpoint.runtime import collectives, device, distributed
from test_distributed import arrays

def work():
    device.setup("CPU", 1)
    if os.environ["MS_ROLE"] == "MS_WORKER":
        own = arrays(distributed.rank())
        parameters = [Parameter(Tensor(array), name=f"p{number}") for number, array in enumerate(own)]
        found = collectives.MeanOfGradients(parameters)(tuple(map(Tensor, own)))
        collectives.MeanOfParameters(parameters)()
        np.savez(f"{sys.argv[1]}/{distributed.rank()}.npz", *(value.asnumpy() for value in (*found, *parameters)))
    return 0

process.run(work)
"""


def arrays(rank):
    """Of many shapes and two types, with numbers whose means are exact."""
    random, shapes = np.random.default_rng(rank), ((3,), (), (2, 3, 4), (1, 1), (4000,))
    return [random.integers(-500, 500, shape).astype(np.float16 if shape == (1, 1) else np.float32) for shape in shapes]


@pytest.mark.slow
def test_means_of_arrays_of_many_shapes(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    command = [sys.executable, "-c", MEANS, str(tmp_path)]
    host, port = launcher.address(None, listen=True)
    launcher.run(launcher.Job(command, command, 2, host, port, tmp_path, silence=100, show=False))
    means = [(np.sum(each, 0, np.float32) / 2).astype(each[0].dtype) for each in zip(arrays(0), arrays(1))]
    for rank in range(2):
        found = list(np.load(tmp_path / f"{rank}.npz").values())
        assert len(found) == 2 * len(means)
        for actual, mean in zip(found, means * 2):
            assert actual.dtype == mean.dtype and actual.shape == mean.shape
            np.testing.assert_array_equal(actual, mean)


@pytest.mark.parametrize("ranks", [2, 3])
def test_processes_share_each_batch(toy, ranks):
    samples = build_samples(load_config(str(toy)))

    def ids(loader):
        return [[batch["image_id"].tolist() for batch in epoch] for epoch in loader.epochs(2)]

    whole = ids(Loader(samples, 4 * ranks, 1, True, False))
    parts = [ids(Loader(samples, 4, 1, True, False, ranks, rank)) for rank in range(ranks)]
    assert [[sum(step, []) for step in zip(*epoch)] for epoch in zip(*parts)] == whole
    for epoch in whole:
        seen = sum(epoch, [])
        assert len(seen) == len(set(seen)) == 40 // (4 * ranks) * 4 * ranks


def test_more_processes_than_the_data_allows(toy):
    samples = build_samples(load_config(str(toy)))
    with pytest.raises(ConfigError, match="8 in each of 6 processes exceeds the number of images, 40"):
        Loader(samples, 8, 1, True, False, 6, 0)


def test_another_beginning_is_found(monkeypatch):
    monkeypatch.setattr(distributed, "gather", lambda value: [value, value, "other"])
    with pytest.raises(TrainingError, match="rank 2: differs from rank 0 in the initial weights"):
        distributed.check_same("initial weights", "digest")


@pytest.mark.slow
def test_hooks_of_other_ranks_are_silent(toy, tmp_path):
    config = load_config(str(toy), ["train.max_steps=2", "+hooks.recorder={type: 'toy:Recorder'}", "hooks.evaluation.every=1", DIGEST])
    device.setup("CPU", config.seed)
    trainer = build_trainer(config, tmp_path)
    trainer.is_writer = False
    trainer.train()
    assert trainer.step == 2 and trainer.metrics, "the evaluation was to run"
    assert [path.name for path in tmp_path.iterdir()] == ["digest-0"]
