"""The reference pages of the site: complete, and true to the code. ``.ci/run`` builds the site itself."""

import re
import sys
from pathlib import Path

import pytest
from mindpoint.config import injection, load_config
from mindpoint.errors import ConfigError
from mindpoint.registry import kinds
from mindpoint.registry.signature import signature_of

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "docs"))

import drawing  # noqa: E402
import reference  # noqa: E402

ROWS = [
    [cell.strip() for cell in re.split(r"(?<!`)\|(?!`)", line)[1:-1]] for line in reference.keys().splitlines() if line.startswith("| `")
]
KEYS = {row[0].strip("`"): row[1:] for row in ROWS}


def test_every_key_has_a_type_and_a_meaning():
    assert {"seed", "runtime.mode", "data.NAME.transforms.NAME", "train.ema", "test.metric", "keypoints.names"} <= KEYS.keys()
    assert [key for key, cells in KEYS.items() if not cells[0] or not cells[-1]] == []


@pytest.mark.parametrize(
    ("key", "within", "beyond"),
    [("seed", 4294967295, 4294967296), ("data.train.workers", 256, 257), ("train.ema", 0.5, 1), ("train.max_skipped", 0, -1)],
)
def test_ranges_are_those_of_the_check(key, within, beyond):
    """A value of the range that the page prints is accepted, the next one refused."""
    shown = KEYS[key.replace("data.train", "data.NAME")][1]
    assert shown in ("0 to 4294967295", "1 to 256", "between 0 and 1", "0 or more")
    load_config("quickstart", [f"+{key}={within}"])
    with pytest.raises(ConfigError, match=key):
        load_config("quickstart", [f"+{key}={beyond}"])


def test_every_part_and_each_of_its_arguments_is_described():
    bare = []
    for kind in kinds():
        given = injection.given(kind.plural)
        for entry in reference.entries(kind):
            text, meanings = reference.documented(entry)
            parameters = signature_of(entry).parameters if kind.in_blocks else ()
            bare += [entry.name] * (not text) + [f"{entry.name}.{p.name}" for p in parameters if p.name not in (*meanings, *given)]
    assert bare == []


def test_a_part_is_shown_with_its_arguments_and_without_those_of_the_run():
    page = reference.part_pages()["schedules"].partition("## Cosine\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)`", page, re.M) == ["end", "warmup_steps", "warmup_epochs"]
    assert "The run gives `epochs`, `steps_per_epoch`." in page and "| `warmup_steps` | int | `0` |" in page


def test_docstrings_become_markdown():
    arguments = "    first, second: of :class:`mindpoint.Predictor`,\n        on two lines.\n    third: last.\n"
    doc = f"Open one.\n\n>>> a = open_it()\n>>> a.b\n3\n\nArgs:\n{arguments}"
    text, sections = reference.split(doc)
    assert reference.plain(text) == "Open one.\n\n```pycon\n>>> a = open_it()\n>>> a.b\n3\n```\n"
    pair = "of :class:`mindpoint.Predictor`, on two lines."
    assert sections == {"Args": {"first": pair, "second": pair, "third": "last."}}


@pytest.mark.parametrize("page", ["architecture.md", "plugins/detector.md"])
def test_flowcharts_are_drawn_whole(page):
    text = re.search(r"```mermaid\n(.*?)\n```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.S)[1]
    _, edges = drawing.parse(text)
    picture = drawing.svg(text)
    nodes = {node for edge in edges for node in (edge.start, edge.end)}
    boxes = [tuple(map(int, found)) for found in re.findall(r'<rect x="(\d+)" y="(\d+)" width="(\d+)"', picture)]
    assert len(boxes) == len(nodes) and picture.count("marker-end") == len(edges) == text.count("-->")
    assert all(f">{word}</text>" in picture for word in [*nodes, *(edge.label for edge in edges if edge.label)])
    for index, (x, y, width) in enumerate(boxes):
        for to_x, to_y, to_width in boxes[:index]:
            assert x + width <= to_x or to_x + to_width <= x or abs(y - to_y) >= drawing.HEIGHT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pie", "only"),
        ("graph BT\n  a --> b --> a", "circle"),
        ("graph LR\n  a[Box] --> b", "a line must be"),
        ("graph LR\n  a", "a line must be"),
    ],
)
def test_other_drawings_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        drawing.svg(text)
