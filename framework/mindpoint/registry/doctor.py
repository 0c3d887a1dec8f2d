"""Diagnosis of the installed plugins."""

from __future__ import annotations

import configparser
import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple
from urllib.parse import unquote, urlparse

import importlib_metadata

from mindpoint.registry import installed
from mindpoint.registry.entries import Entry
from mindpoint.registry.installed import PREFIX
from mindpoint.registry.kinds import kind_called, kinds, normalize
from mindpoint.registry.probe import probe
from mindpoint.registry.registries import registry
from mindpoint.runtime.entry_points import entry_points_of

Declared = Dict[Tuple[str, str], str]
"""Entry points: (group, name) to ``module:attribute``."""


class Finding(NamedTuple):
    """The result for one declared part; ``problem`` is None if it works."""

    kind: str
    name: str
    distribution: str
    problem: Optional[str]


def examine() -> List[Finding]:
    """Examine all declared parts: import them, check their kinds, and compare them with each other and with sources of editable
    installs."""
    entries = [entry for kind in kinds() for entry in registry(kind.plural).entries()]
    findings = [_finding(entry, problem and problem.replace(f"{entry} ", "", 1)) for entry, problem in zip(entries, probe(entries))]
    return findings + _conflicts(entries) + _hidden_kinds() + _outdated() + _other_contracts()


def _finding(entry: Entry, problem: Optional[str]) -> Finding:
    return Finding(entry.kind.singular, entry.name, f"{entry.distribution} {entry.version}", problem)


def _other_contracts() -> List[Finding]:
    points = [point for point in installed.points() if point.group == installed.API_GROUP]
    return [Finding("api", p.name, f"{p.distribution} {p.version}", installed.other_api(p.distribution)) for p in points]


def _conflicts(entries: List[Entry]) -> List[Finding]:
    same: Dict[Tuple[str, str], List[Entry]] = {}
    for entry in entries:
        same.setdefault((entry.kind.plural, normalize(entry.name)), []).append(entry)
    findings = []
    for group in same.values():
        for entry in group if len(group) > 1 else ():
            others = ", ".join(f"{e.distribution} {e.version}" for e in group if e is not entry)
            problem = f"also declared by {others}; write '{entry.distribution}:{entry.name}' in configurations"
            findings.append(_finding(entry, problem))
    return findings


def _hidden_kinds() -> List[Finding]:
    known = {kind.plural: kind.base for kind in kinds()}
    hidden = [entry for entry in registry("kinds").entries() if known[entry.name] != entry.value]
    return [_finding(entry, f"'{entry.name}' is already a kind, of {known[entry.name]}; choose another name") for entry in hidden]


def _outdated() -> List[Finding]:
    """Return findings for editable installs whose source tree now declares other entry points."""
    findings = []
    for distribution in importlib_metadata.distributions():
        folder = _editable_source(distribution)
        source = _declared_in(folder) if folder else None
        if source is None:
            continue
        points = entry_points_of(distribution) or ()
        installed = {(p.group, p.name): p.value for p in points if p.group.startswith(PREFIX)}
        for group, name in sorted(source.keys() | installed.keys()):
            if source.get((group, name)) != installed.get((group, name)):
                is_now = source.get((group, name), "not declared")
                was = installed.get((group, name), "not declared")
                problem = f"installed: {was}; in {folder}: {is_now}; reinstall it: pip install --no-deps -e {folder}"
                findings.append(Finding(_singular(group), name, f"{distribution.name} {distribution.version}", problem))
    return findings


def _singular(group: str) -> str:
    """Return the singular of a group; groups that are not kinds, such as ``mindpoint.configs``, keep their name."""
    kind = kind_called(group)
    return kind.singular if kind else group[len(PREFIX) :]


def _editable_source(distribution: Any) -> Optional[Path]:
    """Return the source folder of an ``importlib_metadata.Distribution`` that is installed as editable, else None."""
    try:
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        return Path(unquote(urlparse(origin["url"]).path)) if origin["dir_info"]["editable"] else None
    except (KeyError, TypeError, ValueError):  # not editable, or damaged
        return None


class _SetupFile(configparser.RawConfigParser):
    """A parser that keeps the case of names."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def _declared_in(folder: Path) -> Optional[Declared]:
    """Return the framework's entry points in ``setup.cfg`` or ``pyproject.toml``; None if neither declares readable entry points."""
    config = _SetupFile(delimiters=("=",))
    config.read(folder / "setup.cfg", encoding="utf-8")
    if config.has_section("options.entry_points"):
        groups = {group: _points(text) for group, text in config.items("options.entry_points")}
    else:
        groups = _pyproject(folder / "pyproject.toml").get("project", {}).get("entry-points")
    if groups is None:
        return None
    own = {group: points for group, points in groups.items() if group.startswith(PREFIX)}
    return {(group, name): value for group, points in own.items() for name, value in points.items()}


def _points(text: str) -> Dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _pyproject(path: Path) -> dict:
    try:
        import tomllib  # Python 3.11 and later; before that only setup.cfg is compared
    except ImportError:
        return {}
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
