"""A training that is killed and resumed is the training that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mindpoint.engine import checkpoint

HERE = Path(__file__).parent
EPOCHS = "train.epochs=4"
STEPS = 20


def command(out, *arguments):
    every = ["--set", "hooks.checkpoint.every_steps=2", "--set", "hooks.checkpoint.keep=1", "--set", EPOCHS]
    return [sys.executable, "-m", "mindpoint", "train", str(HERE / "toy.yaml"), "--out", str(out), *every, *arguments]


def train(out, *arguments, wait=True):
    env = {**os.environ, "PYTHONPATH": str(HERE)}
    if not wait:
        return subprocess.Popen(command(out, *arguments), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return subprocess.run(command(out, *arguments), env=env, capture_output=True, text=True)


def records(out):
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if "seconds" not in name} for line in lines]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    done = train(out)
    assert done.returncode == 0, done.stderr
    return out


def assert_same(out, whole):
    for name in ("last.ckpt", "best.ckpt"):
        ours, theirs = checkpoint.load(out / name), checkpoint.load(whole / name)
        assert set(ours.arrays) == set(theirs.arrays)
        for key in theirs.arrays:
            assert np.array_equal(ours.arrays[key], theirs.arrays[key]), (name, key)
        assert ours.info["state"] == theirs.info["state"]
    assert records(out) == records(whole)
