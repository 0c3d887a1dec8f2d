"""Choosing device, mode and optimisation level; the short form --device."""

import contextlib
import subprocess
import sys

import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.errors import ConfigError
from mindpoint.runtime import device
from mindspore import Tensor, nn, ops

SHOWS = """
import mindspore as ms
from mindpoint.runtime import device
device.setup("CPU", seed=0, mode="{mode}", jit_level={level!r})
print(ms.get_context("mode") == ms.PYNATIVE_MODE, ms.get_context("jit_config"))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "mode, level, shown", [("eager", None, "True {}"), ("graph", "O1", "False {'jit_level': 'O1'}"), ("graph", None, "False {}")]
)
def test_mode_and_level_reach_mindspore(mode, level, shown):
    done = subprocess.run([sys.executable, "-c", SHOWS.format(mode=mode, level=level)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == shown


class First(nn.Cell):
    """Return ``x[0] + x[0]``."""

    def __init__(self, fails):
        super().__init__()
        self.fails = fails

    def construct(self, x):
        if self.fails:
            raise KeyError("heat")
        return x[0] + x[0]


def test_a_part_that_fails_in_eager_mode_leaves_later_gradients_alone():
    x = Tensor(np.array([3, 4], np.float32))
    for fails in (False, True, False):
        with pytest.raises(KeyError, match="heat") if fails else contextlib.nullcontext(), device.operator_by_operator():
            value, gradient = ops.value_and_grad(First(fails))(x)
            assert value == 6 and gradient.asnumpy().tolist() == [2, 0]


def test_a_number_is_for_an_ascend(monkeypatch):
    with pytest.raises(ConfigError, match="runtime.device_id: 3 is for an Ascend, but the device is a CPU; remove the key"):
        device.setup("auto", seed=0, device_id=3)
    monkeypatch.setenv("MS_ROLE", "MS_WORKER")
    with pytest.raises(ConfigError, match="each process of a job has its own device"):
        device.setup("Ascend", seed=0, device_id=3)


def test_the_short_form(toy, tmp_path, capsys):
    command = ["train", str(toy), "--out", str(tmp_path / "run"), "--device"]
    assert main([*command, "CPU:2"]) == 2
    assert "runtime.device_id: 2 is for an Ascend" in capsys.readouterr().err
    assert main([*command, "GPU"]) == 2
    assert "--set runtime: runtime.device: takes 'auto' or 'CPU' or 'Ascend', not 'GPU'" in capsys.readouterr().err
    assert main([*command, "Ascend:x"]) == 2
    assert "--device Ascend:x: write NAME or NAME:ID, e.g. --device Ascend:3" in capsys.readouterr().err


def test_keys(toy):
    settings = load_config(str(toy), ["runtime={device: Ascend, device_id: 3}", "runtime.mode=eager", "runtime.jit_level=O0"]).section(
        "runtime"
    )
    assert vars(settings) == {"device": "Ascend", "device_id": 3, "mode": "eager", "jit_level": "O0"}
