"""A checked configuration and the parts built from it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import yaml

from mindpoint.config import files
from mindpoint.config.check import NAME, Checker, find_entry, parts_of_argument, positioned, settings
from mindpoint.config.node import Node, Problems, Trust, join, leaves, place
from mindpoint.config.overrides import apply
from mindpoint.config.references import escape, resolve
from mindpoint.config.schema import ROOT, Named, Section, Slot
from mindpoint.config.text import one_line, to_text
from mindpoint.config.walk import kind_at, without_nulls
from mindpoint.contracts.image import InputSpec
from mindpoint.errors import ConfigError, MindpointError
from mindpoint.registry import Registry, registry
from mindpoint.registry.signature import inspected


def load_config(
    name: str, overrides: Sequence[str] = (), parts: Optional[Sequence[str]] = None, trusted: Optional[bool] = None
) -> "Config":
    """Read and check a configuration.

    Args:
        name: a file, a run's folder, or the name of a shipped configuration.
        overrides: ``a.b=value`` as after ``--set``, applied in order.
        parts: dotted paths of the slots that will be built, such as ``("model.decoder",)``; a prefix covers everything below it. Other
            slots are checked only when they are built, so an unused plugin may be absent. Not given: everything is checked.
        trusted: whether the configuration may name classes (``module:Class``), which can run anything. Not given: a file is trusted as the
            user's own; a run's folder may come from others and may name installed parts only. ``overrides`` are always trusted.

    Raises:
        ConfigError: the configuration has errors; the message has one line for each.
    """
    problems = Problems()
    path = files.find(name)
    trusted = path.parent != Path(name) if trusted is None else trusted  # otherwise a run's folder
    root = files.read(path, problems, trust=Trust.USER if trusted else Trust.RUN)
    return _finish(str(name), root, overrides, problems, parts)


def config_of(
    source: Union[str, Path, Mapping[str, object], "Config"], overrides: Sequence[str] = (), trusted: Optional[bool] = None
) -> "Config":
    """Return the configuration for an argument of the Python API: a file or name as in :func:`load_config`, nested mappings (relative
    paths begin in the working folder), or a loaded configuration. Raises ConfigError."""
    if isinstance(source, Config):
        return source.changed(overrides)
    if not isinstance(source, Mapping):
        return load_config(str(source), overrides, trusted=trusted)
    try:
        text = one_line(source)
    except yaml.YAMLError as error:
        raise ConfigError(f"a configuration holds numbers, strings, lists and mappings: {error}") from error
    return Config.from_text(text, "configuration", overrides, trusted=True)


def _finish(name: str, root: Node, overrides: Sequence[str], problems: Problems, parts: Optional[Sequence[str]]) -> "Config":
    try:
        root = without_nulls(ROOT, apply(root, overrides, problems))
        root = resolve(root, problems)
        checker = Checker(root, problems, parts)
        checker.check(ROOT, root, "")
    except RecursionError as error:
        raise ConfigError(f"{name}: values and references are nested too deeply") from error
    problems.raise_any()
    return Config(name, root, parts, checker.remarks)


class Config:
    """A resolved and checked configuration; made by :func:`load_config` or :meth:`from_text`.

    Attributes:
        name: the name it was loaded by.
        remarks: parts that could not be checked without an import, one line each.
    """

    def __init__(self, name: str, root: Node, parts: Optional[Sequence[str]] = None, remarks: Sequence[str] = ()) -> None:
        self.name = name
        self.remarks = tuple(remarks)
        self._root = root
        self._parts = parts

    @staticmethod
    def from_text(
        text: str, name: str, overrides: Sequence[str] = (), parts: Optional[Sequence[str]] = None, trusted: Union[bool, Trust] = False
    ) -> "Config":
        """Read a configuration from a text, e.g. from a model file; see :func:`load_config`.

        A text that is not ``trusted`` may come from a stranger. It may name installed parts only, and only its sections ``model`` and
        ``test`` may pass texts to parts. No other files are read. Its parts are checked when they are built, except those in ``parts``.
        With ``Trust.RUN`` the data that it names is read, as for a run's folder. Error messages begin with ``name``. Raises ConfigError.
        """
        problems = Problems()
        trust = trusted if isinstance(trusted, Trust) else Trust.USER if trusted else Trust.MODEL
        root = files.read_text(text, name, Path(), problems, trust=trust)
        return _finish(name, root, overrides, problems, () if parts is None and trust < Trust.USER else parts)

    def changed(self, overrides: Sequence[str], parts: Optional[Sequence[str]] = None) -> "Config":
        """Return this configuration with changes applied. Trust stays the same; ``parts`` are checked now, by default the same slots as
        before. Raises ConfigError."""
        return _finish(self.name, self._written(), overrides, Problems(), self._parts if parts is None else parts)

    @property
    def data(self) -> Dict[str, Any]:
        """Return a copy of all values in the configuration, as nested dictionaries and lists."""
        return {key: child.plain() for key, child in self._root.mapping.items()}

    @property
    def stem(self) -> str:
        """Return the name without folder, suffix and distribution; run folders are named after it."""
        return Path(self.name).stem.rpartition(":")[2]

    @property
    def classes(self) -> List[str]:
        """Return the category names; the index is the class label."""
        return list(self.section("").classes)

    @property
    def seed(self) -> int:
        return self.section("").seed

    @cached_property
    def vocabulary(self) -> Dict[str, object]:
        """Return the plugins' sections in the configuration by name, each as its dataclass."""
        return {name: self.section(name) for name in registry("sections").names() if self.has(name)}

    @cached_property
    def input_spec(self) -> InputSpec:
        return self.section("input")

    def section(self, path: str) -> Any:
        """Return the settings of a section (``train``, ``test``, ``runtime``, ...) as its dataclass, with defaults for missing keys.

        Raises:
            ConfigError: the section is missing and some of its keys have no default.
        """
        section, node = kind_at(path) if path else ROOT, self._node(path)
        if not isinstance(section, Section) or section.settings is None:
            raise ValueError(f"{path} is not a section with settings")
        try:
            return settings(section, node)
        except (TypeError, ConfigError) as error:
            if node is not None:
                raise
            raise ConfigError(f"{self.name}: the section '{path}' is missing; add it") from error

    def split(self, name: str) -> object:
        """Return the settings of ``data.<name>``. Raises ConfigError if it is missing."""
        if self._node(f"data.{name}") is None:
            splits = list(self.data.get("data", {}))
            raise ConfigError(f"{self.name}: the section 'data.{name}' is missing; data has {', '.join(splits) or 'no sections'}")
        return self.section(f"data.{name}")

    def require(self, *paths: str) -> None:
        """Raise one ConfigError that names all missing sections and blocks of ``paths``."""
        missing = [f"{self.name}: '{path}' is missing; add it" for path in paths if self._node(path) is None]
        if missing:
            raise ConfigError("\n".join(missing))

    def has(self, path: str) -> bool:
        """Tell whether the configuration has a value at this path."""
        return self._node(path) is not None

    def build(self, path: str, **provided: object) -> Optional[object]:
        """Build the part of a slot such as ``model.backbone``; return None if the block is missing.

        Blocks inside the arguments are built first. A constructor that takes ``classes``, ``input_spec``, a section of
        :attr:`vocabulary` or one of ``provided`` receives it, unless the block sets it.

        Args:
            provided: values that :data:`mindpoint.config.injection.TABLE` lists for this kind of part.

        Raises:
            MindpointError: raised by the constructor, with the block's position before the message.
            ConfigError: the constructor raised another error.
        """
        slot, node = kind_at(path), self._node(path)
        if not isinstance(slot, Slot):
            raise ValueError(f"{path} is not a slot for a part")
        unlisted = provided.keys() - set(slot.given)
        if unlisted:
            raise ValueError(f"{path}: mindpoint.config.injection does not list {', '.join(sorted(unlisted))} for {slot.registry}")
        if node is None:
            return None
        problems = Problems()
        Checker(self._root, problems, imports=True).check(slot, node, path)
        problems.raise_any()
        common = {**self.vocabulary, "vocabulary": self.vocabulary, "classes": self.classes, "input_spec": self.input_spec}
        return _build(registry(slot.registry), node, path, {**common, **provided})

    def class_at(self, path: str) -> object:
        """Import and return the class or function that the block of a slot names, without building it.

        Raises:
            ConfigError: the part does not exist, or an untrusted configuration may not name it.
        """
        self.require(path)
        slot, node = kind_at(path), self._node(path)
        if not isinstance(slot, Slot) or node is None:
            raise ValueError(f"{path} is not a slot with a part")
        entry, said = find_entry(registry(slot.registry), node, path)
        return entry.load(place(said.where, join(path, "type")))

    def build_all(self, path: str, **provided: object) -> Dict[str, object]:
        """Return the parts of a mapping of slots such as ``model.heads`` or ``hooks``, by name, in order; empty if there are none."""
        kind, node = kind_at(path), self._node(path)
        if not isinstance(kind, Named):
            raise ValueError(f"{path} is not a mapping of slots")
        return {name: self.build(join(path, name), **provided) for name in (node.keys() if node else ())}

    def to_yaml(self, origin: bool = False) -> str:
        """Return the resolved configuration as text that loads to the same values; ``origin`` adds each value's position as a comment."""
        return to_text(self._written(), origin)

    def _written(self) -> Node:
        """Return the tree in its unresolved form."""
        return self._root.map_scalars(lambda node, _: replace(node, value=escape(node.value)) if isinstance(node.value, str) else node)

    def leaves(self) -> Iterator[Tuple[str, object, str]]:
        """Yield path, value and position of every leaf: scalars, lists and empty mappings."""
        for path, node in leaves(self._root):
            yield path, node.plain(), node.where

    def _node(self, path: str) -> Optional[Node]:
        node: Optional[Node] = self._root
        for key in path.split(".") if path else ():
            node = node.child(key) if node is not None else None
        return node


def _build(parts: Registry, node: Node, path: str, provided: Dict[str, object]) -> object:
    entry, said = find_entry(parts, node, path)
    make = entry.load(place(said.where, join(path, "type")))
    inner = {name: value for name, value in provided.items() if name != NAME}
    arguments = {
        key: _argument(parts_of_argument(key), child, join(path, key), inner) for key, child in node.mapping.items() if key != "type"
    }
    for parameter in inspected(make).parameters:
        if parameter.name in provided:
            arguments.setdefault(parameter.name, provided[parameter.name])
    try:
        return make(**arguments)
    except MindpointError as error:
        error.args, error.key = (positioned(Node(node.value, said.where), path, error), *error.args[1:]), None
        raise
    except Exception as error:
        raise ConfigError(f"{place(said.where, path)}: {entry.name} failed to build: {type(error).__name__}: {error}") from error


def _argument(parts: Registry, node: Node, path: str, provided: Dict[str, object]) -> object:
    if "type" in node.mapping:
        return _build(parts, node, path, provided)
    if node.is_mapping:
        return {key: _argument(parts, child, join(path, key), {**provided, NAME: key}) for key, child in node.mapping.items()}
    if node.is_list:
        return [_argument(parts, child, join(path, str(index)), provided) for index, child in enumerate(node.items)]
    return node.value
