"""Is a configuration usable? Every value is held against the schema and the constructors, without importing any part."""

from __future__ import annotations

import re
from dataclasses import fields as dataclass_fields
from typing import Iterator, List, Optional, Tuple

from mindpoint.config.node import Node, Problems, join, place
from mindpoint.config.references import Unresolved
from mindpoint.config.schema import Kind, Section, Slot
from mindpoint.config.text import one_line, parse
from mindpoint.config.walk import advice, below, fields
from mindpoint.errors import ConfigError
from mindpoint.registry import Annotation, Entry, Signature, nearest, registry, signature_of

_LISTS = ("list", "tuple", "Sequence")  # names of annotations


def check(kind: Kind, node: Node, path: str, problems: Problems) -> None:
    """Report everything that is wrong below a node."""
    if isinstance(node.value, Unresolved):
        return
    if not node.is_mapping:
        problems.add(node.where, path, f"takes a mapping of keys to values, not {_shown(node)}")
    elif isinstance(kind, Slot):
        _check_block(kind, node, path, problems)
    elif isinstance(kind, Section):
        _check_section(kind, node, path, problems)
    else:
        for key, child in node.value.items():
            check(kind.item, child, join(path, key), problems)


def positioned(node: Node, path: str, error: Exception) -> str:
    """The message of an error that a section or part raised, with its place: that of the key if the message opens with ``path.key``."""
    message = str(error)
    for key in node.keys():
        inner = join(path, key)
        if re.match(rf"{re.escape(inner)}\b", message):
            return place(node.child(key).where, inner) + message[len(inner) :]
    return f"{place(node.where, path)}: {message}"


def _check_section(section: Section, node: Node, path: str, problems: Problems) -> None:
    before = problems.count
    signature = fields(section)
    known = [*section.parts, *(parameter.name for parameter in signature.parameters)]
    for key, child in node.value.items():
        parameter = signature.parameter(key)
        if below(section, key) is not None:
            check(section.parts[key], child, join(path, key), problems)
        elif parameter is not None:
            _check_value(parameter.annotation, child, join(path, key), "", problems)
            _check_rule(section, key, child, join(path, key), problems)
        else:
            problems.add(child.where, join(path, key), f"unknown key '{key}'{advice(key, known, 'the keys here are')}")
    missing = list(_missing(section, signature, node))
    for key, what in missing if not problems.incomplete else ():
        problems.add(node.where, path, f"'{key}' is missing{what}")
    if section.settings is not None and not missing and problems.count == before:
        try:
            settings(section, node)
        except ConfigError as error:
            problems.add_message(positioned(node, path, error))
        except (TypeError, ValueError) as error:  # of a type that an annotation cannot say
            problems.add(node.where, path, f"holds a value that cannot be used: {error}")


def _missing(section: Section, signature: Signature, node: Node) -> Iterator[Tuple[str, str]]:
    for parameter in signature.parameters:
        if parameter.required and parameter.name not in node.value:
            yield parameter.name, f"; add '{parameter.name}: ...' ({parameter.annotation})"
    for key, part in section.parts.items():
        child = node.value.get(key)
        if part.required and (child is None or child.is_mapping and not child.value):
            what = f"block with a {registry(part.registry).kind.singular}" if isinstance(part, Slot) else "section"
            yield key, f"; add a {what}"


def _check_rule(section: Section, key: str, node: Node, path: str, problems: Problems) -> None:
    rule, text = next(item for item in dataclass_fields(section.settings) if item.name == key).metadata.get("rule", (None, ""))
    right_type = fields(section).parameter(key).annotation.accepts(node.plain())
    if rule and right_type and not rule(node.plain()):
        problems.add(node.where, path, f"{_shown(node)} is not allowed; it must be {text}")


def settings(section: Section, node: Optional[Node]) -> object:
    """The section's dataclass with the values that are written; lists become tuples."""
    written = node.value if node is not None else {}
    names = [parameter.name for parameter in fields(section).parameters]
    return section.settings(**{name: _tuples(written[name].plain()) for name in names if name in written})


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def find_entry(slot: Slot, node: Node, path: str, nested: bool = False) -> Entry:
    """The part that a block names. Raises ConfigError with its place."""
    said = node.value.get("type")
    kind = registry(slot.registry).kind.singular
    if said is None:
        raise ConfigError(f"{place(node.where, path)}: names no {kind}; add 'type: ...'")
    where = place(said.where, join(path, "type"))
    if not isinstance(said.value, str):
        raise ConfigError(f"{where}: takes the name of a {kind}, not {_shown(said)}")
    if nested and ":" not in said.value:
        raise ConfigError(f"{where}: '{said.value}' stands inside another block; write its class as package.module:Class")
    return registry(slot.registry).find(said.value, where)


def _check_block(slot: Slot, node: Node, path: str, problems: Problems, nested: bool = False) -> None:
    said = node.value.get("type")
    if said is not None and isinstance(said.value, Unresolved):
        return
    try:
        entry = find_entry(slot, node, path, nested)
    except ConfigError as error:
        problems.add_message(str(error))
        return
    try:
        signature = signature_of(entry)
    except ConfigError as error:  # only importing the part could tell, and it failed
        problems.add(said.where, join(path, "type"), str(error))
        return
    names = [parameter.name for parameter in signature.parameters]
    for key, child in node.value.items():
        parameter = signature.parameter(key)
        child_path = join(path, key)
        blocks = list(nested_blocks(child, child_path))
        if key == "type":
            continue
        if parameter is None and not signature.accepts_any_keyword:
            message = f"{entry.name} has no argument '{key}'{advice(key, names, 'it takes')}"
            problems.add(child.where, child_path, message if names else f"{message}; it takes none")
        elif parameter is not None and not blocks:
            _check_value(parameter.annotation, child, child_path, f"{entry.name} ", problems)
        for block_path, block in blocks:
            _check_block(slot, block, block_path, problems, nested=True)
    for parameter in signature.parameters:
        if parameter.required and parameter.name not in node.value and parameter.name not in slot.given:
            message = f"{entry.name} needs the argument '{parameter.name}' ({parameter.annotation}); add '{parameter.name}: ...'"
            problems.add(said.where, path, message)


def nested_blocks(node: Node, path: str) -> Iterator[Tuple[str, Node]]:
    """The outermost mappings with a ``type`` in a value."""
    if node.is_mapping and "type" in node.value:
        yield path, node
        return
    for key in node.keys():
        yield from nested_blocks(node.child(key), join(path, key))


def _check_value(annotation: Annotation, node: Node, path: str, owner: str, problems: Problems) -> None:
    if _has_unresolved(node) or annotation.accepts(node.plain()):
        return
    annotation, node, path = _innermost(annotation, node, path)
    problems.add(node.where, path, f"{owner}takes {annotation}, not {_shown(node)}{_mend(annotation, node.plain())}")


def _innermost(annotation: Annotation, node: Node, path: str) -> Tuple[Annotation, Node, str]:
    """The value inside a list or mapping that is to blame, with what it should be."""
    if annotation.name == "Union":
        names = _LISTS if node.is_list else ("dict",) if node.is_mapping else ()
        fitting = [choice for choice in annotation.arguments if choice.name in names]
        return _innermost(fitting[0], node, path) if len(fitting) == 1 else (annotation, node, path)
    if annotation.name == "dict" and node.is_mapping and annotation.arguments:
        items = [annotation.arguments[1]] * len(node.value)
    elif annotation.name in _LISTS and node.is_list and annotation.arguments:
        exact = annotation.name == "tuple" and annotation.arguments[-1] is not ...
        items = list(annotation.arguments) if exact else [annotation.arguments[0]] * len(node.value)
    else:
        return annotation, node, path
    if len(items) == len(node.value):
        for key, item in zip(node.keys(), items):
            if not item.accepts(node.child(key).plain()):
                return _innermost(item, node.child(key), join(path, key))
    return annotation, node, path


def _has_unresolved(node: Node) -> bool:
    return isinstance(node.value, Unresolved) or any(_has_unresolved(node.child(key)) for key in node.keys())


def _mend(annotation: Annotation, value: object) -> str:
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
