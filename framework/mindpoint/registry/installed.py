"""Entry points of installed distributions in mindpoint's groups."""

from __future__ import annotations

from functools import lru_cache
from typing import Dict, NamedTuple, Tuple

PREFIX = "mindpoint."


class Point(NamedTuple):
    """One entry point, as its distribution declares it."""

    group: str
    name: str
    value: str
    distribution: str
    version: str


@lru_cache(maxsize=None)
def points() -> Tuple[Point, ...]:
    """Return the entry points whose group begins with ``mindpoint.``; read once a process."""
    import importlib_metadata

    found = []
    identities: Dict[object, Tuple[str, str]] = {}  # asking a distribution for its name parses all of its metadata
    for point in importlib_metadata.entry_points():
        if point.group.startswith(PREFIX):
            if point.dist not in identities:
                identities[point.dist] = (point.dist.name, point.dist.version)
            found.append(Point(point.group, point.name, point.value, *identities[point.dist]))
    return tuple(found)


def distribution_of(module: str) -> str:
    """Return name and version of the installed distribution that a module belongs to; empty if that cannot be told."""
    import importlib_metadata

    package = module.partition(".")[0]
    for point in points():
        if point.value.partition(":")[0].partition(".")[0] == package:
            return f"{point.distribution} {point.version}"
    names = importlib_metadata.packages_distributions().get(package, ())
    return f"{names[0]} {importlib_metadata.version(names[0])}" if names else ""
