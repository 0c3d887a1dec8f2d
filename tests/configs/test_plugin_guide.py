"""docs/plugins.md and the pages below it: their files are written to a folder, their commands are run there, their tables are complete."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mindpoint.contracts.hook import POINTS
from mindpoint.contracts.run import Run
from mindpoint.registry import KINDS

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE = (DOCS / "plugins.md").read_text(encoding="utf-8")
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((DOCS / "plugins").glob("*.md"))}
FILE = re.compile(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.M | re.S)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files of all pages."""
    folder = tmp_path_factory.mktemp("guide")
    for text in PAGES.values():
        for name, content in FILE.findall(text):
            (folder / name).write_text(content, encoding="utf-8")
    return folder


def commands(page):
    texts = [text for kind, text in FENCE.findall(PAGES[page]) if kind == "sh" and not text.startswith("# illustration")]
    return [line for text in texts for line in text.splitlines()]


def run(line, folder):
    """Run a command as a user would, with the program of the running interpreter first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(line, shell=True, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


SMALL = ("model.backbone='{type: ResNet, depth: 18, width: 8}'", "model.neck='{type: Deconv, conv: plain, channels: [16, 16, 16]}'")


def short(line, page):
    """Return the command with three images for the evaluation at the end of two steps of training; heads and hooks suit any network, and a
    hook needs no compiled one."""
    if not line.endswith("max_steps=2"):
        return line
    changes = ["data.val.dataset.count=3", *SMALL * (page in ("head", "hook")), *["runtime.mode=eager"] * (page == "hook")]
    return line + "".join(f" --set {change}" for change in changes)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page) and page != "detector"])
def test_commands_of_a_page(folder, page):
    shown = {line: run(short(line, page), folder) for line in commands(page)}
    if page == "head":
        lines = (folder / "runs/foreground/log.jsonl").read_text().splitlines()
        assert all("fg_loss" in line and "hm_loss" in line for line in lines[:2])
    if page == "hook":
        assert re.fullmatch(r"step 1: loss \d+\.\d+\nstep 2: loss \d+\.\d+\n", (folder / "runs/diary/diary.txt").read_text())
    if page == "backbone":
        assert "channels: [int, ...] = (16, 32, 64, 128)" in "".join(shown.values())


@pytest.mark.slow
def test_the_detector_learns_what_its_page_says(folder):
    _, trained, perfect, exported, again = [run(line, folder) for line in commands("detector")]
    precision = [float(re.findall(r"^bbox .*\n +([\d.]+)", text, re.M)[-1]) for text in (trained, perfect, again)]
    assert precision[0] == precision[2] >= 0.7 and precision[1] == 1.0
    assert "100.0% of" in exported and "at 2 sizes" in exported


def test_every_block_of_code_is_a_file_a_command_or_marked():
    for name, text in {"plugins": GUIDE, **PAGES}.items():
        files = [content for _, content in FILE.findall(text)]
        for kind, content in FENCE.findall(text):
            known = content in files or kind in ("sh", "text", "mermaid", "toml") or content.startswith("# illustration")
            assert known, f"{name}: a block that no test runs:\n{content}"


def test_table_of_kinds_is_complete():
    rows = re.findall(r"^\| ([\w ]+) \| `(mindpoint\.\w+)` \| (.*?) \|", GUIDE, re.M)
    assert {(kind, group) for kind, group, _ in rows} == {(kind.singular, kind.group) for kind in KINDS}
    bases = {kind.group: kind.base.replace(":", ".") for kind in KINDS if kind.base}
    assert {group: base.strip("`") for _, group, base in rows if group in bases} == bases


def test_the_tables_of_the_hook_page_are_complete():
    points, attributes, methods = re.findall(r"^\| (?:point|attribute|method) \|.*?\n\n", PAGES["hook"], re.M | re.S)
    assert tuple(re.findall(r"^\| `(\w+)` \|", points, re.M)) == POINTS
    cells = re.findall(r"^\| (`.*?`) \|", attributes, re.M)
    assert [name for cell in cells for name in re.findall(r"`(\w+)`", cell)] == list(Run.__annotations__)
    assert set(re.findall(r"^\| `(\w+)", methods, re.M)) == {name for name in vars(Run) if not name.startswith("_")}


def test_links_lead_somewhere():
    for name, text in {"plugins.md": GUIDE, **{f"plugins/{page}.md": text for page, text in PAGES.items()}}.items():
        for target in re.findall(r"\]\(([^)#]*)(?:#[\w-]*)?\)", text):
            assert not target or (DOCS / name).parent.joinpath(target).exists(), f"{name}: {target}"
