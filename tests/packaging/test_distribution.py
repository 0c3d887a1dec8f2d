"""Tests that built distributions are complete, and that declared entry points exist."""

import configparser
import inspect
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from mindpoint._version import __version__
from mindpoint.registry import installed, kinds, registry, signature_of

ROOT = Path(__file__).resolve().parents[2]
ROOTS = {
    "mindpoint": ROOT / "framework" / "mindpoint",
    **{path.parent.name: path.parent for path in (ROOT / "plugins").glob("*/__init__.py")},
    "mindpoint_configs": ROOT / "configs",
}
ENTRIES = [entry for kind in kinds() for entry in registry(kind.plural).entries() if entry.distribution == "mindpoint"]


@pytest.fixture(scope="module")
def setup_cfg():
    config = configparser.RawConfigParser(delimiters=("=",))
    config.optionxform = str
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def files(*patterns):
    """Files of the source tree as they are called in the wheel."""
    return {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in ROOTS.items()
        for pattern in patterns
        for path in folder.rglob(pattern)
    }


def test_listed_packages_are_those_of_the_tree(setup_cfg):
    def folders(pattern):
        return {name.rpartition("/")[0].replace("/", ".") for name in files(pattern)}

    assert sorted(setup_cfg.get("options", "packages").split()) == sorted(folders("__init__.py"))
    assert folders("*.py") == folders("__init__.py")


@pytest.mark.slow
def test_wheel_holds_every_module_configuration_and_source(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    kinds = (".py", ".typed", ".yaml", ".json", ".cc", ".h", ".html", ".css", ".js")
    wanted = files(*(f"*{kind}" for kind in kinds))
    assert {Path(name).suffix for name in wanted} == set(kinds)
    assert sorted(wanted - names) == []
    assert sorted(name for name in names if ".dist-info/" not in name and name not in wanted) == []


def test_the_licence_comes_with_it(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = [name for name in archive.namelist() if ".dist-info/" in name and name.endswith("LICENSE")]
        assert len(held) == 1 and archive.read(held[0]) == (ROOT / "LICENSE").read_bytes()


def test_the_version_is_the_same_everywhere():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    changed = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)[0]
    assert cited == changed == __version__


def test_the_container_installs_what_the_readme_does_and_runs_without_rights():
    lines = dict(
        line.split(" ", 1) for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith(("USER", "ENTRYPOINT", "RUN"))
    )
    target = re.search(r'pip install (".+?") && mindpoint train quickstart', (ROOT / "README.md").read_text())[1]
    assert lines["RUN"].startswith("pip install ") and lines["RUN"].endswith(target)
    assert lines["USER"] not in ("root", "0") and lines["ENTRYPOINT"] == '["mindpoint"]'


def test_mindspore_is_an_extra(wheel):
    """Files for ONNX Runtime run without it: ``mindpoint[onnx]``."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA"))).decode()
    required = [line.partition(": ")[2] for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]

    def needed(package):
        return [line.partition("extra ==")[2].strip("\"' ") for line in required if re.match(rf"{package}\b", line)]

    assert needed("mindspore") == ["mindspore"] and needed("onnxruntime") == ["onnx"] and needed("numpy") == [""]


@pytest.mark.slow
def test_sdist_builds_the_same_wheel(source_tree, wheel, tmp_path):
    code = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=source_tree, check=True, capture_output=True, timeout=120)
    with tarfile.open(next(tmp_path.glob("mindpoint-*.tar.gz"))) as archive:
        archive.extractall(tmp_path)
    assert (tmp_path / f"mindpoint-{__version__}" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    code = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    unpacked = next(path for path in tmp_path.iterdir() if path.is_dir())
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=unpacked, check=True, capture_output=True, timeout=120)
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(next(tmp_path.glob("mindpoint-*.whl"))) as second:
        assert sorted(first.namelist()) == sorted(second.namelist())


def test_installed_entry_points_are_the_declared_ones(setup_cfg):
    lines = {group: text.split("\n") for group, text in setup_cfg.items("options.entry_points") if group.startswith("mindpoint.")}
    declared = {(group, *map(str.strip, line.split("="))) for group, text in lines.items() for line in text if line}
    found = {point[:3] for point in installed.points() if point.distribution == "mindpoint"}
    assert declared == found, "install again: pip install --no-deps -e ."


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: f"{e.kind.singular} {e.name}")
def test_declared_part_is_found_in_the_source_and_documented(entry):
    found = registry(entry.kind.plural).describe(entry.name)
    assert entry.definition() is not None
    assert found.doc, "the first line of its docstring is shown to users"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: f"{e.kind.singular} {e.name}")
def test_signature_read_from_source_is_the_real_one(entry):
    actual = list(inspect.signature(registry(entry.kind.plural).get(entry.name)).parameters.values())
    if [p.name for p in actual] == ["auto_prefix", "flags"]:  # a cell without a constructor of its own
        actual = []
    read = signature_of(entry)
    wanted = [(p.name, p.default is p.empty) for p in actual if p.kind is not p.VAR_KEYWORD]
    assert [(p.name, p.required) for p in read.parameters] == wanted
    assert read.accepts_any_keyword == any(p.kind is p.VAR_KEYWORD for p in actual)
