"""Folders with expected values and real images, which live beside the repository and are not part of it."""

import os
import shutil
import signal
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes share the cores

os.environ.pop("COLUMNS", None)  # pytest-xdist sets it for its processes; commands into a pipe do not wrap their lines

import mindpoint  # noqa: F401  sets the environment that MindSpore needs before any test imports it
import pytest

# A shell that starts the tests in the background has them, and what they start, ignore Ctrl-C, which some of them send.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared"


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
