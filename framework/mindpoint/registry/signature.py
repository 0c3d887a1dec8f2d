"""The arguments of a part's constructor, read from its source so that a configuration can be checked without importing the part."""

from __future__ import annotations

import ast
import contextlib
import inspect
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

from mindpoint.registry import annotation as hints
from mindpoint.registry import static
from mindpoint.registry.annotation import ANY, Annotation
from mindpoint.registry.entries import Entry

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]


class _Unknown:
    def __repr__(self) -> str:
        return "..."


UNKNOWN = _Unknown()
"""Placeholder for a default that is missing or not a literal."""


@dataclass(frozen=True)
class Parameter:
    """One argument; ``default`` is UNKNOWN if it is required or not a literal."""

    name: str
    required: bool
    default: object
    annotation: Annotation

    def __str__(self) -> str:
        typed = self.name if self.annotation == ANY else f"{self.name}: {self.annotation}"
        return typed if self.required else f"{typed} = {self.default!r}"


@dataclass(frozen=True)
class Signature:
    """All arguments that can be given by name. ``file`` and ``line`` are their position, if known."""

    parameters: Tuple[Parameter, ...]
    accepts_any_keyword: bool
    file: Optional[str]
    line: Optional[int]

    def parameter(self, name: str) -> Optional[Parameter]:
        return next((p for p in self.parameters if p.name == name), None)

    def __str__(self) -> str:
        return "(" + ", ".join([*map(str, self.parameters), *(["**"] if self.accepts_any_keyword else [])]) + ")"


class _Undecided(Exception):
    """Raised if the source is not sufficient and an import is needed."""


def signature_of(entry: Entry) -> Signature:
    """Return the arguments of a class's constructor or of a function.

    Raises PluginImportError if an import is needed and fails.
    """
    return signature_in_source(entry) or inspected(entry.load())


def signature_in_source(entry: Entry) -> Optional[Signature]:
    """Return the arguments like :func:`signature_of`, without importing anything; None if an import is needed."""
    definition = entry.definition()
    try:
        if entry.registered is not None:
            return inspected(entry.registered)
        if definition is None:
            return None
        if isinstance(definition.node, ast.ClassDef):
            found = _of_class(_Class(definition.source, definition.node))
            return found or Signature((), False, definition.source.path, definition.node.lineno)
        return _of_function(definition.source, definition.node)
    except _Undecided:
        return None


def _of_function(source: static.Source, node: ast.stmt, bound: bool = False) -> Signature:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or node.decorator_list:
        raise _Undecided
    arguments = node.args
    positional = arguments.posonlyargs + arguments.args
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    pairs = list(zip(positional, defaults))[bound:] + list(zip(arguments.kwonlyargs, arguments.kw_defaults))
    parameters = tuple(_parameter(source, a.arg, a.annotation, default) for a, default in pairs)
    return Signature(parameters, arguments.kwarg is not None, source.path, node.lineno)


def _parameter(source: static.Source, name: str, hint: Optional[ast.expr], default: Optional[ast.expr]) -> Parameter:
    value: object = UNKNOWN
    if default is not None:
        with contextlib.suppress(ValueError):
            value = ast.literal_eval(default)
    return _typed(name, default is None, value, hints.read(hint, source))


def _typed(name: str, required: bool, default: object, hint: Annotation) -> Parameter:
    if not required and default is None and not hint.accepts(None):
        hint = hints.union(hint, hints.NONE)
    return Parameter(name, required, default, hint)


class _Class(NamedTuple):
    source: static.Source
    node: ast.ClassDef


def _of_class(found: _Class) -> Optional[Signature]:
    """Return the signature of a class. Return None if neither the class nor a base declares one; its constructor then takes no
    arguments."""
    source, node = found
    is_dataclass = _is_dataclass(source, node)
    methods = {n.name: n for n in node.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
    if "__new__" in methods or any(k.arg == "metaclass" and not _named(k.value, "ABCMeta") for k in node.keywords):
        raise _Undecided
    if "__init__" in methods:
        return _of_function(source, methods["__init__"], bound=True)
    if is_dataclass:
        return Signature(tuple(_fields(found).values()), False, source.path, node.lineno)
    inherited = [signature for signature in map(_of_class, _bases(found)) if signature is not None]
    if len(inherited) > 1:
        raise _Undecided
    return inherited[0] if inherited else None


def _named(node: ast.expr, *names: str) -> bool:
    return (static.dotted(node) or "").rpartition(".")[2] in names


def _is_dataclass(source: static.Source, node: ast.ClassDef) -> bool:
    for decorator in node.decorator_list:
        options = decorator.keywords if isinstance(decorator, ast.Call) else []
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if not _named(target, "dataclass") or any(option.arg == "init" for option in options):
            raise _Undecided
    return bool(node.decorator_list)


def _bases(of: _Class) -> List[_Class]:
    found = []
    for base in of.node.bases:
        base = base.value if isinstance(base, ast.Subscript) else base
        if _named(base, *static.PLAIN_BASES):
            continue
        target = static.resolve(of.source, static.dotted(base) or "?")
        if target is None or not isinstance(target.node, ast.ClassDef):
            raise _Undecided
        found.append(_Class(target.source, target.node))
    return found


def _fields(of: _Class) -> Dict[str, Parameter]:
    source, node = of
    fields: Dict[str, Parameter] = {}
    for base in reversed(_bases(of)):
        fields.update(_fields(base))
    for item in node.body if _is_dataclass(source, node) else ():
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        hint = item.annotation.value if isinstance(item.annotation, ast.Subscript) else item.annotation
        if isinstance(hint, ast.Constant) and "ClassVar" in str(hint.value) or _named(hint, "ClassVar", "KW_ONLY"):
            continue
        field = _field(source, item.target.id, item)
        if field is not None:
            fields[field.name] = field
        else:
            fields.pop(item.target.id, None)
    return fields


def _field(source: static.Source, name: str, item: ast.AnnAssign) -> Optional[Parameter]:
    if not (isinstance(item.value, ast.Call) and _named(item.value.func, "field")):
        return _parameter(source, name, item.annotation, item.value)
    options = {option.arg: option.value for option in item.value.keywords}
    init = options.get("init")
    if isinstance(init, ast.Constant) and init.value is False:
        return None
    return _parameter(source, name, item.annotation, options.get("default", options.get("default_factory")))


def inspected(obj: Callable[..., Any]) -> Signature:
    """Return the signature of an imported object."""
    try:
        found = inspect.signature(obj)
    except (TypeError, ValueError):
        return Signature((), True, *location(obj))
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = tuple(_inspected(p) for p in found.parameters.values() if p.kind in kinds)
    return Signature(parameters, any(p.kind is p.VAR_KEYWORD for p in found.parameters.values()), *location(obj))


def _inspected(parameter: inspect.Parameter) -> Parameter:
    hint = parameter.annotation
    written = hint if isinstance(hint, str) else inspect.formatannotation(hint)
    read = ANY if hint is parameter.empty else hints.parse(written)
    if parameter.default is parameter.empty:
        return Parameter(parameter.name, True, UNKNOWN, read)
    return _typed(parameter.name, False, parameter.default, read)


class Location(NamedTuple):
    file: Optional[str]
    line: Optional[int]


def location(obj: Any) -> Location:
    """Return the position of the definition of an imported class or function, if known."""
    try:
        return Location(inspect.getsourcefile(obj), inspect.getsourcelines(obj)[1])
    except (OSError, TypeError):
        return Location(None, None)
