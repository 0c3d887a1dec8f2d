"""``${a.b.c}``: a reference to a value elsewhere in the configuration."""

from __future__ import annotations

import re
from typing import Dict, List

from mindpoint.config.node import Node, Problems, Trust, join, size_and_height
from mindpoint.config.text import MOST_CHARACTERS, one_line
from mindpoint.config.walk import advice
from mindpoint.errors import ConfigError

_MOST_OPEN = 30
_REFERENCE = re.compile(r"\$(\$?)\{([^{}]*)\}")


class Unresolved(str):
    """Text with invalid references that have been reported; later checks skip it."""


def escape(text: str) -> str:
    """Return text that resolves to ``text``."""
    return text.replace("${", "$${")


def resolve(root: Node, problems: Problems) -> Node:
    """Replace all references. A reference that is the whole text keeps the type of its target; other references are inserted into the text.

    ``$${`` is an escaped ``${``. A text with references has the lowest trust of its components.

    Raises:
        ConfigError: the configuration exceeds the maximum number of values, counting each reference.
    """
    resolved = root.map_scalars(_Resolver(root, problems).reported)
    size_and_height(resolved)
    return resolved


class _Resolver:
    def __init__(self, root: Node, problems: Problems) -> None:
        self._root, self._problems = root, problems
        self._open: List[str] = []
        self._done: Dict[str, Node] = {}
        self._inserted_characters = 0

    def reported(self, node: Node, path: str) -> Node:
        """Return the text with its references replaced. If that fails, report the error and return the text marked as unresolved."""
        try:
            return self._text(node)
        except ConfigError as error:
            self._problems.add(node.where, path, str(error))
            return Node(Unresolved(node.value), node.where, node.trust)

    def _text(self, node: Node) -> Node:
        if not isinstance(node.value, str) or "${" not in node.value:
            return node
        whole = _REFERENCE.fullmatch(node.value)
        if whole and not whole.group(1):
            target = self._target(whole.group(2))
            return Node(target.value, node.where, min(node.trust, target.trust))
        trust = [node.trust]
        text = _REFERENCE.sub(lambda match: self._inserted(match, trust), node.value)
        return Node(text, node.where, min(trust))

    def _inserted(self, match: "re.Match[str]", trust: List[Trust]) -> str:
        if match.group(1):
            return match.group(0)[1:]
        target = self._target(match.group(2))
        trust.append(target.trust)
        if target.is_mapping or target.is_list:
            raise ConfigError(f"'{match.group(0)}' is not a single value and cannot be part of a string")
        text = target.value if isinstance(target.value, str) else one_line(target.value)
        self._inserted_characters += len(text)
        if self._inserted_characters > MOST_CHARACTERS:
            raise ConfigError(f"references insert more than {MOST_CHARACTERS:,} characters; write the value out")
        return text

    def _target(self, path: str) -> Node:
        if path in self._open:
            circle = " -> ".join([*self._open[self._open.index(path) :], path])
            raise ConfigError(f"circular reference: {circle}; write one of these values out")
        if len(self._open) >= _MOST_OPEN:
            raise ConfigError(f"more than {_MOST_OPEN} references form a chain; write some of these values out")
        if path not in self._done:
            self._open.append(path)
            try:
                self._done[path] = self._find(path).map_scalars(lambda node, _: self._text(node))
            finally:
                self._open.pop()
        return self._done[path]

    def _find(self, path: str) -> Node:
        node, walked = self._root, ""
        for key in path.split("."):
            node = self._text(node)
            child = node.child(key)
            if child is None:
                raise ConfigError(f"'${{{path}}}': unknown key '{join(walked, key)}'{advice(key, node.keys(), 'known here:')}")
            node, walked = child, join(walked, key)
        return node
