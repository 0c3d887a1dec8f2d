"""Parts as installed distributions declare them: strings, until one is loaded."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from typing import Dict, Optional, Tuple

from mindpoint.registry import static
from mindpoint.registry.errors import PluginImportError, WrongKind


@dataclass(frozen=True)
class Kind:
    """One sort of part.

    Attributes:
        plural: name of the registry; the entry-point group is ``mindpoint.<plural>``.
        singular: what messages call one.
        base: ``module:class`` that every part of the kind derives from; None if any callable will do.
    """

    plural: str
    singular: str
    base: Optional[str] = None

    @property
    def group(self) -> str:
        return f"mindpoint.{self.plural}"


KINDS: Tuple[Kind, ...] = (
    Kind("backbones", "backbone", "mindpoint.contracts.parts:Backbone"),
    Kind("necks", "neck", "mindpoint.contracts.parts:Neck"),
    Kind("heads", "head", "mindpoint.contracts.parts:Head"),
    Kind("losses", "loss", "mindpoint.contracts.parts:Loss"),
    Kind("datasets", "dataset", "mindpoint.contracts.data:Dataset"),
    Kind("transforms", "transform", "mindpoint.contracts.data:Transform"),
    Kind("targets", "target encoder", "mindpoint.contracts.data:TargetEncoder"),
    Kind("decoders", "decoder", "mindpoint.contracts.decoder:Decoder"),
    Kind("metrics", "metric", "mindpoint.contracts.metric:Metric"),
    Kind("visualizers", "visualizer", "mindpoint.contracts.visualizer:Visualizer"),
    Kind("hooks", "hook", "mindpoint.contracts.hook:Hook"),
    Kind("optimizers", "optimizer"),
    Kind("schedules", "schedule", "mindpoint.optim.schedules:Schedule"),
    Kind("commands", "command"),
    Kind("checks", "check"),
)


def normalize(name: str) -> str:
    """What lookups compare: case, ``-``, ``_``, ``.`` and blanks do not count."""
    return re.sub(r"[-_.\s]", "", name).lower()


@dataclass(frozen=True)
class Entry:
    """One declared part.

    Attributes:
        name: as its author spells it.
        value: ``module:attribute``.
        distribution, version: who declares it; empty for a part that was registered in this process or named by ``module:attribute``.
        registered: the object itself, for a part registered in this process.
    """

    kind: Kind
    name: str
    value: str
    distribution: str = ""
    version: str = ""
    registered: object = field(default=None, repr=False, compare=False)

    @property
    def module(self) -> str:
        return self.value.partition(":")[0].strip()

    @property
    def attribute(self) -> str:
        return self.value.partition(":")[2].partition("[")[0].strip()

    def __str__(self) -> str:
        by = f" of {self.distribution} {self.version}" if self.distribution else ""
        return f"{self.kind.singular} '{self.name}'{by} ({self.value})"

    def definition(self) -> Optional[static.Definition]:
        """Where it is defined, read without importing; None if that cannot be told."""
        return static.find(self.module, self.attribute) if self.registered is None else None

    def load(self, where: Optional[str] = None) -> object:
        """Import it. Raises PluginImportError, whatever the plugin raises."""
        if self.registered is not None:
            return self.registered
        try:
            return reduce(getattr, self.attribute.split("."), importlib.import_module(self.module))
        except (Exception, SystemExit) as error:  # a plugin may raise anything, even call sys.exit
            raise PluginImportError(f"{self} failed to import: {type(error).__name__}: {error}{self._advice(error)}", where) from error

    def _advice(self, error: BaseException) -> str:
        absent = isinstance(error, ModuleNotFoundError) and f"{self.module}.".startswith(f"{error.name}.")
        if self.distribution and (absent or isinstance(error, AttributeError)):
            return f"; if it was moved or renamed, reinstall {self.distribution} with pip"
        return ""

    def check(self, obj: object, where: Optional[str] = None) -> None:
        """Raise WrongKind if the loaded object is not of the entry's kind."""
        if not callable(obj):
            raise WrongKind(f"{self} is no {self.kind.singular}: it is neither a class nor a function", where)
        if self.kind.base is None or _is_a(obj, self.kind):
            return
        other = next((k for k in KINDS if k.base and k is not self.kind and _is_a(obj, k)), None)
        said = f"is a {other.singular}, not a {self.kind.singular}" if other else f"is no {self.kind.singular}"
        raise WrongKind(f"{self} {said}: it must derive from {self.kind.base.replace(':', '.')}", where)


def _is_a(obj: object, kind: Kind) -> bool:
    module, _, name = kind.base.partition(":")
    return isinstance(obj, type) and issubclass(obj, getattr(importlib.import_module(module), name))


@lru_cache(maxsize=None)
def declared() -> Dict[str, Tuple[Entry, ...]]:
    """The entry points of all installed distributions by kind, read once a process."""
    import importlib_metadata

    kinds = {kind.group: kind for kind in KINDS}
    found: Dict[str, list] = {kind.plural: [] for kind in KINDS}
    identities: Dict[object, Tuple[str, str]] = {}  # asking a distribution for its name parses all of its metadata
    for point in importlib_metadata.entry_points():
        kind = kinds.get(point.group)
        if kind is not None:
            if point.dist not in identities:
                identities[point.dist] = (point.dist.name, point.dist.version)
            found[kind.plural].append(Entry(kind, point.name, point.value, *identities[point.dist]))
    return {plural: tuple(entries) for plural, entries in found.items()}
