"""What Windows and macOS lack is hidden here: configurations and predictions with ONNX Runtime and OpenVINO do without it."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

# Libraries choose their implementation when they are imported. Those for other systems would not miss what is hidden.
HIDE = """
import asyncio, concurrent.futures, ctypes, multiprocessing.util, os, platform, runpy, shutil, signal, subprocess, sys, tempfile
import cv2, numpy, psutil
for name in ("fcntl", "grp", "pty", "pwd", "resource", "termios"):
    sys.modules[name] = None
for module, names in (
    (os, "O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK fork forkpty getegid geteuid getgid getloadavg getuid killpg nice pread pwrite "
         "register_at_fork sched_getaffinity sched_setaffinity setsid uname"),
    (signal, "SIGALRM SIGHUP SIGKILL SIGQUIT SIGUSR1 SIGUSR2 pthread_kill pthread_sigmask setitimer sigwait"),
):
    for name in names.split():
        delattr(module, name)
ordinary = ctypes.CDLL

class CDLL(ordinary):
    def __init__(self, name, *arguments, **options):
        if name is None:
            raise TypeError("bad argument type for built-in operation")
        super().__init__(name, *arguments, **options)

ctypes.CDLL = CDLL
"""


def run(code, folder, *arguments):
    done = subprocess.run([sys.executable, "-c", HIDE + code, *arguments], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def model(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from tests.fuzz.targets import onnx_files

    path = tmp_path / "pooled.onnx"
    path.write_bytes(onnx_files()[0])
    cv2.imwrite(str(tmp_path / "a.png"), np.full((40, 60, 3), 99, np.uint8))
    return path


COMMANDS = """
sys.argv = ["mindpoint", *sys.argv[1:]]
runpy.run_module("mindpoint", run_name="__main__", alter_sys=True)
"""

PREDICTOR = """
import json
from mindpoint import Predictor
from mindpoint.config import load_config
assert load_config("quickstart", ["train.steps=7"]).section("train").steps == 7
print(json.dumps(Predictor("pooled.onnx", engine=sys.argv[1])(cv2.imread("a.png")).detections.scores.tolist()))
"""


def test_predict_command(model):
    run(COMMANDS, model.parent, "predict", "pooled.onnx", "a.png", "--out", "found", "--threshold", "0", "--engine", "onnxruntime")
    (record,) = json.loads((model.parent / "found" / "predictions.json").read_text())
    assert record["image"] == "a.png" and len(record["objects"]) > 0
    assert cv2.imread(str(model.parent / "found" / "a.jpg")).shape == (40, 60, 3)


def test_config_command(tmp_path):
    assert run(COMMANDS, tmp_path, "config", "check", "quickstart").stdout == "quickstart: ok\n"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_predictor_finds_the_same(model, engine):
    pytest.importorskip(engine)
    from mindpoint import Predictor

    usual = Predictor(model, engine=engine)(np.full((40, 60, 3), 99, np.uint8)).detections.scores
    assert len(usual) > 0 and json.loads(run(PREDICTOR, model.parent, engine).stdout) == pytest.approx(usual.tolist())


LINUX = ("mindpoint.benchmark.", "mindpoint.launch.", "mindpoint.worker ", "mindpoint.doctor.distributed ")
IMPORTS = """
import importlib, pkgutil, mindpoint
sys.modules["mindspore"] = None
for module in pkgutil.walk_packages(mindpoint.__path__, "mindpoint."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        if not error.name.startswith("mindspore"):
            print(module.name, error)
    except Exception as error:
        print(module.name, error)
"""


def test_modules_that_need_linux(tmp_path):
    """Benchmarks measure with ``resource``, and several processes talk with signals. All else at least imports."""
    said = run(IMPORTS, tmp_path).stdout.splitlines()
    assert [line for line in said if not line.startswith(LINUX)] == []


WATCHED = """
from mindpoint.runtime.signals import Signals
signals = Signals()
with signals.watched():
    with signals.noted():
        os.kill(os.getpid(), signal.SIGINT)
    print(signals.received.name)
"""


def test_signals_are_handled_where_they_cannot_be_blocked(tmp_path):
    assert run(WATCHED, tmp_path).stdout == "SIGINT\n"


LOCKED = """
from pathlib import Path
from mindpoint.storage import cache, lock
with lock.locked(Path("run")):
    print(Path("run/.lock").read_text().split()[0])
with lock.waited_for(Path("waited")) as alone:
    print(alone)
cache.prepare_private(Path("cache"))
"""


def test_locks_become_a_remark(tmp_path):
    (tmp_path / "run").mkdir()
    done = run(LOCKED, tmp_path)
    assert done.stdout == "process\nFalse\n" and (tmp_path / "cache").is_dir()
    assert "run: this system has no file locks; do not start another run in this folder" in done.stderr
