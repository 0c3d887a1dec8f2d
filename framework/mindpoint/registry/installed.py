"""Entry points of installed distributions in mindpoint's groups."""

from __future__ import annotations

from functools import lru_cache
from typing import Dict, NamedTuple, Optional, Tuple

from mindpoint._version import API
from mindpoint.runtime.entry_points import entry_points_of

PREFIX = "mindpoint."
API_GROUP = "mindpoint.api"
"""The group of the entry point whose name is the contract version that a distribution was made for."""


class Point(NamedTuple):
    """One entry point, as declared by its distribution."""

    group: str
    name: str
    value: str
    distribution: str
    version: str


@lru_cache(maxsize=None)
def points() -> Tuple[Point, ...]:
    """Return the entry points whose group begins with ``mindpoint.``; read once per process."""
    import importlib_metadata

    try:
        every = list(importlib_metadata.entry_points())
    except Exception:  # raised for a damaged distribution; the parser's errors have no common base
        every = [point for distribution in importlib_metadata.distributions() for point in entry_points_of(distribution) or ()]
    found = []
    identities: Dict[object, Tuple[str, str]] = {}  # a distribution's name requires parsing all of its metadata
    for point in every:
        if point.group.startswith(PREFIX):
            if point.dist not in identities:
                identities[point.dist] = (point.dist.name, point.dist.version)
            found.append(Point(point.group, point.name, point.value, *identities[point.dist]))
    return tuple(found)


def other_api(distribution: str) -> Optional[str]:
    """Return a message about a distribution that was made for contracts that this version does not support; None if they are supported or
    not declared.

    Contracts of one major version work with those of every later minor version.
    """
    said = next((point.name for point in points() if point.group == API_GROUP and point.distribution == distribution), None)
    if said is None:
        return None
    major, _, minor = said.partition(".")
    ours, _, newest = API.partition(".")
    if major.isdecimal() and (minor or "0").isdecimal():
        if major == ours and int(minor or 0) <= int(newest):
            return None
        advice = "upgrade mindpoint" if (int(major), int(minor or 0)) > (int(ours), int(newest)) else f"look for a newer {distribution}"
        return f"{distribution} was made for version {said} of mindpoint's contracts, but this is {API}; {advice}"
    return f"{distribution} declares the invalid version {said!r} of mindpoint's contracts; write a version such as {API}"


def distribution_of(module: str) -> str:
    """Return name and version of the installed distribution that a module belongs to; empty if unknown."""
    import importlib_metadata

    package = module.partition(".")[0]
    for point in points():
        if point.value.partition(":")[0].partition(".")[0] == package:
            return f"{point.distribution} {point.version}"
    names = importlib_metadata.packages_distributions().get(package, ())
    return f"{names[0]} {importlib_metadata.version(names[0])}" if names else ""
