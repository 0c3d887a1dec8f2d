"""A checked configuration and what is built from it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

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
        overrides: ``a.b=value`` as after ``--set``, laid over it in order.
        parts: dotted paths of the slots that will be built, such as ``("model.decoder",)``; a prefix means all below it. Other slots are
            checked only when they are built, so a plugin that is not used may be absent. Not given: everything is checked.
        trusted: whether the configuration may name classes (``module:Class``), which can run anything. Not given: a file is the user's
            and trusted; the folder of a run, which others may have made, names installed parts only. ``overrides`` are trusted always.

    Raises:
        ConfigError: one line for everything that is wrong.
    """
    problems = Problems()
    path = files.find(name)
    trusted = path.parent != Path(name) if trusted is None else trusted  # else it is a run's folder
    root = files.read(path, problems, trust=Trust.USER if trusted else Trust.RUN)
    return _finish(str(name), root, overrides, problems, parts)


def config_of(
    source: Union[str, Path, Mapping[str, object], "Config"], overrides: Sequence[str] = (), trusted: Optional[bool] = None
) -> "Config":
    """Return the configuration that a Python program means: a file or name as :func:`load_config` takes it, nested mappings, whose
    relative paths begin in the working folder, or a loaded one. Raises ConfigError."""
    if isinstance(source, Config):
        return source.changed(overrides)
    if not isinstance(source, Mapping):
        return load_config(str(source), overrides, trusted=trusted)
    try:
        text = one_line(source)
    except yaml.YAMLError as error:
        raise ConfigError(f"a configuration holds numbers, texts, lists and mappings: {error}") from error
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
        name: what it was loaded by.
        remarks: parts that could not be checked without importing them, a line each.
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
        """Read a configuration that is stored in something else than a file, such as a model; see :func:`load_config`.

        Unless it is ``trusted`` it may have been written by a stranger: it names installed parts only, ``model`` and ``test`` alone hold
        texts that reach a part, and other files are not read. A part is checked when it is built, unless ``parts`` has it. With
        ``Trust.RUN`` the data that it names are read, as those of a run's folder.
        ``name`` opens the messages. Raises ConfigError.
        """
        problems = Problems()
        trust = trusted if isinstance(trusted, Trust) else Trust.USER if trusted else Trust.MODEL
        root = files.read_text(text, name, Path(), problems, trust=trust)
        return _finish(name, root, overrides, problems, () if parts is None and trust < Trust.USER else parts)

    def changed(self, overrides: Sequence[str], parts: Optional[Sequence[str]] = None) -> "Config":
        """Return this configuration with changes laid over it, trusted as far as it was; ``parts`` are checked now, by default those that
        were. Raises ConfigError."""
        return _finish(self.name, self._written(), overrides, Problems(), self._parts if parts is None else parts)

    @property
    def data(self) -> dict:
        """Return all values that are written, as nested dictionaries and lists: a copy."""
        return self._root.plain()

    @property
    def stem(self) -> str:
        """Return what runs of it are called: the name without folder, suffix and distribution."""
        return Path(self.name).stem.rpartition(":")[2]

    @property
    def classes(self) -> List[str]:
        """Category names; the index is the class label."""
        return list(self.section("").classes)

    @property
    def seed(self) -> int:
        return self.section("").seed

    @cached_property
    def vocabulary(self) -> Dict[str, object]:
        """Return the sections of plugins that are written, by name, each as its dataclass."""
        return {name: self.section(name) for name in registry("sections").names() if self.has(name)}

    @cached_property
    def input_spec(self) -> InputSpec:
        return self.section("input")

    def section(self, path: str) -> object:
        """Return the settings of a section (``train``, ``test``, ``runtime``, ...) as its dataclass, with defaults for what is not written.

        Raises:
            ConfigError: the section is not there and some of its keys have no default.
        """
        section, node = kind_at(path) if path else ROOT, self._node(path)
        if not isinstance(section, Section) or section.settings is None:
            raise ValueError(f"{path} is not a section with settings")
        try:
            return settings(section, node)
        except (TypeError, ConfigError) as error:
            if node is not None:
                raise
            raise ConfigError(f"{self.name}: there is no '{path}' section; add one") from error

    def split(self, name: str) -> object:
        """Return the settings of ``data.<name>``. Raises ConfigError if it is not there."""
        if self._node(f"data.{name}") is None:
            splits = list(self.data.get("data", {}))
            raise ConfigError(f"{self.name}: there is no 'data.{name}' section; data has {', '.join(splits) or 'none'}")
        return self.section(f"data.{name}")

    def require(self, *paths: str) -> None:
        """Raise one ConfigError that names all sections and blocks of ``paths`` that are not there."""
        missing = [f"{self.name}: '{path}' is missing; add it" for path in paths if self._node(path) is None]
        if missing:
            raise ConfigError("\n".join(missing))

    def has(self, path: str) -> bool:
        """Tell whether something is written there."""
        return self._node(path) is not None

    def build(self, path: str, **provided: object) -> Optional[object]:
        """Return the part of a slot such as ``model.backbone``; None if there is no block.

        Blocks inside the arguments are built first. A constructor that names ``classes``, ``input_spec``, a section of
        :attr:`vocabulary` or one of ``provided`` is given it, unless the block says otherwise.

        Args:
            provided: values that :data:`mindpoint.config.injection.TABLE` lists for this kind of part.

        Raises:
            MindpointError: as the constructor raised it, with the block's place before the message.
            ConfigError: the constructor raised something else.
        """
        slot, node = kind_at(path), self._node(path)
        if not isinstance(slot, Slot):
            raise ValueError(f"{path} is not a place for a part")
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
        """Return the class or function that the block of a slot names, imported, without building it.

        Raises:
            ConfigError: there is no such part, or whoever wrote the configuration may not name it.
        """
        self.require(path)
        slot, node = kind_at(path), self._node(path)
        return find_entry(registry(slot.registry), node, path).load(place(node.value["type"].where, join(path, "type")))

    def build_all(self, path: str, **provided: object) -> Dict[str, object]:
        """Return the parts of a mapping of slots such as ``model.heads`` or ``hooks``, by name, in order; empty without any."""
        kind, node = kind_at(path), self._node(path)
        if not isinstance(kind, Named):
            raise ValueError(f"{path} is not a place for parts with names")
        return {name: self.build(join(path, name), **provided) for name in (node.keys() if node else ())}

    def to_yaml(self, origin: bool = False) -> str:
        """The resolved configuration as text that loads again and means the same; ``origin`` adds each value's place as a comment."""
        return to_text(self._written(), origin)

    def _written(self) -> Node:
        """Return the tree as one that is still to be resolved."""
        return self._root.map_scalars(lambda node, _: replace(node, value=escape(node.value)) if isinstance(node.value, str) else node)

    def leaves(self) -> Iterator[Tuple[str, object, str]]:
        """Path, value and place of everything that is no mapping with entries."""
        for path, node in leaves(self._root):
            yield path, node.plain(), node.where

    def _node(self, path: str) -> Optional[Node]:
        node: Optional[Node] = self._root
        for key in path.split(".") if path else ():
            node = node.child(key) if node is not None else None
        return node


def _build(parts: Registry, node: Node, path: str, provided: Dict[str, object]) -> object:
    entry = find_entry(parts, node, path)
    said = node.value["type"]
    make = entry.load(place(said.where, join(path, "type")))
    inner = {name: value for name, value in provided.items() if name != NAME}
    arguments = {
        key: _argument(parts_of_argument(key), child, join(path, key), inner) for key, child in node.value.items() if key != "type"
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
    if node.is_mapping and "type" in node.value:
        return _build(parts, node, path, provided)
    if node.is_mapping:
        return {key: _argument(parts, child, join(path, key), {**provided, NAME: key}) for key, child in node.value.items()}
    if node.is_list:
        return [_argument(parts, child, join(path, str(index)), provided) for index, child in enumerate(node.value)]
    return node.value
