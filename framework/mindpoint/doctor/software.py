"""Checks of installed versions against the requirements of the framework and the plugins."""

from __future__ import annotations

import platform
import shlex
import sys
from typing import Dict, List, Tuple

import importlib_metadata
from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion

from mindpoint.doctor.check import Check
from mindpoint.runtime.entry_points import entry_points_of

FRAMEWORK = "mindpoint"
OPTIONAL = "mindspore"  # package and extra: not needed in order to run exported files


def check_software() -> List[Check]:
    """Check Python, then each requirement of the framework and of the distributions with plugins, once."""
    wanted, unreadable = _requirements()
    return [_python(), *(_package(name, asked) for name, asked in wanted.items()), *unreadable]


def _python() -> Check:
    wanted = importlib_metadata.metadata(FRAMEWORK)["Requires-Python"] or ""
    value = f"{platform.python_version()} ({sys.executable})"
    if SpecifierSet(wanted).contains(platform.python_version(), prereleases=True):
        return Check("python", value)
    return Check("python", value, problem=f"{FRAMEWORK} needs Python {wanted}; use a virtual environment with it")


def _requirements() -> Tuple[Dict[str, Dict[str, str]], List[Check]]:
    """Return, for each required package, the version ranges by requiring distribution; also return a check for each requirement or
    ``entry_points.txt`` that cannot be read."""
    wanted: Dict[str, Dict[str, str]] = {}
    unreadable = []
    owners = {FRAMEWORK: importlib_metadata.distribution(FRAMEWORK)}
    for found in importlib_metadata.distributions():
        points = entry_points_of(found)
        if points is None:
            problem = f"its entry_points.txt cannot be read, so its parts are missing; install it again: {_install(found.name, '')}"
            unreadable.append(Check(f"entry points of {found.name}", "damaged", problem=problem))
        elif any(point.group.startswith(f"{FRAMEWORK}.") for point in points):
            owners.setdefault(found.name, found)
    for owner, distribution in owners.items():
        for line in distribution.requires or ():
            try:
                requirement = Requirement(line)
                needed = requirement.marker is None or requirement.marker.evaluate({"extra": OPTIONAL})
            except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName) as error:
                first = str(error).partition("\n")[0]
                note = f"cannot be read ({first}), so it was not checked; upgrade {owner}, or report this to its authors"
                unreadable.append(Check(f"requirement of {owner}", line, note=note))
                continue
            if needed:
                wanted.setdefault(requirement.name, {})[owner] = str(requirement.specifier)
    return {name: asked for name, asked in wanted.items() if name not in owners}, unreadable


def _package(name: str, asked: Dict[str, str]) -> Check:
    together = SpecifierSet(",".join(filter(None, asked.values())))
    version = None
    try:
        version = importlib_metadata.version(name)
    except KeyError:  # damaged metadata without a version
        pass
    except importlib_metadata.PackageNotFoundError:
        if name == OPTIONAL:
            return Check(name, "not installed", note=f"only ONNX and OpenVINO files can be used; for the rest: {_install(name, together)}")
        return Check(name, "not installed", problem=f"{_who(asked)}: {_install(name, together)}")
    try:
        if together.contains(version, prereleases=True):
            return Check(name, f"{version} ({together or 'any version'})")
    except (InvalidVersion, TypeError):  # damaged metadata
        return Check(name, f"its version cannot be read: {version}", problem=f"install it again: {_install(name, together)}")
    return Check(name, version, problem=f"{_who(asked)}: {_install(name, together)}")


def _who(asked: Dict[str, str]) -> str:
    return " and ".join(f"{owner} needs {specifier or 'it'}" for owner, specifier in asked.items())


def _install(name: str, specifier: object) -> str:
    return f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(f'{name}{specifier}')}"
