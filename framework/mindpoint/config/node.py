"""Values that remember their position in the source, and the list of problems found in them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Tuple, Union

from mindpoint.errors import ConfigError

Scalar = Union[None, bool, int, float, str]

MOST_NODES = 100_000
"""Maximum number of values of a configuration, counting each use of a shared value."""
MOST_LEVELS = 100
"""Maximum nesting depth of values."""
_SHOWN_PROBLEMS, _MOST_PROBLEMS, _LONGEST_MESSAGE = 20, 1000, 1500


class Trust(enum.IntEnum):
    """Levels of trust in a value, by the source that it comes from."""

    MODEL = 0
    """From a model file: installed parts only; it may not choose data."""
    RUN = 1
    """From a run's folder: installed parts only, with the data of the run."""
    USER = 2
    """From a file of the user or from the command line: any class."""


@dataclass(frozen=True)
class Node:
    """A value and its position.

    Attributes:
        value: a scalar, a list of nodes, or a mapping from names to nodes. Trees share nodes, so they are never changed in place.
        where: ``file:line`` of its key (of the value itself in a list), or the ``--set`` option that set it.
        trust: trust in a scalar.
    """

    value: Union[Scalar, List["Node"], Dict[str, "Node"]]
    where: str
    trust: Trust = Trust.USER

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, list)

    @property
    def mapping(self) -> Dict[str, "Node"]:
        """Return the entries of a mapping; empty for a list or scalar."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> List["Node"]:
        """Return the entries of a list; empty for a mapping or scalar."""
        return self.value if isinstance(self.value, list) else []

    def children(self) -> List[Tuple[str, "Node"]]:
        """Return the entries with their names, or their positions ``"0"``, ``"1"``, ... in a list; empty for a scalar."""
        return [(str(index), item) for index, item in enumerate(self.items)] or list(self.mapping.items())

    def keys(self) -> List[str]:
        """Return the names or positions of the entries, as :meth:`children` does."""
        return [key for key, _ in self.children()]

    def child(self, key: str) -> Union["Node", None]:
        """Return the entry of that name or position, or None."""
        if self.is_list:
            index = int(key) if key.isdecimal() and len(key) < 10 else -1
            return self.items[index] if str(index) == key and index < len(self.items) else None
        return self.mapping.get(key)

    def map_scalars(self, change: Callable[["Node", str], "Node"], path: str = "") -> "Node":
        """Return the tree with every scalar replaced by ``change(scalar, path)``."""
        if self.is_mapping:
            return Node({key: child.map_scalars(change, join(path, key)) for key, child in self.mapping.items()}, self.where)
        if self.is_list:
            return Node([child.map_scalars(change, join(path, str(index))) for index, child in enumerate(self.items)], self.where)
        return change(self, path)

    def plain(self) -> object:
        """Return the value without positions: dictionaries, lists, scalars."""
        if self.is_mapping:
            return {key: child.plain() for key, child in self.mapping.items()}
        return [child.plain() for child in self.items] if self.is_list else self.value

    def block_type(self) -> Union[str, None]:
        """Return the value of ``type:`` if this is a mapping with a string ``type``, else None."""
        said = self.mapping.get("type")
        return said.value if said is not None and isinstance(said.value, str) else None


def join(path: str, key: str) -> str:
    """Return the dotted path of an entry."""
    return f"{path}.{key}" if path else key


def size_and_height(node: Node) -> Tuple[int, int]:
    """Return the number of values in a tree, counting each use of a shared value, and the number of levels.

    Raises:
        ConfigError: more than :data:`MOST_NODES` or :data:`MOST_LEVELS`.
    """
    known: Dict[int, Tuple[int, int]] = {}

    def measure(node: Node, level: int) -> Tuple[int, int]:
        if not (node.is_mapping or node.is_list):
            return 1, 1
        if level > MOST_LEVELS:
            raise ConfigError(f"{node.where}: values are nested in more than {MOST_LEVELS} levels")
        if id(node.value) not in known:
            inner = [measure(child, level + 1) for _, child in node.children()]
            known[id(node.value)] = 1 + sum(size for size, _ in inner), 1 + max((height for _, height in inner), default=0)
        size, height = known[id(node.value)]
        if size > MOST_NODES:
            raise ConfigError(f"{node.where}: more than {MOST_NODES:,} values; each use of an alias or reference counts all its values")
        if level + height > MOST_LEVELS + 2:
            raise ConfigError(f"{node.where}: values are nested in more than {MOST_LEVELS} levels")
        return size, height

    return measure(node, 1)


def leaves(node: Node, path: str = "") -> Iterator[Tuple[str, Node]]:
    """Yield every leaf with its path: scalars, lists, empty mappings."""
    if node.mapping:
        for key, child in node.mapping.items():
            yield from leaves(child, join(path, key))
    else:
        yield path, node


class Problems:
    """All problems found, without duplicates, in order. When the limit is reached, adding another problem raises all of them.

    Attributes:
        incomplete: a file could not be read, so missing keys may have been in it.
    """

    def __init__(self) -> None:
        self._messages: Dict[str, None] = {}
        self.incomplete = False

    def add(self, where: str, path: str, message: str) -> None:
        self.add_message(f"{place(where, path)}: {message}")

    def add_message(self, message: str) -> None:
        over = len(message) - _LONGEST_MESSAGE
        self._messages[message if over <= 0 else f"{message[:_LONGEST_MESSAGE]} ... ({over} more characters)"] = None
        if self.count >= _MOST_PROBLEMS:
            self.raise_any()

    @property
    def count(self) -> int:
        return len(self._messages)

    def raise_any(self) -> None:
        """Raise one ConfigError with a line for each problem, if there are any."""
        if self._messages:
            shown = list(self._messages)[:_SHOWN_PROBLEMS]
            more = self.count - len(shown)
            raise ConfigError("\n".join(shown + [f"... and {more} more problems"] * (more > 0)))


def place(where: str, path: str) -> str:
    """Return ``file:line: path``. For a ``--set`` option, return the option alone, which already contains the path."""
    return where if not path or where.endswith(f"--set {path}") else f"{where}: {path}"
