"""The order of the packages, and the page that describes it."""

import re
from pathlib import Path

import layers
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "architecture.md"


@pytest.fixture(scope="module")
def graph():
    return layers.imports(ROOT / "framework" / "mindpoint")


def test_every_package_imports_lower_ones_only(graph):
    assert layers.climbs(graph) == []


def test_no_modules_import_each_other(graph):
    assert layers.circles(graph) == []


def test_the_checks_see_climbs_and_circles(graph):
    bad = {**graph, "mindpoint.storage.files": {"mindpoint.training.trainer", "mindpoint_coco.folder", "mindpoint"}}
    assert [found for found in layers.climbs(bad) if "storage.files" in found] == [
        "mindpoint.storage.files imports mindpoint",
        "mindpoint.storage.files imports mindpoint.training.trainer",
        "mindpoint.storage.files imports mindpoint_coco.folder",
    ]
    assert any("mindpoint.storage.files" in group for group in layers.circles(bad))


def test_the_drawing_shows_the_packages_as_they_are(graph):
    """``python tests/core/test_layers.py`` prints it anew."""
    drawn = re.search(r"```mermaid\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.S).group(1)
    assert drawn == layers.drawing(graph)


def test_the_page_names_every_package_in_order():
    table = PAGE.read_text(encoding="utf-8").partition("## The plugins")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == list(layers.ORDER)


def test_every_walk_passes_at_most_twelve_files_that_exist():
    walks = re.findall(r"^### (.*?)\n(.*?)(?=^##|\Z)", PAGE.read_text(encoding="utf-8").partition("## Three walks")[2], re.M | re.S)
    assert len(walks) == 3
    for title, text in walks:
        files = re.findall(r"^\d+\. `([\w/.]+)`", text, re.M)
        assert 4 <= len(files) <= 12, title
        missing = [name for name in files if not any((ROOT / folder / name).is_file() for folder in ("framework/mindpoint", "plugins"))]
        assert missing == [], title


if __name__ == "__main__":
    print(layers.drawing(layers.imports(ROOT / "framework" / "mindpoint")))
