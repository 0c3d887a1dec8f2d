"""Building and installing for real. Everything is copied first, because a build leaves folders in the source tree."""

import shutil
from pathlib import Path

import pytest
from installations import OFFLINE, Installed, pip
from mindpoint.registry import installed

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"


@pytest.fixture(scope="session")
def install(tmp_path_factory):
    """``install("acme_pose", ...)``: the fixtures as pip installs them, visible to subprocesses only."""
    targets = {}

    def installed(*names):
        for name in set(names) - targets.keys():
            folder = tmp_path_factory.mktemp(name)
            targets[name] = folder / "target"
            pip("install", *OFFLINE, "--target", targets[name], shutil.copytree(FIXTURES / name, folder / name))
        return Installed([targets[name] for name in names])

    return installed


@pytest.fixture(scope="session")
def source_tree(tmp_path_factory):
    """A copy of what the distribution is built from."""
    tree = tmp_path_factory.mktemp("source") / "mindpoint"
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info")
    for folder in ("framework", "plugins", "configs"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=ignored)
    for file in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree)
    return tree


@pytest.fixture(scope="session")
def wheel(source_tree, tmp_path_factory):
    """The built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", *OFFLINE, "--wheel-dir", folder, source_tree)
    return next(folder.glob("mindpoint-*.whl"))


@pytest.fixture(autouse=True)
def fresh_entry_points():
    """Entry points are read once a process."""
    installed.points.cache_clear()
