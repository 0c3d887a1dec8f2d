"""The draft of a converted configuration, and the handlers that fill it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Optional

import yaml
from mindpoint.config import Config
from mindpoint.config.node import Node
from mindpoint.config.text import to_text
from mindpoint.errors import ConfigError, DataError
from mindpoint.storage.files import write_text

Handler = Callable[["Draft", object], None]


class Draft:
    """A draft of a configuration: a base, values that override it, and remarks on options without an equivalent.

    Args:
        source: name of the converted file or command line in messages.
        out: the file to write, ending in ``.yaml``.

    Attributes:
        base: a shipped configuration, or None.
        values: nested mappings.
        remarks: sentences, in order.
    """

    def __init__(self, source: str, out: str) -> None:
        self.source, self.out = source, out
        self.base: Optional[str] = None
        self.values: Dict[str, object] = {}
        self.remarks: List[str] = []

    def set(self, key: str, value: object) -> None:
        """Set the value at a path, such as ``train.epochs``."""
        *sections, last = key.split(".")
        place = self.values
        for name in sections:
            place = place.setdefault(name, {})
        place[last] = value

    def remark(self, option: str, text: str) -> None:
        """Add a remark on an option without an equivalent in the configuration."""
        self.remarks.append(f"{option}: {text}")

    def apply(self, handlers: Mapping[str, Handler], options: Mapping[str, object], prefix: str = "") -> None:
        """Pass each option to its handler. Remark on options without a handler.

        Raises:
            ConfigError: a handler cannot use a value.
        """
        for name, value in options.items():
            if name not in handlers:
                self.remark(f"{prefix}{name}", "unknown, so it has no effect")
                continue
            try:
                handlers[name](self, value)
            except (TypeError, ValueError, LookupError, SyntaxError, ArithmeticError) as error:
                raise ConfigError(f"{self.source}: {prefix}{name}: {_short(value)} cannot be used: {error}") from error

    def write(self) -> None:
        """Check that the configuration loads, and write the file.

        Raises:
            ConfigError: the configuration is invalid. OutputError: the file cannot be written.
        """
        lines = [f"# Made from {self.source} by mindpoint migrate."]
        lines += [f"# - {' '.join(remark.split())}" for remark in self.remarks]
        content = {**({"_base_": self.base} if self.base else {}), **self.values}
        text = "\n".join(lines) + "\n" + to_text(_node(content))
        try:
            Config.from_text(text, self.out, trusted=True)
        except ConfigError as error:
            raise ConfigError(f"{self.source}: its settings make an invalid configuration:\n{error}") from error
        write_text(self.out, text)


def _node(value: object) -> Node:
    if isinstance(value, Mapping):
        return Node({key: _node(child) for key, child in value.items()}, "")
    return Node([_node(child) for child in value] if isinstance(value, (list, tuple)) else value, "")


def to(key: str, convert: Callable[[object], object] = lambda value: value) -> Handler:
    """Return a handler that sets the value at a path to the value of an option."""
    return lambda draft, value: draft.set(key, convert(value))


def tells(option: str, text: str) -> Handler:
    """Return a handler that adds a remark if an option is used. ``{value}`` in the text stands for the option's value."""

    def handler(draft: Draft, value: object) -> None:
        if value not in (None, "", False, "false", "False"):
            draft.remark(option, text.replace("{value}", _short(value)))

    return handler


def silent(draft: Draft, value: object) -> None:
    """Ignore an option that needs no remark."""


def switch(value: object) -> bool:
    """Return a bool unchanged, and the bool of a text, ``true`` or ``false``. Raises ValueError for other values."""
    if value in (True, False):
        return bool(value)
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise ValueError("it is neither true nor false")


def literal(value: object) -> object:
    """Return the value of a text such as ``[1, 2]`` or ``np.array([1, 2], dtype=np.float32)``. The text is parsed and never run. A value
    of another type is returned unchanged."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith(("np.array(", "numpy.array(")) and text.endswith(")"):
        text = text.partition("(")[2][:-1].rpartition(", dtype=")[0] or text.partition("(")[2][:-1]
    return ast.literal_eval(" ".join(text.split()))


def numbers(value: object) -> List[float]:
    """Return the numbers of a list, or of a text with commas."""
    parts = value.split(",") if isinstance(value, str) and "[" not in value and "(" not in value else literal(value)
    return [_number(part) for part in (parts if isinstance(parts, (list, tuple)) else [parts])]


def _number(value: object) -> float:
    number = float(value)
    return int(number) if number.is_integer() and "." not in str(value) else number


def read_text(path: str) -> str:
    """Return the content of a text file. Raises DataError."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text") from error


def read_yaml(path: str, first: bool = False) -> object:
    """Return the document of a YAML file; None if the file is empty.

    Args:
        first: ignore further documents, such as the help texts in the model zoo's files.

    Raises:
        DataError: the file cannot be read. ConfigError: it is not YAML.
    """
    try:
        text = read_text(path)
        return next(yaml.safe_load_all(text), None) if first else yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
