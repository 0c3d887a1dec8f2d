"""Building and installing for real. Everything is copied first, because a build leaves folders in the source tree."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mindpoint.registry import installed

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
OFFLINE = ("--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet")


def pip(*arguments, **options):
    """Run pip of the running interpreter; its output is the message if it fails."""
    done = subprocess.run([sys.executable, "-m", "pip", *map(str, arguments)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr


class Installed:
    """Distributions that are installed beside the running environment, in folders of their own."""

    def __init__(self, folders):
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}

    def python(self, *arguments):
        return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=self.environment, timeout=300)

    def mindpoint(self, *arguments):
        return self.python("-m", "mindpoint", *arguments)

    def listed(self, *arguments):
        """Names of ``plugins list`` by distribution."""
        done = self.mindpoint("plugins", "list", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        names = {}
        for part in json.loads(done.stdout):
            names.setdefault(part["distribution"], set()).add(part["name"])
        return names


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
