"""Lookup of parts by name."""

from __future__ import annotations

import difflib
import inspect
import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Callable, Dict, Iterator, List, Optional

from mindpoint._version import __version__
from mindpoint.registry import local, static
from mindpoint.registry.entries import Entry, declared
from mindpoint.registry.errors import PluginConflict, UnknownPlugin, WrongKind
from mindpoint.registry.kinds import ANY_CLASS, Kind, kind_called, kinds, normalize
from mindpoint.registry.signature import Location, Signature, location, signature_of

_MOST_COMPARED, _LONGEST_COMPARED = 1000, 100


@dataclass(frozen=True)
class Description:
    """The description of a part; ``doc`` is the first paragraph of its docstring, on one line."""

    entry: Entry
    signature: Signature
    file: Optional[str]
    line: Optional[int]
    doc: str


class Registry:
    """The parts of one kind: declared by installed distributions, or registered in this process.

    A part has four forms of name: ``Name``; ``distribution:Name``, if several distributions declare the name; ``package.module:Class``, for
    any class without an entry point; ``./file.py:Class``, for a part in a file. Text before a colon is a distribution if one of that name
    declares parts of this kind, otherwise a module.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._registered: Dict[str, Entry] = {}

    def entries(self) -> List[Entry]:
        """Return all parts by name, without importing them. A registered part hides declared ones of the same name."""
        built_in = [Entry(self.kind, name, value, "mindpoint", __version__) for name, value in self.kind.built_in]
        found = [e for e in (*built_in, *declared().get(self.kind.plural, ())) if normalize(e.name) not in self._registered]
        return sorted([*found, *self._registered.values()], key=lambda e: (e.name.lower(), e.distribution))

    def names(self) -> List[str]:
        """Return the names of all parts, without duplicates, in their authors' spelling."""
        return sorted({entry.name for entry in self.entries()}, key=str.lower)

    def find(self, name: str, where: Optional[str] = None) -> Entry:
        """Return the entry for a name, without importing it.

        Args:
            name: see the class.
            where: position of the name, e.g. ``configs/a.yaml:7: model.backbone.type``; error messages begin with it.

        Raises:
            UnknownPlugin, WrongKind, PluginConflict
        """
        owner, colon, short = name.rpartition(":")
        if local.names_file(name):
            return self._of_file(owner, short, where)
        candidates = self.entries()
        if colon:
            candidates = [e for e in candidates if normalize(e.distribution) == normalize(owner)]
            if not candidates:
                return self._of_module(owner, short, where)
        matches = [e for e in candidates if normalize(e.name) == normalize(short)]
        if not matches:
            raise self._unknown(short, candidates, where)
        if len(matches) > 1:
            raise PluginConflict(self._conflict(name, matches), where)
        return matches[0]

    def get(self, name: str, where: Optional[str] = None) -> Callable:
        """Import and return the class or function for a name. Raises the errors of ``find`` and :meth:`Entry.load`."""
        return self.find(name, where).load(where)

    def describe(self, name: str, where: Optional[str] = None) -> Description:
        """Return the description of a part. Imports it only if its source is not sufficient."""
        entry = self.find(name, where)
        definition = entry.definition()
        if definition is not None:
            place, doc = Location(definition.source.path, definition.node.lineno), static.doc(definition)
        else:
            obj = entry.load(where)
            place, doc = location(obj), inspect.cleandoc(getattr(obj, "__doc__", None) or "")
        return Description(entry, signature_of(entry), *place, " ".join(doc.partition("\n\n")[0].split()))

    def register(self, name: str, obj: Optional[Callable] = None, override: bool = False) -> Callable:
        """Add a part for this process, e.g. in a notebook or a test, and return it. Without ``obj``, return a decorator that does this.

        A class that is defined again (same module and name, e.g. when a notebook cell runs twice) replaces the earlier one.

        Raises PluginConflict if the name is taken by another part and ``override`` is False.
        """
        if obj is None:
            return lambda decorated: self.register(name, decorated, override)
        value = f"{getattr(obj, '__module__', '?')}:{getattr(obj, '__qualname__', '?')}"
        taken = [e for e in self.entries() if normalize(e.name) == normalize(name) and (e.registered is None or e.value != value)]
        if taken and not override:
            raise PluginConflict(f"already registered: {taken[0]}; replace it in this process with override=True")
        self._registered[normalize(name)] = Entry(self.kind, name, value, registered=obj)
        return obj

    def unregister(self, name: str) -> None:
        """Undo a ``register``; a declared part of the name becomes visible again. Raises KeyError if the name is not registered."""
        del self._registered[normalize(name)]

    @contextmanager
    def registered(self, name: str, obj: Callable) -> Iterator[None]:
        """Within the block, let the name refer to this object."""
        before = self._registered.get(normalize(name))
        self.register(name, obj, override=True)
        try:
            yield
        finally:
            self.unregister(name)
            if before is not None:
                self._registered[normalize(name)] = before

    def _of_file(self, path: str, attribute: str, where: Optional[str]) -> Entry:
        if not os.path.isfile(path):
            raise UnknownPlugin(f"{path}: no such file (for '{attribute}')", where)
        module = local.module_of(path)
        source = static.source_of(module)
        if source is not None and not source.stars and attribute.partition(".")[0] not in source.names:
            near = nearest(attribute, list(source.names))
            raise UnknownPlugin(f"{path} does not define '{attribute}'" + (f"; did you mean '{near[0]}'?" if near else ""), where)
        return Entry(self.kind, attribute, f"{module}:{attribute}")

    def _of_module(self, module: str, attribute: str, where: Optional[str]) -> Entry:
        if not static.exists(module):
            message = f"'{module}:{attribute}': {module!r} is neither an installed distribution with {self.kind.plural} nor a module"
            beside = f"{module.replace('.', '/')}.py"
            advice = f"; write './{beside}:{attribute}' for the file in this folder" if os.path.isfile(beside) else ""
            raise UnknownPlugin(message + advice, where)
        return Entry(self.kind, attribute, f"{module}:{attribute}")

    def _conflict(self, name: str, matches: List[Entry]) -> str:
        ways = [f"'{e.distribution}:{e.name}'" for e in matches]
        owners = " and ".join(f"{e.distribution} {e.version} ({e.value})" for e in matches)
        return f"{self.kind.singular} '{name}' is declared by {owners}; write {' or '.join(dict.fromkeys(ways))}"

    def _unknown(self, name: str, candidates: List[Entry], where: Optional[str]) -> Exception:
        for other in kinds():
            found = [e for e in registry(other.plural).entries() if normalize(e.name) == normalize(name)]
            if found and other is not self.kind:
                return WrongKind(f"'{found[0].name}' is a {other.singular}, not a {self.kind.singular}", where)
        near = nearest(name, [e.name for e in candidates])
        if near:
            advice = f"did you mean {_listed([e for e in candidates if e.name in near])}?"
        elif candidates:
            advice = f"installed: {_listed(candidates)}; is its distribution missing?"
        else:
            advice = f"no installed distribution declares {self.kind.plural}"
        return UnknownPlugin(f"unknown {self.kind.singular} '{name}'; {advice}", where)


def _listed(entries: List[Entry]) -> str:
    return ", ".join(f"'{e.name}'" + (f" ({e.distribution})" if e.distribution else "") for e in entries)


def nearest(name: str, known: List[str]) -> List[str]:
    """Return the known names closest to ``name``, at most three, nearest first, as corrections of a typing error. Of very many names only
    the first are compared, and very long names are skipped."""
    if len(name) > _LONGEST_COMPARED:
        return []
    spelled = {normalize(k): k for k in known[:_MOST_COMPARED] if len(k) <= _LONGEST_COMPARED}
    return [spelled[k] for k in difflib.get_close_matches(normalize(name), spelled, n=3, cutoff=0.6)]


_registry = lru_cache(maxsize=None)(Registry)  # one for each kind, which keeps the parts registered in this process

any_class = _registry(ANY_CLASS)


def registry(kind: str) -> Registry:
    """Return the registry of a kind, by plural (``backbones``), singular (``backbone``) or entry-point group (``mindpoint.backbones``)."""
    found = kind_called(kind)
    if found is None:
        raise ValueError(f"unknown kind of part {kind!r}; the kinds are {', '.join(k.plural for k in kinds())}")
    return _registry(found)
