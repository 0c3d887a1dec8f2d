"""Tests of the allowed imports between plugin packages, which must not form a circle."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from mindpoint.registry import KINDS
from mindpoint.registry.entries import declared

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
MAY_KNOW = {
    "mindpoint_backbones": set(),
    "mindpoint_coco": set(),
    "mindpoint_synthetic": {"mindpoint_coco"},
    "mindpoint_centernet": {"mindpoint_coco"},
    "mindpoint_parity": {"mindpoint_coco", "mindpoint_centernet"},
    "mindpoint_recipes": {"mindpoint_coco", "mindpoint_centernet", "mindpoint_backbones"},
}


def imported(tree):
    """Top packages that a module imports anywhere, also inside functions, for typing, and by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("mindpoint_"):
            yield node.value.replace(":", ".").partition(".")[0]


def test_every_package_is_listed_and_the_edges_have_no_circle():
    assert {path.name for path in PLUGINS.iterdir() if (path / "__init__.py").is_file()} == set(MAY_KNOW)
    assert len(list(TopologicalSorter(MAY_KNOW).static_order())) == len(MAY_KNOW)


@pytest.mark.parametrize("package", MAY_KNOW)
def test_imports_stay_inside_the_borders(package):
    allowed = MAY_KNOW[package] | {package, "mindpoint"}
    files = sorted((PLUGINS / package).rglob("*.py"))
    strange = [
        (str(file.relative_to(PLUGINS)), name)
        for file in files
        for name in imported(ast.parse(file.read_text(encoding="utf-8")))
        if name.startswith("mindpoint") and name not in allowed
    ]
    assert files and strange == []


@pytest.mark.parametrize("package", MAY_KNOW)
def test_no_package_names_parts_of_one_that_it_does_not_know(package):
    entries = [entry for kind in KINDS if kind.base for entry in declared()[kind.plural]]
    foreign = {entry.attribute for entry in entries if entry.module.partition(".")[0] in set(MAY_KNOW) - MAY_KNOW[package] - {package}}
    assert foreign or package == "mindpoint_parity"
    named = [
        (str(file.relative_to(PLUGINS)), node.value if isinstance(node, ast.Constant) else node.id)
        for file in sorted((PLUGINS / package).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and node.id in foreign or isinstance(node, ast.Constant) and node.value in foreign
    ]
    assert named == []


@pytest.mark.parametrize("package", MAY_KNOW)
def test_the_package_itself_imports_nothing_heavy(package):
    heavy = "mindspore", "cv2", "numpy", "faster_coco_eval"
    code = f"import sys, {package}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
