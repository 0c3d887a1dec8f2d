"""Keys that had another name in an earlier version: they still work, with a warning."""

from __future__ import annotations

import logging
from dataclasses import fields
from typing import Dict, Optional

from mindpoint.config.node import Node, join
from mindpoint.config.schema import ROOT, Kind, Named, Section

log = logging.getLogger("mindpoint")


def with_current_names(node: Node, kind: Optional[Kind] = ROOT, path: str = "") -> Node:
    """Return the tree with the current names of all keys of sections; log a warning for each old one."""
    if not node.is_mapping or not isinstance(kind, (Section, Named)):
        return node
    renamed = former_names(kind)
    entries = {}
    for key, child in node.value.items():
        inner = kind.parts.get(key) if isinstance(kind, Section) else kind.item
        if key in renamed:
            log.warning("%s: '%s' is now called '%s'; the old name will go", child.where, join(path, key), renamed[key])
        entries[renamed.get(key, key)] = with_current_names(child, inner, join(path, key))
    return Node(entries, node.where)


def former_names(kind: Optional[Kind]) -> Dict[str, str]:
    """Return the current name of each former one among the keys of a section."""
    settings = kind.settings if isinstance(kind, Section) else None
    return {item.metadata["formerly"]: item.name for item in (fields(settings) if settings else ()) if "formerly" in item.metadata}
