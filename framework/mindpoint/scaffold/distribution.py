"""Writing a distribution."""

from __future__ import annotations

import os
import re
from keyword import iskeyword
from pathlib import Path
from typing import Dict, List, Sequence

from mindpoint._version import API, __version__
from mindpoint.errors import ConfigError, OutputError
from mindpoint.registry import kind_called, nearest
from mindpoint.scaffold.content import configuration, readme, tests
from mindpoint.storage.files import atomic_folder

DETECTOR = ("backbone", "head", "loss", "targets", "decoder")
"""Parts of a detector, which share the names of maps and targets, and are written together."""
PARTS: Dict[str, str] = {
    "backbone": "backbones",
    "neck": "necks",
    "head": "heads",
    "loss": "losses",
    "targets": "targets",
    "decoder": "decoders",
    "dataset": "datasets",
    "transform": "transforms",
    "metric": "metrics",
    "hook": "hooks",
}
"""Kinds of parts by the name that the command takes."""

_SOURCES = Path(__file__).parent / "parts"


def write_distribution(name: str, parts: Sequence[str], license: str, folder: Path = Path()) -> str:
    """Write a distribution into a new folder of the same name, and return a text with the next steps.

    Args:
        name: name of the distribution.
        parts: keys of :data:`PARTS`, or names of their kinds.
        license: license in its metadata.
        folder: folder in which the new folder is created.

    Raises:
        ConfigError: an invalid name or part. OutputError: the folder exists.
    """
    module = _module_of(name)
    chosen = _chosen(parts)
    target = folder / name
    if os.path.lexists(target):
        raise OutputError(f"{target}: exists; choose another name, or write into another folder")
    prefix = "".join(word.capitalize() for word in module.split("_"))
    texts = {
        "pyproject.toml": _pyproject(name, module, prefix, chosen, license),
        "README.md": readme(name, module, prefix, chosen),
        ".gitignore": "__pycache__/\n*.egg-info/\nbuild/\ndist/\nruns/\n",
        ".github/workflows/test.yml": _WORKFLOW,
        f"src/{module}/__init__.py": f'"""Parts for mindpoint: {", ".join(chosen)}."""\n',
        f"src/{module}/py.typed": "",
        f"src/{module}/recipes/example.yaml": configuration(prefix, chosen),
        "tests/test_parts.py": tests(module, prefix, chosen),
    }
    for part in chosen:
        source = (_SOURCES / f"{part}.py").read_text(encoding="utf-8")
        texts[f"src/{module}/{part}.py"] = source.replace("Acme", prefix)
    with atomic_folder(target) as temporary:
        for path, text in texts.items():
            (temporary / path).parent.mkdir(parents=True, exist_ok=True)
            (temporary / path).write_text(text, encoding="utf-8")
    added = [part for part in chosen if part not in _named(parts)]
    note = f"{', '.join(added)} added to complete a trainable detector.\n" if added else ""
    return (
        f"{target}: {', '.join(chosen)}\n{note}next:\n  cd {target}\n  pip install -e '.[test]'\n  python -m pytest\n"
        f"  mindpoint train {name}:example --set train.max_steps=20"
    )


def _module_of(name: str) -> str:
    module = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name) or iskeyword(module):
        raise ConfigError(f"{name!r} is not a valid name; use small letters, digits and '-', e.g. acme-shapes")
    if module.partition("_")[0] == "mindpoint":
        raise ConfigError(f"{name!r}: names that begin with mindpoint are reserved; begin with your own name, e.g. acme-shapes")
    from importlib.util import find_spec

    if find_spec(module) is not None:
        raise ConfigError(f"{name!r}: would hide Python's existing module '{module}'; choose another name")
    return module


def _named(parts: Sequence[str]) -> List[str]:
    """Return the keys of PARTS that the names mean. Raises ConfigError for any other name."""
    by_kind = {kind: part for part, kind in PARTS.items()}
    found = []
    for said in (part.strip() for part in parts):
        kind = kind_called(said)
        part = by_kind.get(kind.plural) if kind else None
        if part is None:
            near = nearest(said, list(PARTS))
            advice = f"did you mean '{near[0]}'?" if near else f"choose among {', '.join(PARTS)}"
            raise ConfigError(f"--parts: cannot write a part '{said}'; {advice}")
        found.append(part)
    return found


def _chosen(parts: Sequence[str]) -> List[str]:
    """Return the parts to write, in the order of :data:`PARTS`."""
    named = _named(parts)
    whole = [*named, *DETECTOR] if {*DETECTOR[1:], "dataset"} & {*named} else named
    return [part for part in PARTS if part in whole]


def _pyproject(name: str, module: str, prefix: str, chosen: Sequence[str], license: str) -> str:
    major, minor = __version__.split(".")[:2]
    below = f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1)
    points = "\n".join(
        f'[project.entry-points."mindpoint.{PARTS[part]}"]\n{prefix}{part.capitalize()} = "{module}.{part}:{prefix}{part.capitalize()}"\n'
        for part in chosen
    )
    quoted = license.replace("\\", "\\\\").replace('"', '\\"')
    return f'''[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0.1.0"
description = "Parts for mindpoint: {", ".join(chosen)}"
readme = "README.md"
requires-python = ">=3.9"
license = {{text = "{quoted}"}}
dependencies = ["mindpoint[mindspore]>={major}.{minor},<{below}"]

[project.optional-dependencies]
test = ["mindpoint[export]", "pytest>=7"]

[project.entry-points."mindpoint.api"]
"{API}" = "{module}"

[project.entry-points."mindpoint.configs"]
recipes = "{module}:recipes"

{points}
[tool.setuptools.packages.find]
where = ["src"]

[tool.setuptools.package-data]
{module} = ["py.typed", "recipes/*.yaml"]

[tool.pytest.ini_options]
testpaths = ["tests"]
'''


_WORKFLOW = """\
name: test
on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        python: ["3.9", "3.11"]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: ${{ matrix.python }}
      - run: pip install -e '.[test]'
      - run: python -m pytest
      - run: mindpoint plugins doctor
"""
