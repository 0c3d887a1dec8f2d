"""Who imports whom among the modules of the framework, read from their source; imports for typing count too."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Dict, Iterator, List, Set, Tuple

ORDER = (
    "errors",
    "storage",
    "runtime",
    "registry",
    "contracts",
    "config",
    "visual",
    "launch",
    "native",
    "optim",
    "data",
    "model",
    "inference",
    "training",
    "hooks",
    "exporting",
    "report",
    "benchmark",
    "ascend",
    "doctor",
    "testing",
    "scaffold",
    "cli",
)
"""The packages, lowest first: each imports only those before it. ``_version`` is below all, ``worker`` and ``__main__`` above."""
ENDS = {"_version": -1, "worker": len(ORDER), "__main__": len(ORDER)}

Graph = Dict[str, Set[str]]


def imports(root: Path) -> Graph:
    """Return what each module below the folder of a package imports from it or from a plugin, by dotted name."""
    files = {_name(path, root): path for path in root.rglob("*.py")}
    graph: Graph = {}
    for module, path in files.items():
        found = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {name if name in files else node.module for name in inner}
        graph[module] = {name for name in found if name.startswith("mindpoint") and name != module}
    return graph


def _name(path: Path, root: Path) -> str:
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package(module: str) -> str:
    """Return the package (or top-level module) that a module of the framework belongs to; empty for ``mindpoint`` itself."""
    return module.split(".")[1] if "." in module else ""


def level(name: str) -> int:
    """Return the place of a package in the order. Raises ValueError for a package without a place."""
    return ENDS[name] if name in ENDS else ORDER.index(name)


def climbs(graph: Graph) -> List[str]:
    """Return the imports of a higher package, of the root, or of a plugin."""
    found = []
    for module, names in sorted(graph.items()):
        for name in sorted(names):
            foreign = name.partition(".")[0] != "mindpoint"
            upwards = not foreign and module != "mindpoint" and (not package(name) or level(package(name)) > level(package(module)))
            if foreign or upwards:
                found.append(f"{module} imports {name}")
    return found


def circles(graph: Graph) -> List[List[str]]:
    """Return the groups of modules that import each other (Tarjan's strongly connected components of more than one module)."""
    index: Dict[str, int] = {}
    lowest: Dict[str, int] = {}
    stack: List[str] = []
    found: List[List[str]] = []

    def visit(module: str) -> None:
        index[module] = lowest[module] = len(index)
        stack.append(module)
        for name in sorted(graph[module] & graph.keys()):
            if name not in index:
                visit(name)
            if name in stack:
                lowest[module] = min(lowest[module], lowest[name])
        if lowest[module] == index[module]:
            group = [stack.pop()]
            while group[-1] != module:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return found


def edges(graph: Graph) -> Iterator[Tuple[str, str]]:
    """Return the arrows of the drawing: from each package to those that it imports and that no other of its imports leads to already."""
    direct: Graph = {name: set() for name in ORDER}
    for module, names in graph.items():
        if package(module) in direct:
            direct[package(module)] |= {package(name) for name in names} & set(ORDER) - {package(module)}
    reach: Graph = {}
    for name in ORDER:
        reach[name] = direct[name].union(*(reach[below] for below in direct[name]))
    for name in ORDER:
        for below in sorted(direct[name], key=level):
            if not any(below in reach[other] for other in direct[name] - {below}):
                yield name, below


def drawing(graph: Graph) -> str:
    """Return the packages and their arrows as a Mermaid diagram."""
    return "\n".join(["graph BT", *(f"  {name} --> {below}" for name, below in edges(graph))])
