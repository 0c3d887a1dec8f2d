"""``--set a.b.0.c=value``: changes to a configuration from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from mindpoint.config.local_parts import with_whole_paths
from mindpoint.config.merge import merge, without_overriding
from mindpoint.config.node import Node, Problems, join
from mindpoint.config.renamed import with_current_names
from mindpoint.config.schema import ROOT, Kind, Section, Slot
from mindpoint.config.text import parse
from mindpoint.config.walk import advice, annotation_at, below, possible_keys
from mindpoint.errors import ConfigError
from mindpoint.registry import nearest
from mindpoint.registry.annotation import ANY, Annotation


def apply(root: Node, overrides: Sequence[str], problems: Problems) -> Node:
    """Apply the overrides in order, each like a file that inherits from the configuration.

    The path must exist, or be known to the schema or to the constructor of the part it leads into; a leading ``+`` allows any other.
    """
    for text in overrides:
        try:
            root = _Override(text, problems).apply(root, ROOT, 0)
        except ConfigError as error:
            problems.add_message(str(error))
    return root


def _current(keys: List[str], value: Node) -> Tuple[List[str], Node]:
    """Return the path and the value with the current names of all keys."""
    for key in reversed(keys):
        value = Node({key: value}, value.where)
    value, path = with_current_names(value), []
    for _ in keys:
        ((key, value),) = value.mapping.items()
        path.append(key)
    return path, value


class _Override:
    def __init__(self, text: str, problems: Problems) -> None:
        path, equals, value = text.partition("=")
        self._adds = path.startswith("+")
        path = path.lstrip("+").strip()
        self._keys = path.split(".")
        if not equals or "" in self._keys:
            raise ConfigError(f"--set {text}: write KEY=VALUE, with dots in KEY, e.g. --set train.epochs=10")
        self._where = f"--set {path}"
        self._problems = problems
        self._text = value.strip()
        self._error: Optional[ConfigError] = None
        try:
            parsed = parse(value, lambda line: self._where, problems, path)
        except ConfigError as error:  # a text need not be valid YAML if a string is expected
            parsed, self._error = Node(self._text, self._where), error
        self._keys, self._value = _current(self._keys, parsed)

    def apply(self, node: Node, kind: Optional[Kind], depth: int) -> Node:
        key, rest = self._keys[depth], self._keys[depth + 1 :]
        if not rest:
            self._value = with_whole_paths(self._meant(annotation_at(kind, node, key)), Path(), ".".join(self._keys))
        child = node.child(key)
        if child is None:
            self._check_missing(node, kind, depth)
            child = Node({}, self._where)
        if rest:
            changed = self.apply(child, below(kind, key), depth + 1)
        elif node.is_mapping and key == "type":  # merge with the whole block: another part replaces the block
            return merge(node, Node({key: self._value}, node.where), self._problems)
        else:
            changed = merge(child, self._value, self._problems, ".".join(self._keys))
        if node.is_list:
            return Node([changed if str(index) == key else item for index, item in enumerate(node.items)], node.where)
        kept = without_overriding(node.mapping, {key: changed}, ".".join(self._keys[:depth]))
        return Node({**kept, key: changed}, node.where)

    def _meant(self, annotation: Annotation) -> Node:
        """Return the value. It is the text unchanged if a string is expected and YAML would parse it as another type or drop some of it.

        Raises:
            ConfigError: the text is not YAML, and a string is not allowed.
        """
        text, value = Node(self._text, self._where), self._value
        if self._text[:1] in ("'", '"') and not self._error:
            return value
        takes_text = bool(self._text) and annotation.accepts(self._text)
        if self._error is not None:
            if takes_text and annotation != ANY:
                return text
            raise self._error
        cut = not (value.is_mapping or value.is_list) and (" #" in self._text or self._text.startswith("#"))
        return text if cut or takes_text and (isinstance(value.value, str) or not annotation.accepts(value.plain())) else value

    def _check_missing(self, node: Node, kind: Optional[Kind], depth: int) -> None:
        key, path = self._keys[depth], ".".join(self._keys[:depth])
        if node.is_list:
            count = len(node.keys())
            raise ConfigError(f"{self._where}: {path} has {count} items, counted from 0; to add more, set the whole list")
        if not node.is_mapping and node.value is not None:
            raise ConfigError(f"{self._where}: {path} is not a mapping, so it has no '{key}'")
        possible = possible_keys(kind, node)
        if self._adds or possible is None or key in possible:
            return
        owner = node.block_type() if isinstance(kind, Slot) else None
        said = f"{owner} has no argument '{key}'" if owner else f"unknown key '{join(path, key)}'"
        known = list(dict.fromkeys([*node.keys(), *possible]))
        fixed = bool(possible) or isinstance(kind, Slot)
        how = "" if fixed else f"; --set +{'.'.join(self._keys)}=... adds it"
        found = advice(key, known, "it takes") if owner else _advice_of_section(path, key, known)
        raise ConfigError(f"{self._where}: {said}{found}{how}")


def _advice_of_section(path: str, key: str, known: List[str]) -> str:
    """Return :func:`advice` with full paths: of a similar key here, or of the same key in a section below."""
    near = nearest(key, known)
    if near:
        return f"; did you mean '{join(path, near[0])}'?"
    sections = [name for name in known if isinstance(below(ROOT, name), Section)] if not path else []
    inside = [name for name in sections if key in (possible_keys(below(ROOT, name), Node({}, "")) or ())]
    return f"; did you mean '{inside[0]}.{key}'?" if inside else advice(key, known, "known here:")
