"""Merging of one configuration over another."""

from __future__ import annotations

from dataclasses import fields
from typing import Dict, Mapping, Optional

from mindpoint.config.node import Node, Problems, join
from mindpoint.config.schema import ROOT, Section
from mindpoint.config.walk import kind_at
from mindpoint.registry import normalize

REPLACE = "_replace_"


def merge(base: Optional[Node], top: Node, problems: Problems, path: str = "", keep: bool = False) -> Node:
    """Return ``top`` merged over ``base``: mappings merge, everything else replaces. Keys of ``base`` that would override keys of ``top``
    are removed.

    A mapping whose ``type`` differs from that in ``base`` replaces the mapping in ``base``, because arguments of one part do not fit
    another. ``_replace_: true`` forces replacement.

    Args:
        keep: leave ``_replace_`` in the result, for a later merge.
    """
    if not top.is_mapping:
        return top
    below = base.mapping if base is not None and base.is_mapping and not _replaces(base, top, problems, path) else {}
    merged = without_overriding(below, top.mapping, path)
    for key, child in top.mapping.items():
        if keep or key != REPLACE:
            merged[key] = merge(below.get(key), child, problems, join(path, key), keep)
    return Node(merged, top.where)


def without_overriding(below: Mapping[str, Node], top: Mapping[str, Node], path: str) -> Dict[str, Node]:
    """Return entries without the keys that would override a key of ``top``: without ``train.steps`` if ``top`` sets ``train.epochs``."""
    kind = kind_at(path) if path else ROOT
    settings = kind.settings if below and isinstance(kind, Section) else None
    said = [item for item in (fields(settings) if settings else ()) if item.name in top and top[item.name].value is not None]
    overriding = {item.metadata.get("yields_to") for item in said} - top.keys()
    return {key: child for key, child in below.items() if key not in overriding}


def _replaces(base: Node, top: Node, problems: Problems, path: str) -> bool:
    forced = top.mapping.get(REPLACE)
    if forced is not None and not isinstance(forced.value, bool):
        problems.add(forced.where, join(path, REPLACE), f"{forced.value!r} is neither true nor false")
    if forced is not None and forced.value is True:
        return True
    old, new = base.block_type(), top.block_type()
    return old is not None and new is not None and normalize(old) != normalize(new)
