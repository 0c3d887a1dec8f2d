"""Folders with expected values and real images, which live beside the repository and are not part of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes share the cores

os.environ.pop("COLUMNS", None)  # pytest-xdist sets it for its processes; commands into a pipe do not wrap their lines

import mindpoint  # noqa: F401  sets the environment that MindSpore needs before any test imports it
import pytest

# A shell that starts the tests in the background has them, and what they start, ignore Ctrl-C, which some of them send.
signal.signal(signal.SIGINT, signal.default_int_handler)

SERVE = """
import contextlib, io, json, os, sys
from mindpoint.cli.main import main
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    sys.argv[1:] = json.loads(line)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(sys.argv[1:])
    print(json.dumps([code, out.getvalue(), err.getvalue()]), file=answers, flush=True)
"""
SHARED = Path(__file__).resolve().parents[2] / "shared"
FIRST = (
    "end_to_end/test_parity_command.py",
    "core/test_distributed.py",
    "end_to_end/test_parity_of_detection.py",
    "end_to_end/test_export_command.py",
    "core/test_onnx_operators.py",
    "end_to_end/test_own_data.py",
    "configs/test_plugin_guide.py",
    "packaging/test_scaffold.py",
    "packaging/test_other_tasks.py",
    "core/test_resume.py",
    "end_to_end/test_export_golden.py",
    "packaging/test_outside_detector.py",
    "end_to_end/test_shipped_models.py",
    "end_to_end/test_notebook.py",
    "end_to_end/test_model_zoo_chain.py",
)
"""The files of tests that take longest. They are begun first, so that the processes of pytest-xdist end together."""


def pytest_configure(config):
    config.option.loadscopereorder = False  # pytest-xdist would go by the number of tests alone


def pytest_collection_modifyitems(items):
    """Order the files: those of ``FIRST``, then by their number of tests."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(FIRST)}
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (places.get(item.path, len(FIRST)), -tests[item.path], item.path))


@pytest.fixture
def graph_mode():
    """Let MindSpore compile networks; the mode is restored afterwards."""
    import mindspore as ms

    before = ms.get_context("mode")
    ms.set_context(mode=ms.GRAPH_MODE)
    yield
    ms.set_context(mode=before)


@pytest.fixture
def eager_mode():
    """Let MindSpore run networks operator by operator; the mode is restored afterwards."""
    from mindpoint.runtime import device

    with device.operator_by_operator():
        yield


@pytest.fixture(scope="session")
def rounded():
    """``rounded(array)``: the nearest bfloat16 numbers to a float32 array, of two equally near ones the even one."""
    import numpy as np

    def rounded(array):
        bits = array.view(np.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)

    return rounded


class Commands:
    """A process that runs one command of mindpoint after the other in a folder: MindSpore starts once for all of them."""

    def __init__(self, environment, folder):
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._process = subprocess.Popen([sys.executable, "-c", SERVE], env=environment, cwd=folder, **pipes)

    def __call__(self, *arguments):
        """Return the command's exit code and what it said, as ``subprocess.run`` does."""
        words = [str(word) for word in arguments]
        print(json.dumps(words), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"mindpoint {' '.join(words)} ended the process with exit code {self._process.wait()}"
        return subprocess.CompletedProcess(words, *json.loads(answer))

    def close(self):
        if self._process.poll() is None:
            self._process.communicate()


@pytest.fixture(scope="module")
def commands():
    """``commands(environment, folder)``: a process for the commands of a file of tests."""
    started = []

    def start(environment, folder):
        started.append(Commands(environment, folder))
        return started[-1]

    yield start
    for process in started:
        process.close()


def _folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{folder} is missing; CI must have it")
        pytest.skip(f"{folder} is not here")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """Numbers of the official implementation for known inputs."""
    return _folder("golden")


@pytest.fixture(scope="session")
def golden_ctdet() -> Path:
    """Numbers of the official object detection for known inputs."""
    return _folder("golden-ctdet")


@pytest.fixture(scope="session")
def golden_networks() -> Path:
    """Numbers of two further networks of the official implementation."""
    return _folder("golden-networks")


@pytest.fixture(scope="session")
def golden_zoo() -> Path:
    """Numbers of the model zoo's network for known inputs."""
    return _folder("golden-zoo")


@pytest.fixture(scope="session")
def coco_mini() -> Path:
    """A small part of COCO 2017 in COCO's own layout."""
    return _folder("coco-mini")


def _reference(folder: Path, coco: Path):
    from mindpoint_parity.reference import Reference, load_tolerances

    return Reference(folder, coco, load_tolerances(folder))


@pytest.fixture(scope="session")
def reference(golden, coco_mini):
    """Numbers of pose and images, as the comparison with the official implementation takes them, with the shipped tolerances."""
    return _reference(golden, coco_mini)


@pytest.fixture(scope="session")
def reference_ctdet(golden_ctdet, coco_mini):
    """The same of object detection."""
    return _reference(golden_ctdet, coco_mini)


@pytest.fixture(scope="session")
def reference_networks(golden_networks, coco_mini):
    """The same of further networks."""
    return _reference(golden_networks, coco_mini)


@pytest.fixture(scope="session")
def media() -> Path:
    """A short video."""
    return _folder("media")


@pytest.fixture(scope="session")
def formats() -> Path:
    """Exports of annotation tools."""
    return _folder("formats")


@pytest.fixture(scope="session")
def seed_options() -> Path:
    """The options of the model zoo's README as a table."""
    return _folder("design") / "seed-options.md"


@pytest.fixture(scope="session")
def chromium():
    """Return a browser without a window; skip the test where none is installed."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("Chromium and chromedriver are not installed")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    flags = "headless=new no-sandbox disable-gpu disable-background-networking disable-dev-shm-usage window-size=1300,1000"
    for flag in flags.split():
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()
