"""Support for former key names: they still work, with a warning."""

from __future__ import annotations

import logging
from dataclasses import fields
from functools import lru_cache
from typing import Dict, Optional

from mindpoint.config.node import Node, join, place
from mindpoint.config.schema import ROOT, Kind, Named, Section
from mindpoint.errors import ConfigError

log = logging.getLogger("mindpoint")


def with_current_names(node: Node, kind: Optional[Kind] = ROOT, path: str = "") -> Node:
    """Return the tree with current names for all keys of sections; log a warning for each old one."""
    if not node.is_mapping or not isinstance(kind, (Section, Named)):
        return node
    renamed = former_names(kind)
    entries = {}
    for key, child in node.mapping.items():
        inner = kind.parts.get(key) if isinstance(kind, Section) else kind.item
        if key in renamed:
            other = node.mapping.get(renamed[key])
            if other is not None:
                said = f"'{key}' is the former name of '{renamed[key]}', which is set at {other.where}; remove one of them"
                raise ConfigError(f"{place(child.where, join(path, key))}: {said}")
            _warn(f"{place(child.where, join(path, key))}: the key '{key}' is now called '{renamed[key]}'; the old name will be removed")
        entries[renamed.get(key, key)] = with_current_names(child, inner, join(path, key))
    return Node(entries, node.where)


@lru_cache(maxsize=None)  # a file may be read several times, as a base of several files
def _warn(message: str) -> None:
    log.warning("%s", message)


def former_names(kind: Optional[Kind]) -> Dict[str, str]:
    """Return a mapping from former to current names of a section's keys."""
    settings = kind.settings if isinstance(kind, Section) else None
    return {item.metadata["formerly"]: item.name for item in (fields(settings) if settings else ()) if "formerly" in item.metadata}
