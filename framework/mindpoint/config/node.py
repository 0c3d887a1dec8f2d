"""Values that remember where they were written, and the list of what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Tuple, Union

from mindpoint.errors import ConfigError

Scalar = Union[None, bool, int, float, str]


@dataclass(frozen=True)
class Node:
    """A value and its place.

    Attributes:
        value: a scalar, a list of nodes, or a mapping from names to nodes. Nodes are shared between trees: never changed in place.
        where: ``file:line`` of the key that names it (of the value itself in a list), or the ``--set`` that gave it.
    """

    value: Union[Scalar, List["Node"], Dict[str, "Node"]]
    where: str

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, list)

    def keys(self) -> List[str]:
        """Names of the entries; positions ``"0"``, ``"1"``, ... in a list; none in a scalar."""
        if self.is_list:
            return [str(index) for index in range(len(self.value))]
        return list(self.value) if self.is_mapping else []

    def child(self, key: str) -> Union["Node", None]:
        """The entry of that name or position, or None."""
        if key not in self.keys():
            return None
        return self.value[int(key)] if self.is_list else self.value[key]

    def map_scalars(self, change: Callable[["Node", str], "Node"], path: str = "") -> "Node":
        """The tree with ``change(scalar, path)`` in the place of every scalar."""
        if self.is_mapping:
            return Node({key: child.map_scalars(change, join(path, key)) for key, child in self.value.items()}, self.where)
        if self.is_list:
            return Node([child.map_scalars(change, join(path, str(index))) for index, child in enumerate(self.value)], self.where)
        return change(self, path)

    def plain(self) -> object:
        """The value without places: dictionaries, lists, scalars."""
        if self.is_mapping:
            return {key: child.plain() for key, child in self.value.items()}
        return [child.plain() for child in self.value] if self.is_list else self.value

    def block_type(self) -> Union[str, None]:
        """What ``type:`` says, if this is a mapping with a ``type`` that is a string."""
        said = self.value.get("type") if self.is_mapping else None
        return said.value if said is not None and isinstance(said.value, str) else None


def join(path: str, key: str) -> str:
    """The dotted path of an entry."""
    return f"{path}.{key}" if path else key


def leaves(node: Node, path: str = "") -> Iterator[Tuple[str, Node]]:
    """Everything that is no mapping with entries, with its path: scalars, lists, empty mappings."""
    if node.is_mapping and node.value:
        for key, child in node.value.items():
            yield from leaves(child, join(path, key))
    else:
        yield path, node


class Problems:
    """All that is wrong, each once, in the order found.

    Attributes:
        incomplete: a file could not be read, so what is missing may have stood there.
    """

    def __init__(self) -> None:
        self._messages: Dict[str, None] = {}
        self.incomplete = False

    def add(self, where: str, path: str, message: str) -> None:
        self.add_message(f"{place(where, path)}: {message}")

    def add_message(self, message: str) -> None:
        self._messages[message] = None

    @property
    def count(self) -> int:
        return len(self._messages)

    def raise_any(self) -> None:
        """Raise one ConfigError with a line for each problem, if there is one."""
        if self._messages:
            raise ConfigError("\n".join(self._messages))


def place(where: str, path: str) -> str:
    """``file:line: path``; a ``--set`` names the path already."""
    return where if not path or where.endswith(f"--set {path}") else f"{where}: {path}"
