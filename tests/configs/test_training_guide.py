"""What docs/training.md, docs/augmentation.md and docs/gallery.md show can be loaded and called."""

import re
import shlex
from pathlib import Path

import cv2
import pytest
from mindpoint.cli.main import main

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = "".join((DOCS / page).read_text(encoding="utf-8") for page in ("training.md", "augmentation.md", "gallery.md"))
FENCES = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.M | re.S)
BLOCKS = [text for kind, text in FENCES if kind == "yaml"]
LINES = [
    shlex.split(line, comments=True)[1:] for kind, text in FENCES if kind == "sh" for line in text.splitlines() if line.startswith("mind")
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.partition("\n")[0])
def test_configurations(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(block if "_base_" in block else f"_base_: quickstart.yaml\n{block}")
    assert main(["config", "check", "mine.yaml"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_options_of_commands(words, capsys):
    words = words[2:] if words[0] == "launch" else words  # launch N COMMAND ...
    name = words[:2] if words[0] in ("config", "data", "runs") else words[:1]
    with pytest.raises(SystemExit) as ended:
        main([*name, "--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    for option in (word for word in words if word.startswith("--")):
        assert option in shown


def test_drawing_a_schedule(tmp_path, monkeypatch):
    (command,) = {tuple(words) for words in LINES if "plot-schedule" in words}
    monkeypatch.chdir(tmp_path)
    assert main(list(command)) == 0 and cv2.imread("schedule.png").shape[2] == 3


def test_there_is_something_to_test():
    assert len(BLOCKS) >= 4 and len(LINES) >= 15


def test_the_gallery_has_every_picture_and_a_command_for_it():
    sections = re.split(r"^## ", (DOCS / "gallery.md").read_text(encoding="utf-8"), flags=re.M)[1:]
    assert all(len(re.findall(r"\(images/", section)) == section.count("```sh\nmindpoint ") == 1 for section in sections)
    shown = {name for section in sections for name in re.findall(r"\(images/([^)]+)\)", section)}
    assert shown == {path.name for path in (DOCS / "images").iterdir()}
