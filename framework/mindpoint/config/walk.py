"""Schema queries that depend on a position in a configuration."""

from __future__ import annotations

from functools import lru_cache
from typing import List, Optional

from mindpoint.config.node import Node
from mindpoint.config.schema import ROOT, Kind, Named, Section, Slot
from mindpoint.errors import ConfigError
from mindpoint.registry import Annotation, Signature, nearest, registry, signature_in_source
from mindpoint.registry.annotation import ANY
from mindpoint.registry.signature import inspected


def kind_at(path: str) -> Optional[Kind]:
    """Return the section, mapping or slot at a dotted path; None for any other path."""
    kind: Optional[Kind] = ROOT
    for key in path.split("."):
        kind = below(kind, key)
    return kind


def below(kind: Optional[Kind], key: str) -> Optional[Kind]:
    """Return the section, mapping or slot that ``key`` names below ``kind``, or None."""
    if isinstance(kind, Section):
        return kind.parts.get(key)
    return kind.item if isinstance(kind, Named) else None


def fields(section: Section) -> Signature:
    """Return the keys of a section that hold values, not sections or parts."""
    return _signature(section.settings) if section.source else Signature((), False, None, None)


_signature = lru_cache(maxsize=None)(inspected)


def possible_keys(kind: Optional[Kind], node: Node) -> Optional[List[str]]:
    """Return the keys that the schema, or the constructor of the named part, accepts; None if any key is allowed or this is unknown."""
    if isinstance(kind, Section):
        return [*kind.parts, *(parameter.name for parameter in fields(kind).parameters)]
    if isinstance(kind, Slot):
        try:
            signature = signature_in_source(registry(kind.registry).find(node.block_type() or ""))
        except ConfigError:
            return None
        return (
            None
            if signature is None or signature.accepts_any_keyword
            else ["type", *(parameter.name for parameter in signature.parameters)]
        )
    return []


def annotation_at(kind: Optional[Kind], node: Node, key: str) -> Annotation:
    """Return the annotation of the value of ``key``, as far as the schema or the constructor of the named part declares it."""
    signature = fields(kind) if isinstance(kind, Section) else None
    if isinstance(kind, Slot) and key == "type":
        return Annotation("str")
    if isinstance(kind, Slot):
        try:
            signature = signature_in_source(registry(kind.registry).find(node.block_type() or ""))
        except ConfigError:
            return ANY
    parameter = signature.parameter(key) if signature else None
    return parameter.annotation if parameter else ANY


def without_nulls(kind: Optional[Kind], node: Node) -> Node:
    """Return the tree without the sections, mappings and slots that are set to null. Null thus removes an inherited entry."""
    if not node.is_mapping or kind is None:
        return node
    kept = {}
    for key, child in node.mapping.items():
        inner = below(kind, key)
        if inner is None or child.value is not None:
            kept[key] = without_nulls(inner, child)
    return Node(kept, node.where)


def advice(word: str, known: List[str], otherwise: str) -> str:
    """Return ``; did you mean 'x'?``, or the known words, introduced by ``otherwise``."""
    near = nearest(word, known)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; {otherwise} {', '.join(known)}" if known else ""
