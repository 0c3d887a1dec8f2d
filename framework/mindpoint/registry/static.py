"""Definitions read from source files. Nothing is imported, not even parent packages.

Importing a plugin may load MindSpore or fail; listing plugins and checking a configuration must do neither. If the source alone is not
sufficient (C extensions, classes created at run time), the result is None, and the caller may import instead.
"""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Dict, List, NamedTuple, Optional, Tuple

_MAX_HOPS = 20  # maximum number of imports and aliases followed for one name, because modules may import each other

PLAIN_BASES = ("object", "ABC", "Generic", "Protocol", "Cell")
"""Bases that are not examined. Their constructors have no arguments for configurations: ``auto_prefix`` and ``flags`` of MindSpore's Cell
are internal."""


@dataclass(frozen=True, eq=False)
class Source:
    """One parsed module.

    Attributes:
        names: the statement that binds each top-level name. Where there are alternatives, the body of ``if`` and ``try`` is used.
        stars: absolute names of modules imported with ``*``.
    """

    module: str
    path: str
    names: Dict[str, ast.stmt]
    stars: Tuple[str, ...]

    @property
    def is_package(self) -> bool:
        return os.path.basename(self.path) == "__init__.py"


class Definition(NamedTuple):
    """A statement that defines a name (class, function or assignment) and its module."""

    source: Source
    node: ast.stmt


def exists(module: str) -> bool:
    """Tell whether a module may exist: its top-level package exists."""
    try:
        return find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def locate(module: str) -> Optional[str]:
    """Return the path of a module's source file; None if the module is absent or has no Python source."""
    top, *parts = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return None
    path, folders = spec.origin, list(spec.submodule_search_locations or ())
    for part in parts:
        path, folders = _step(part, folders)
    return path if path and path.endswith(".py") else None


def _step(name: str, folders: List[str]) -> Tuple[Optional[str], List[str]]:
    inner = [os.path.join(folder, name) for folder in folders]
    for base in inner:
        if os.path.isfile(os.path.join(base, "__init__.py")):
            return os.path.join(base, "__init__.py"), [base]
        if os.path.isfile(base + ".py"):
            return base + ".py", []
    return None, [base for base in inner if os.path.isdir(base)]  # a namespace package, or an absent module


def source_of(module: str) -> Optional[Source]:
    """Return the parsed module, or None if it has no readable source."""
    path = locate(module)
    if path is None:
        return None
    try:
        return _parse(module, path, os.stat(path).st_mtime_ns)
    except (OSError, SyntaxError, ValueError):
        return None


@lru_cache(maxsize=None)
def _parse(module: str, path: str, changed: int) -> Source:
    with open(path, "rb") as file:
        tree = ast.parse(file.read(), path)
    names: Dict[str, ast.stmt] = {}
    stars: List[Tuple[int, Optional[str]]] = []
    _collect(tree.body, names, stars)
    source = Source(module, path, names, ())
    return Source(module, path, names, tuple(_imported_module(source, level, name) for level, name in stars))


def _collect(body: List[ast.stmt], names: Dict[str, ast.stmt], stars: List[Tuple[int, Optional[str]]]) -> None:
    for node in body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            names[node.name] = node
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if alias.name == "*" and isinstance(node, ast.ImportFrom):
                    stars.append((node.level, node.module))
                else:
                    names[alias.asname or alias.name.partition(".")[0]] = node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    names[target.id] = node
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            for handler in getattr(node, "handlers", ()):
                _collect(handler.body, names, stars)
            _collect(getattr(node, "orelse", []), names, stars)
            _collect(node.body, names, stars)


def _imported_module(source: Source, level: int, name: Optional[str]) -> str:
    if not level:
        return name or ""
    parts = source.module.split(".")
    parts = parts[: len(parts) - level + source.is_package]
    return ".".join(parts + ([name] if name else []))


def dotted(node: ast.AST) -> Optional[str]:
    """Return the text ``a.b.c`` of an expression of this form; None for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return base and f"{base}.{node.attr}"
    return None


def find(module: str, qualname: str) -> Optional[Definition]:
    """Return the definition of ``module:qualname``, followed through imports and aliases; None if unknown."""
    return _find(module, qualname, _MAX_HOPS)


def resolve(source: Source, name: str) -> Optional[Definition]:
    """Return the definition that a (dotted) name refers to in a module."""
    return _resolve(source, name, _MAX_HOPS)


def _find(module: str, name: str, hops: int) -> Optional[Definition]:
    if not hops:
        return None
    source = source_of(module)
    if source is not None:
        return _resolve(source, name, hops)
    first, _, rest = name.partition(".")  # a namespace package only contains modules
    return _find(f"{module}.{first}", rest, hops - 1) if rest else None


def _resolve(source: Source, name: str, hops: int) -> Optional[Definition]:
    if not hops:
        return None
    first, _, rest = name.partition(".")
    node = source.names.get(first)
    if node is None:
        return _resolve_elsewhere(source, first, rest, hops - 1)
    if isinstance(node, ast.Import):
        alias = next(a for a in node.names if first in (a.asname, a.name.partition(".")[0]))
        return _find(alias.name if alias.asname else first, rest, hops - 1) if rest else None
    if isinstance(node, ast.ImportFrom):
        alias = next(a for a in node.names if first == (a.asname or a.name))
        module = _imported_module(source, node.level, node.module)
        return _find(module, alias.name + (f".{rest}" if rest else ""), hops - 1)
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        target = dotted(node.value)
        if target is not None:
            return _resolve(source, target + (f".{rest}" if rest else ""), hops - 1)
    if rest:
        return _nested(source, node, rest)
    return Definition(source, node)


def _resolve_elsewhere(source: Source, first: str, rest: str, hops: int) -> Optional[Definition]:
    if source.is_package and rest and locate(f"{source.module}.{first}"):
        return _find(f"{source.module}.{first}", rest, hops)
    for star in source.stars:
        found = _find(star, f"{first}.{rest}" if rest else first, hops)
        if found is not None:
            return found
    return None


def _nested(source: Source, node: ast.stmt, name: str) -> Optional[Definition]:
    for part in name.split("."):
        body = node.body if isinstance(node, ast.ClassDef) else []
        inner = next((n for n in body if getattr(n, "name", None) == part), None)
        if inner is None:
            return None
        node = inner
    return Definition(source, node)


def derives(definition: Definition, base: Definition) -> Optional[bool]:
    """Tell whether a class derives from another one; None if the sources are not sufficient."""
    source, node = definition
    if node is base.node:
        return True
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None if node.decorator_list else False
    if not isinstance(node, ast.ClassDef):
        return None
    names = [dotted(expression.value if isinstance(expression, ast.Subscript) else expression) for expression in node.bases]
    found = [resolve(source, name) if name else None for name in names if (name or "").rpartition(".")[2] not in PLAIN_BASES]
    answers = [derives(one, base) if one is not None and one.node is not node else None for one in found]
    return True if True in answers else None if None in answers else False


def doc(definition: Definition) -> str:
    """Return a definition's docstring, or an empty string."""
    if not isinstance(definition.node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return ""
    return ast.get_docstring(definition.node) or ""
