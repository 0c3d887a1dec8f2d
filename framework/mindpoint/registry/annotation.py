"""Simple types of constructor arguments, as far as a YAML value can be checked against them."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple, Union

from mindpoint.registry import static

_SIMPLE: Dict[str, Union[type, Tuple[type, ...]]] = {"int": int, "float": (int, float), "bool": bool, "str": str, "None": type(None)}
LISTS = ("list", "tuple", "Sequence")
"""Names of the annotations that a list satisfies."""

_NAMES = {
    **{name: name for name in (*_SIMPLE, *LISTS, "dict")},
    "NoneType": "None",
    "List": "list",
    "Tuple": "tuple",
    "Dict": "dict",
    "Mapping": "dict",
    "MutableMapping": "dict",
    **dict.fromkeys(("MutableSequence", "Collection", "Iterable"), "Sequence"),
}
_WRAPPERS = ("Annotated", "Final", "InitVar")


@dataclass(frozen=True)
class Annotation:
    """A type, as a tree.

    Attributes:
        name: int, float, bool, str, None, list, tuple, Sequence, dict, Union, Literal or Any.
        arguments: the types inside; ``(item,)`` for list and Sequence, ``(key, value)`` for dict, the values themselves for Literal,
            empty if not given. A tuple of any length is ``(item, ...)``.
    """

    name: str
    arguments: Tuple[Any, ...] = ()

    def accepts(self, value: object) -> bool:
        """Tell whether a YAML value fits. An int fits a float and a list fits a tuple; a bool is not an int, a str is not a sequence."""
        if self.name == "Any":
            return True
        if self.name == "Union":
            return any(choice.accepts(value) for choice in self.arguments)
        if self.name == "Literal":
            return any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in self.arguments)
        if self.name == "dict":
            keys, values = self.arguments or (ANY, ANY)
            return isinstance(value, dict) and all(keys.accepts(k) and values.accepts(v) for k, v in value.items())
        if self.name in LISTS:
            return isinstance(value, (list, tuple)) and self._accepts_items(value)
        return isinstance(value, _SIMPLE[self.name]) and (self.name == "bool" or not isinstance(value, bool)) and _is_usual(value)

    @property
    def accepts_any_text(self) -> bool:
        """Tell whether an arbitrary text fits, alone or inside a list or mapping."""
        if self.name == "Literal":
            return False
        return (
            self.name in ("Any", "str")
            or (not self.arguments and self.name in (*LISTS, "dict"))
            or any(inner.accepts_any_text for inner in self.arguments if isinstance(inner, Annotation))
        )

    def _accepts_items(self, items: "list | tuple") -> bool:
        if self.name == "tuple" and self.arguments and self.arguments[-1] is not ...:
            return len(items) == len(self.arguments) and all(a.accepts(i) for a, i in zip(self.arguments, items))
        item = self.arguments[0] if self.arguments else ANY
        return all(item.accepts(i) for i in items)

    def __str__(self) -> str:
        """Return the type in a YAML user's terms: ``int or null``, ``[float, float]``, ``[int, ...]``, ``{str: float}``, ``'a' or 'b'``."""
        if self.name in ("Union", "Literal"):
            return " or ".join(str(a) if self.name == "Union" else repr(a) for a in self.arguments)
        if self.name == "dict":
            return "{%s: %s}" % self.arguments if self.arguments else "mapping"
        if self.name in LISTS:
            many = "" if self.name == "tuple" or not self.arguments else ", ..."
            return "[" + ", ".join("..." if a is ... else str(a) for a in self.arguments) + many + "]" if self.arguments else "list"
        return {"None": "null", "Any": "anything"}.get(self.name, self.name)


def _is_usual(value: object) -> bool:
    """Tell whether a number is finite and, if whole, fits 64 bits, as arrays and libraries require."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return not isinstance(value, float) or math.isfinite(value)


ANY = Annotation("Any")
NONE = Annotation("None")


def union(*choices: Annotation) -> Annotation:
    """Return the union of the choices; nested unions are flattened."""
    flat: List[Annotation] = []
    for choice in choices:
        flat.extend(c for c in (choice.arguments if choice.name == "Union" else (choice,)) if c not in flat)
    return flat[0] if len(flat) == 1 else Annotation("Union", tuple(flat))


def read(node: Optional[ast.expr], source: Optional[static.Source] = None) -> Annotation:
    """Return the type of an annotation expression in a module; Any if it is not one of the simple types."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return parse(node.value, source)
    if isinstance(node, ast.Constant) and node.value is None:
        return NONE
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return union(read(node.left, source), read(node.right, source))
    if isinstance(node, ast.Subscript):
        return _subscript(node, source)
    name = static.dotted(node) if node is not None else None
    if name is None:
        return ANY
    known = _NAMES.get(name.rpartition(".")[2])
    return Annotation(known) if known else _alias(name, source)


def parse(text: str, source: Optional[static.Source] = None) -> Annotation:
    """Return the type of an annotation given as text, like :func:`read`."""
    try:
        return read(ast.parse(text.strip(), mode="eval").body, source)
    except SyntaxError:
        return ANY


def _subscript(node: ast.Subscript, source: Optional[static.Source]) -> Annotation:
    head = (static.dotted(node.value) or "").rpartition(".")[2]
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if head == "Literal":
        try:
            return Annotation("Literal", tuple(ast.literal_eval(item) for item in items))
        except ValueError:
            return ANY
    if head in _WRAPPERS:
        return read(items[0], source)
    if head == "Optional":
        return union(read(items[0], source), NONE)
    if head == "Union":
        return union(*(read(item, source) for item in items))
    types = tuple(... if isinstance(i, ast.Constant) and i.value is ... else read(i, source) for i in items)
    name = _NAMES.get(head, "")
    expected = {"list": 1, "Sequence": 1, "dict": 2, "tuple": len(types)}.get(name)
    return Annotation(name, types) if expected == len(types) else ANY


def _alias(name: str, source: Optional[static.Source]) -> Annotation:
    found = static.resolve(source, name) if source else None
    if found is None or not isinstance(found.node, (ast.Assign, ast.AnnAssign)):
        return ANY
    if isinstance(found.node.value, (ast.Subscript, ast.BinOp)) and not _mentions(found.node.value, name.rpartition(".")[2]):
        return read(found.node.value, found.source)
    return ANY


def _mentions(node: ast.expr, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name or isinstance(n, ast.Constant) and n.value == name for n in ast.walk(node))
