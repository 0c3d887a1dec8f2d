"""The plugin guide, followed to the letter."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "tests" / "fixtures" / "acme_pose"
GUIDE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.M | re.S) for line in block.splitlines()]


def test_every_file_of_the_guide_is_the_fixtures():
    blocks = dict(re.findall(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```$", GUIDE, re.M | re.S))
    paths = [path for path in PLUGIN.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    files = {path.relative_to(PLUGIN).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    assert blocks == files
    drawn = re.search(r"^```text\nacme_pose/\n(.*?)^```$", GUIDE, re.M | re.S)[1].split()
    assert sorted(name for name in drawn if not name.endswith("/")) == sorted(Path(name).name for name in files)
    kinds = re.findall(r"^```(\w+)$", GUIDE, re.M)
    assert len(kinds) == len(blocks) + 1 + kinds.count("sh"), "a block is neither a file, nor the tree, nor commands"


def test_table_of_kinds_is_complete():
    from mindpoint.registry import KINDS

    rows = re.findall(r"^\| ([\w ]+) \| `(mindpoint\.\w+)` \| (.*?) \|", GUIDE, re.M)
    assert {(kind, group) for kind, group, _ in rows} == {(kind.singular, kind.group) for kind in KINDS}
    bases = {kind.group: kind.base.replace(":", ".") for kind in KINDS if kind.base}
    assert {group: base.strip("`") for _, group, base in rows if group in bases} == bases


@pytest.fixture(scope="module")
def user(tmp_path_factory, wheel):
    """A new virtual environment with mindpoint's wheel, and the guide's files. Dependencies are taken from the running environment."""
    folder = tmp_path_factory.mktemp("user")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True, timeout=120)
    site = next((environment / "lib").glob("python*/site-packages"))
    outer = [path for path in sys.path if path.endswith("site-packages")]
    (site / "outer.pth").write_text("\n".join(outer))  # Python reads no .pth files there, so an editable mindpoint stays out
    pip = folder / "environment" / "bin" / "pip"
    quick = "--disable-pip-version-check"
    pip.write_text(
        f'#!/bin/sh\naction="$1"; shift\ncase "$action" in install) set -- --no-deps --no-build-isolation --ignore-installed "$@";; esac\n'
        f'exec "{sys.executable}" -m pip --python "{environment}/bin/python" {quick} "$action" "$@"\n'
    )
    pip.chmod(0o755)
    shutil.copytree(PLUGIN, folder / "acme_pose", ignore=shutil.ignore_patterns("__pycache__"))
    run = Shell(folder, environment / "bin")
    assert run(f"pip install {wheel}").returncode == 0
    return run


class Shell:
    """Runs a line as a user would in a folder, with the environment's programs first on the path."""

    def __init__(self, folder, programs):
        self.folder = folder
        outside = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        self.environment = {**outside, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}

    def __call__(self, line):
        return subprocess.run(line, shell=True, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=900)


@pytest.mark.slow
def test_guide_followed_line_by_line(user):
    *before, uninstall, again = COMMANDS
    where = user("python -c 'import mindpoint; print(mindpoint.__file__)'").stdout
    assert str(user.folder) in where, "this must be the wheel's mindpoint"
    for line in before:
        done = user(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert re.fullmatch(r"step 1: loss \d+\.\d+\nstep 2: loss \d+\.\d+\n", (user.folder / "runs/acme/diary.txt").read_text())
    lines = (user.folder / "runs/acme/log.jsonl").read_text().splitlines()
    assert len(lines) >= 2 and all("fg_loss" in line and "hm_loss" in line for line in lines[:2])
    assert '"acme-pose": "1.0"' in (user.folder / "runs/acme/environment.json").read_text()

    assert user(uninstall).returncode == 0
    done = user(again)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert re.search(r"acme_pose/acme\.yaml:3: model\.backbone\.type: unknown backbone 'PlainPyramid'; ", done.stderr), done.stderr
    for name in ("ForegroundHead", "ForegroundLoss", "Diary"):
        assert name in done.stderr
