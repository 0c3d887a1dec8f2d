"""Conversion of YAML text to nodes and back.

Scalars follow YAML 1.2's core schema: ``1e-4`` is a float, only ``true`` and ``false`` are booleans, ``010`` is ten,
``1:30``, ``yes`` and ``2024-01-01`` are strings. PyYAML alone follows YAML 1.1, which reads all of these differently.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Callable, Dict, List, Optional, Set, Union

import yaml

from mindpoint.config.node import MOST_LEVELS, MOST_NODES, Node, Problems, Scalar, Trust, join, size_and_height
from mindpoint.errors import ConfigError

MOST_CHARACTERS = 2_000_000
"""Maximum length of a text, and of the text that all references of a configuration insert."""
_LONGEST_NUMBER = 400  # characters

_TAG = "tag:yaml.org,2002:"
_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
)

_NUMBERS = {name: re.compile(pattern) for name, pattern, _ in _SCALARS if name in ("int", "float")}

_HINTS = (
    ("'\\t'", "indent with spaces, not tabs"),
    ("mapping values are not allowed", "put a string that contains ': ' in quotes; otherwise check the indentation"),
    ("expected ',' or '}'", "look for a missing comma or bracket; a ${reference} inside brackets needs quotes"),
    ("expected ',' or ']'", "look for a missing comma or bracket; a ${reference} inside brackets needs quotes"),
    ("could not find expected ':'", "a key needs a colon and a space after it"),
    ("expected <block end>", "check the indentation of this line and the lines above it"),
    ("undefined alias", "an anchor (&name) must come before its alias (*name) in the same file"),
    ("quoted scalar", "close the quotes"),
    ("expected the node content", "look for a missing value or bracket"),
    ("cannot start any token", "put the text in quotes"),
    ("single document", "one file holds one configuration; remove the '---'"),
)


class _Loader(yaml.SafeLoader):
    """Reads values one by one, and stops at the limits of a configuration."""

    yaml_implicit_resolvers: dict = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._count = self._level = 0

    def compose_node(self, parent: Optional[yaml.Node], index: Any) -> Optional[yaml.Node]:
        self._count, self._level = self._count + 1, self._level + 1
        if self._count > 2 * MOST_NODES or self._level > MOST_LEVELS:  # keys count, too
            limit = f"{MOST_LEVELS} levels" if self._level > MOST_LEVELS else f"{MOST_NODES:,} values"
            event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
            raise yaml.MarkedYAMLError(problem=f"more than {limit}", problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self._level -= 1
        return node


class _Dumper(yaml.SafeDumper):
    """Quotes a string if YAML 1.1 or 1.2 would read it as another type."""

    def ignore_aliases(self, data: object) -> bool:
        return True


for _name, _pattern, _first in _SCALARS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _first)


def parse(text: str, place: Callable[[int], str], problems: Problems, path: str = "", trust: Trust = Trust.USER) -> Node:
    """Read one YAML document.

    Args:
        text: the document; an empty one is null.
        place: function that returns the name of a line (1-based), e.g. ``configs/a.yaml:4``.
        problems: collects duplicate keys and similar errors.
        path: path of the value in the configuration, for messages.
        trust: trust in all its values.

    Raises:
        ConfigError: the text is not YAML, or exceeds the limits of a configuration.
    """
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(f"{place(1)}: {len(text):,} characters; a configuration has at most {MOST_CHARACTERS:,}")
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        hint = next((f"; {hint}" for sign, hint in _HINTS if sign in said), "")
        raise ConfigError(f"{place(mark.line + 1 if mark else 1)}: invalid YAML: {said}{hint}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{place(line)}: invalid YAML: the character {chr(error.character)!r} is not allowed; remove it") from error
    if root is None:
        return Node(None, place(1), trust)
    node = _Converter(place, problems, trust).node(root, path)
    size_and_height(node)
    return node


class _Converter:
    """Converts PyYAML's nodes to :class:`Node`."""

    def __init__(self, place: Callable[[int], str], problems: Problems, trust: Trust) -> None:
        self._place = place
        self._problems = problems
        self._trust = trust
        self._open: Set[int] = set()
        self._done: Dict[int, Node] = {}

    def node(self, source: yaml.Node, path: str) -> Node:
        """Return the node of a value; an alias returns the same node."""
        if id(source) not in self._done:
            self._done[id(source)] = self._converted(source, path)
        return self._done[id(source)]

    def _converted(self, source: yaml.Node, path: str) -> Node:
        where = self._place(source.start_mark.line + 1)
        kind = source.tag[len(_TAG) :] if source.tag.startswith(_TAG) else source.tag
        if kind not in ("null", "bool", "int", "float", "str", "seq", "map"):
            raise ConfigError(f"{where}: {path}: the YAML tag '{source.tag.replace(_TAG, '!!')}' is not supported; remove it")
        if id(source) in self._open:
            raise ConfigError(f"{where}: {path}: the alias is inside its own anchor; write the value out")
        if isinstance(source, yaml.ScalarNode):
            try:
                return Node(_scalar(kind, source.value), where, self._trust)
            except ValueError as error:
                if len(source.value) > _LONGEST_NUMBER:
                    raise ConfigError(
                        f"{where}: {path}: the number is too long; at most {_LONGEST_NUMBER} characters are allowed"
                    ) from error
                raise ConfigError(f"{where}: {path}: '{source.value}' is not a valid {kind}; remove the YAML tag") from error
        self._open.add(id(source))
        value: Union[List[Node], Dict[str, Node]]
        if isinstance(source, yaml.SequenceNode):
            value = [self.node(item, join(path, str(index))) for index, item in enumerate(source.value)]
        else:
            assert isinstance(source, yaml.MappingNode), "a YAML node is a scalar, a sequence or a mapping"
            value = self._mapping(source, path)
        self._open.remove(id(source))
        return Node(value, where)

    def _mapping(self, source: yaml.MappingNode, path: str) -> Dict[str, Node]:
        own: Dict[str, Node] = {}
        merged: Dict[str, Node] = {}
        for key_source, value_source in source.value:
            where = self._place(key_source.start_mark.line + 1)
            if key_source.tag == _TAG + "merge":
                for name, child in self._merge_key(value_source, where, path).items():
                    merged.setdefault(name, child)
                continue
            key = key_source.value
            if key_source.tag != _TAG + "str":
                self._problems.add(where, path, f"the key {_spell(key_source)} is not a string; put it in quotes")
                key = _spell(key_source)
            child_path = join(path, key)
            child = self.node(value_source, child_path)
            if key in own:
                self._problems.add(where, child_path, f"duplicate key '{key}', already set at {own[key].where}; remove one of them")
            own[key] = replace(child, where=where)
        return {**merged, **own}

    def _merge_key(self, source: yaml.Node, where: str, path: str) -> Dict[str, Node]:
        found: Dict[str, Node] = {}
        for item in source.value if isinstance(source, yaml.SequenceNode) else [source]:
            if not isinstance(item, yaml.MappingNode):
                self._problems.add(where, path, "'<<' takes a mapping (*anchor) or a list of mappings")
                continue
            for name, child in self.node(item, path).mapping.items():
                found.setdefault(name, child)
        return found


def _spell(source: yaml.Node) -> str:
    return source.value if isinstance(source, yaml.ScalarNode) else "in brackets"


def _scalar(kind: str, text: str) -> Scalar:
    if kind == "null":
        return None
    if kind == "bool":
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if kind in ("int", "float") and (len(text) > _LONGEST_NUMBER or not _NUMBERS[kind].fullmatch(text)):
        raise ValueError(text)
    if kind == "int":
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if kind == "float":
        return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    return text


def one_line(value: object) -> str:
    """Return a value as YAML in one line."""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf"))
    return text[: -len("\n...\n")] if text.endswith("\n...\n") else text.rstrip("\n")


def to_text(node: Node, origin: bool = False, indent: str = "") -> str:
    """Return a mapping as YAML: nested mappings indented, everything else on one line. With ``origin`` each line ends with its position."""
    text = ""
    for key, child in node.mapping.items():
        name = indent + one_line(key)
        if child.mapping:
            text += f"{name}:\n" + to_text(child, origin, indent + "  ")
        else:
            line = f"{name}: {one_line(child.plain())}"
            text += f"{line:<60}  # {child.where}\n" if origin else f"{line}\n"
    return text
