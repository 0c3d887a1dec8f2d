"""Parts as declared by installed distributions: strings until they are loaded."""

from __future__ import annotations

import importlib
import logging
import sys
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from mindpoint.registry import installed, local, static
from mindpoint.registry.errors import PluginImportError, WrongKind
from mindpoint.registry.kinds import Kind, kinds

log = logging.getLogger("mindpoint")


@dataclass(frozen=True)
class Entry:
    """One declared part.

    Attributes:
        name: name in the author's spelling.
        value: ``module:attribute``.
        distribution, version: the declaring distribution; empty for a part registered in this process or named by ``module:attribute``.
        registered: the object itself, for a part registered in this process.
    """

    kind: Kind
    name: str
    value: str
    distribution: str = ""
    version: str = ""
    registered: Optional[Callable[..., Any]] = field(default=None, repr=False, compare=False)

    @property
    def module(self) -> str:
        return self.value.partition(":")[0].strip()

    @property
    def attribute(self) -> str:
        return self.value.partition(":")[2].partition("[")[0].strip()

    def __str__(self) -> str:
        by = f" of {self.distribution} {self.version}" if self.distribution else ""
        return f"{self.kind.singular} '{self.name}'{by} ({self.shown})"

    @property
    def shown(self) -> str:
        """Return its definition in readable form: ``module:attribute`` or ``path.py:attribute``."""
        file = local.path_of(self.module)
        return f"{file}:{self.attribute}" if file else self.value

    def definition(self) -> Optional[static.Definition]:
        """Return its definition, read without importing; None if unknown."""
        return static.find(self.module, self.attribute) if self.registered is None else None

    def load(self, where: Optional[str] = None) -> Callable[..., Any]:
        """Import the part and check its kind. Raises PluginImportError for any error of the plugin, and WrongKind."""
        if self.registered is None and self.distribution:
            _warn_of_other_api(self.distribution)
        obj = self._imported(where) if self.registered is None else self.registered
        self._check(obj, where)
        return obj

    def _imported(self, where: Optional[str]) -> Any:
        try:
            return imported(self.value)
        except (Exception, SystemExit) as error:  # a plugin may raise anything, even call sys.exit
            raise PluginImportError(f"{self} failed to import: {type(error).__name__}: {error}{self._advice(error)}", where) from error

    def _advice(self, error: BaseException) -> str:
        absent = isinstance(error, ModuleNotFoundError) and f"{self.module}.".startswith(f"{error.name}.")
        if self.distribution and (absent or isinstance(error, AttributeError)):
            return f"; if it was moved or renamed, reinstall {self.distribution} with pip"
        return ""

    def _check(self, obj: Any, where: Optional[str]) -> None:
        if not callable(obj):
            raise WrongKind(f"{self} is not a {self.kind.singular}: it is neither a class nor a function", where)
        if self.kind.base is None:
            return
        try:
            base = imported(self.kind.base)
        except (Exception, SystemExit) as error:
            said = f"{self.kind.base}, the base of {self.kind.plural}, failed to import: {type(error).__name__}: {error}"
            raise PluginImportError(f"{self}: {said}", where) from error
        if not (isinstance(obj, type) and issubclass(obj, base)):
            raise self._wrong_kind(kinds_of(obj), where)

    def check_source(self, where: Optional[str] = None) -> None:
        """Raise WrongKind if the source shows, without an import, that the part is of another kind."""
        if self.registered is not None:
            self._check(self.registered, where)
        definition, base = self.definition(), _definition_of_base(self.kind)
        if definition is not None and base is not None and static.derives(definition, base) is False:
            bases = [(kind, _definition_of_base(kind)) for kind in kinds()]
            raise self._wrong_kind([kind for kind, other in bases if other is not None and static.derives(definition, other)], where)

    def _wrong_kind(self, others: Sequence[Kind], where: Optional[str]) -> WrongKind:
        said = f"is a {others[0].singular}, not a" if others else "is not a"
        base = (self.kind.base or "").replace(":", ".")
        return WrongKind(f"{self} {said} {self.kind.singular}: it must derive from {base}", where)


@lru_cache(maxsize=None)
def _warn_of_other_api(distribution: str) -> None:
    """Warn once per process about a distribution made for another version of the contracts."""
    said = installed.other_api(distribution)
    if said:
        log.warning("%s", said)


def _definition_of_base(kind: Kind) -> Optional[static.Definition]:
    return static.find(*kind.base.split(":", 1)) if kind.base else None


def imported(value: str) -> Any:
    """Import ``module:attribute``; raises any error of the module."""
    module, _, attribute = value.partition("[")[0].partition(":")
    return reduce(getattr, attribute.strip().split("."), importlib.import_module(module.strip()))


def kinds_of(obj: Any) -> List[Kind]:
    """Return the kinds whose base a class derives from. Imports nothing, because the bases of an existing class are already loaded."""
    found = []
    for kind in kinds() if isinstance(obj, type) else ():
        module, _, name = (kind.base or "").partition(":")
        base = getattr(sys.modules.get(module), name, None)
        if isinstance(base, type) and issubclass(obj, base):
            found.append(kind)
    return found


def declared() -> Dict[str, Tuple[Entry, ...]]:
    """Return the entry points of all installed distributions by kind."""
    return _by_kind(installed.points())


@lru_cache(maxsize=8)
def _by_kind(points: Tuple[installed.Point, ...]) -> Dict[str, Tuple[Entry, ...]]:
    return {kind.plural: tuple(Entry(kind, *point[1:]) for point in points if point.group == kind.group) for kind in kinds()}
