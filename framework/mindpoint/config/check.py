"""Checks a configuration against the schema and the constructors, without importing any part."""

from __future__ import annotations

import math
import re
from dataclasses import fields as dataclass_fields
from typing import Iterator, List, Optional, Sequence, Tuple

from mindpoint.config.node import Node, Problems, join, place
from mindpoint.config.references import Unresolved
from mindpoint.config.schema import Kind, Section, Slot
from mindpoint.config.text import one_line, parse
from mindpoint.config.trust import check_entry, check_text
from mindpoint.config.walk import advice, below, fields
from mindpoint.errors import ConfigError
from mindpoint.registry import (
    LISTS,
    Annotation,
    Entry,
    Registry,
    Signature,
    any_class,
    kind_called,
    nearest,
    registry,
    signature_in_source,
    signature_of,
)
from mindpoint.registry.annotation import ANY
from mindpoint.registry.signature import Parameter

_PART = object()
NAME = "name"
"""Constructor parameter that receives a part's key in a mapping."""


class Checker:
    """Reports every error in a configuration.

    Args:
        root: the whole configuration, because parts may need one of its sections.
        parts: dotted paths of the slots to check; a prefix covers everything below it. For other slots only the form is checked, so that
            an unused plugin may be absent. None: all slots.
        imports: import a part if its source does not reveal its arguments.

    Attributes:
        remarks: items that could not be checked without an import.
    """

    def __init__(self, root: Node, problems: Problems, parts: Optional[Sequence[str]] = None, imports: bool = False) -> None:
        self._problems, self._parts, self._imports = problems, parts, imports
        self.remarks: List[str] = []
        self._absent = [name for name in registry("sections").names() if name not in root.keys()]

    def check(self, kind: Kind, node: Node, path: str) -> None:
        """Check a node and everything below it."""
        if isinstance(node.value, Unresolved):
            return
        if not node.is_mapping:
            self._problems.add(node.where, path, f"takes a mapping of keys to values, not {_shown(node)}")
        elif isinstance(kind, Slot) and self._uses(path):
            self._check_block(registry(kind.registry), node, path, kind.given)
        elif isinstance(kind, Slot):
            self._check_form(registry(kind.registry), node, path)
        elif isinstance(kind, Section):
            self._check_section(kind, node, path)
        else:
            for key, child in node.mapping.items():
                self.check(kind.item, child, join(path, key))

    def _uses(self, path: str) -> bool:
        return self._parts is None or any(f"{part}.".startswith(f"{path}.") or f"{path}.".startswith(f"{part}.") for part in self._parts)

    def _check_section(self, section: Section, node: Node, path: str) -> None:
        before = self._problems.count
        signature = fields(section)
        known = [*section.parts, *(parameter.name for parameter in signature.parameters)]
        for key, child in node.mapping.items():
            parameter, child_path = signature.parameter(key), join(path, key)
            if below(section, key) is not None:
                self.check(section.parts[key], child, child_path)
            elif parameter is not None:
                self._check_value(parameter.annotation, child, child_path, "")
                self._check_rule(section, key, parameter.annotation, child, child_path)
            elif path or self._parts is None or not child.is_mapping:  # a mapping at the top level may be the section of an unused plugin
                self._problems.add(child.where, child_path, f"unknown key '{key}'{advice(key, known, 'the keys here are')}")
        missing = list(self._missing(section, signature, node, path))
        for key, what in missing if not self._problems.incomplete else ():
            self._problems.add(node.where, path, f"'{key}' is missing{what}")
        if section.settings is not None and not missing and self._problems.count == before:
            try:
                settings(section, node)
            except ConfigError as error:
                self._problems.add_message(positioned(node, path, error))
            except Exception as error:  # raised by a plugin's dataclass, which may check more than annotations express
                self._problems.add(node.where, path, f"holds a value that cannot be used: {error}")

    def _missing(self, section: Section, signature: Signature, node: Node, path: str) -> Iterator[Tuple[str, str]]:
        for parameter in signature.parameters:
            if parameter.required and parameter.name not in node.mapping:
                yield parameter.name, f"; add '{parameter.name}: ...' ({parameter.annotation})"
        for key, part in section.parts.items():
            child = node.mapping.get(key)
            needed = part.required and (isinstance(part, Section) and part.source is not None or self._uses(join(path, key)))
            if needed and (child is None or child.is_mapping and not child.mapping):
                what = f"block with a {registry(part.registry).kind.singular}" if isinstance(part, Slot) else "section"
                yield key, f"; add a {what}"

    def _check_rule(self, section: Section, key: str, annotation: Annotation, node: Node, path: str) -> None:
        assert section.settings is not None, "a key belongs to a dataclass"
        rule, text = next(item for item in dataclass_fields(section.settings) if item.name == key).metadata.get("rule", (None, ""))
        if rule and annotation.accepts(node.plain()) and not rule(node.plain()):
            must = text if isinstance(text, str) else text(node.plain())
            self._problems.add(node.where, path, f"{_shown(node)} is not allowed; it must be {must}")

    def _check_form(self, parts: Registry, node: Node, path: str) -> None:
        try:
            _type_of(parts, node, path)
        except ConfigError as error:
            self._problems.add_message(str(error))

    def _check_block(self, parts: Registry, node: Node, path: str, given: Sequence[str]) -> None:
        said = node.mapping.get("type")
        if said is not None and isinstance(said.value, Unresolved):
            return
        try:
            entry, said = find_entry(parts, node, path)
            entry.check_source(place(said.where, join(path, "type")))
        except ConfigError as error:
            self._problems.add_message(str(error))
            return
        try:
            signature = signature_of(entry) if self._imports else signature_in_source(entry)
        except ConfigError as error:  # the check needs an import of the part, which failed
            self._problems.add(said.where, join(path, "type"), str(error))
            return
        if signature is None:
            self.remarks.append(f"{place(said.where, join(path, 'type'))}: {entry} cannot be checked without importing it")
            return
        inner = [name for name in given if name != NAME]
        for key, child in node.mapping.items():
            if key != "type":
                self._check_argument(entry, signature, key, child, join(path, key), inner)
        for parameter in signature.parameters:
            if parameter.required and parameter.name not in node.mapping:
                self._check_given(entry, parameter, said.where, path, given)

    def _check_argument(self, entry: Entry, signature: Signature, key: str, node: Node, path: str, given: Sequence[str]) -> None:
        parameter = signature.parameter(key)
        blocks = list(_nested_blocks(node, path))
        if parameter is None and not signature.accepts_any_keyword:
            names = [parameter.name for parameter in signature.parameters]
            message = f"{entry.name} has no argument '{key}'{advice(key, names, 'it takes')}"
            self._problems.add(node.where, path, message if names else f"{message}; it takes no arguments")
        elif parameter is not None:
            self._check_value(parameter.annotation, node, path, f"{entry.name} ", with_blocks=bool(blocks))
        try:
            check_text(parameter.annotation if parameter else ANY, node, path)
        except ConfigError as error:
            self._problems.add_message(str(error))
        for block_path, block, is_named in blocks:
            self._check_block(parts_of_argument(key), block, block_path, (*given, NAME) if is_named else given)

    def _check_given(self, entry: Entry, parameter: Parameter, where: str, path: str, given: Sequence[str]) -> None:
        if parameter.name in self._absent:
            message = f"{entry.name} needs the section '{parameter.name}'; add '{parameter.name}: ...' at the top level"
            self._problems.add(where, path, message)
        elif parameter.name not in given:
            message = f"{entry.name} needs the argument '{parameter.name}' ({parameter.annotation}); add '{parameter.name}: ...'"
            self._problems.add(where, path, message)

    def _check_value(self, annotation: Annotation, node: Node, path: str, owner: str, with_blocks: bool = False) -> None:
        if _has_unresolved(node) or annotation.accepts(_with_parts(node) if with_blocks else node.plain()):
            return
        if with_blocks:
            self._problems.add(node.where, path, f"{owner}takes {annotation}, not a block with a part")
            return
        annotation, node, path = _innermost(annotation, node, path)
        self._problems.add(node.where, path, f"{owner}takes {annotation}, not {_shown(node)}{_mend(annotation, node.plain())}")


def positioned(node: Node, path: str, error: Exception) -> str:
    """Return the error message of a section or part, with the position of its ``key``, or of the whole block.

    If the error has no ``key``, its message may start with a whole path, whose position is then used.
    """
    message, key = str(error), getattr(error, "key", None)
    if key is None:
        for said, child in node.children():
            inner = join(path, said)
            if re.match(rf"{re.escape(inner)}\b", message):
                return place(child.where, inner) + message[len(inner) :]
    for step in key.split(".") if key else ():
        path, node = join(path, step), node.child(step) or node
    return f"{place(node.where, path)}: {message}"


def settings(section: Section, node: Optional[Node]) -> object:
    """Return the section as its dataclass, with the values of the configuration; lists become tuples."""
    assert section.settings is not None, "only a section with a dataclass has settings"
    written = node.mapping if node is not None else {}
    names = [parameter.name for parameter in fields(section).parameters]
    return section.settings(**{name: _tuples(written[name].plain()) for name in names if name in written})


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def find_entry(parts: Registry, node: Node, path: str) -> Tuple[Entry, Node]:
    """Return the part that a block names, and the node of the name. Raises ConfigError with its position."""
    name, said, place_of_type = _type_of(parts, node, path), node.mapping["type"], join(path, "type")
    where = place(said.where, place_of_type)
    if parts is any_class and ":" not in name:
        raise ConfigError(f"{where}: '{name}' is inside another block; write its class as package.module:Class")
    entry = parts.find(name, where)
    check_entry(entry, said, place_of_type)
    return entry, said


def _type_of(parts: Registry, node: Node, path: str) -> str:
    said, kind = node.mapping.get("type"), parts.kind.singular
    if said is None:
        raise ConfigError(f"{place(node.where, path)}: names no {kind}; add 'type: ...'")
    if not isinstance(said.value, str):
        raise ConfigError(f"{place(said.where, join(path, 'type'))}: takes the name of a {kind}, not {_shown(said)}")
    return said.value


def parts_of_argument(name: str) -> Registry:
    """Return the registry for blocks inside an argument: the registry of the kind that has the argument's name, or else of all classes."""
    kind = kind_called(name)
    return registry(kind.plural) if kind and kind.in_blocks else any_class


def _with_parts(node: Node) -> object:
    """Return the plain value, with each block replaced by a placeholder object, which no simple type accepts."""
    if "type" in node.mapping:
        return _PART
    if node.is_mapping:
        return {key: _with_parts(child) for key, child in node.mapping.items()}
    return [_with_parts(child) for child in node.items] if node.is_list else node.value


def _nested_blocks(node: Node, path: str, is_named: bool = False) -> Iterator[Tuple[str, Node, bool]]:
    """Yield the outermost mappings with a ``type`` in a value, and whether each has a name: its key in a mapping."""
    if "type" in node.mapping:
        yield path, node, is_named
        return
    for key, child in node.children():
        yield from _nested_blocks(child, join(path, key), node.is_mapping)


def _innermost(annotation: Annotation, node: Node, path: str) -> Tuple[Annotation, Node, str]:
    """Return the innermost invalid value of a list or mapping, with the annotation it violates."""
    if annotation.name == "Union":
        names = LISTS if node.is_list else ("dict",) if node.is_mapping else ()
        fitting = [choice for choice in annotation.arguments if choice.name in names]
        return _innermost(fitting[0], node, path) if len(fitting) == 1 else (annotation, node, path)
    if annotation.name == "dict" and node.is_mapping and annotation.arguments:
        items = [annotation.arguments[1]] * len(node.keys())
    elif annotation.name in LISTS and node.is_list and annotation.arguments:
        exact = annotation.name == "tuple" and annotation.arguments[-1] is not ...
        items = list(annotation.arguments) if exact else [annotation.arguments[0]] * len(node.keys())
    else:
        return annotation, node, path
    if len(items) == len(node.keys()):
        for (key, child), item in zip(node.children(), items):
            if not item.accepts(child.plain()):
                return _innermost(item, child, join(path, key))
    return annotation, node, path


def _has_unresolved(node: Node) -> bool:
    return isinstance(node.value, Unresolved) or any(_has_unresolved(child) for _, child in node.children())


def _mend(annotation: Annotation, value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "; write a finite number"
    if annotation.accepts([value]):
        return f"; write {one_line([value])}"
    if not isinstance(value, str):
        return ""
    if value.lower() in ("yes", "no", "on", "off", "true", "false") and annotation.accepts(True):
        return f"; write {'true' if value.lower() in ('yes', 'on', 'true') else 'false'}"
    try:
        unquoted = parse(value, str, Problems()).plain()
    except ConfigError:
        unquoted = value
    if unquoted != value and annotation.accepts(unquoted):
        return "; remove the quotes"
    near = nearest(value, _choices(annotation))
    return f"; did you mean '{near[0]}'?" if near else ""


def _choices(annotation: Annotation) -> List[str]:
    if annotation.name == "Union":
        return [choice for argument in annotation.arguments for choice in _choices(argument)]
    return [choice for choice in annotation.arguments if isinstance(choice, str)] if annotation.name == "Literal" else []


def _shown(node: Node) -> str:
    value = node.plain()
    text = repr(value) if isinstance(value, str) else one_line(value)
    return text if len(text) <= 60 else text[:57] + "..."
