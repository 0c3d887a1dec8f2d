"""Limits on what an untrusted configuration may control.

A configuration can name any class, so it is a program. A configuration in a model file or in a run's folder may come from a stranger. It
may name installed parts only, and the user names the files to read. Values that the user gives with ``--set`` or ``--config`` are
trusted.
"""

from __future__ import annotations

from typing import Iterator

from mindpoint.config.node import Node, Trust, place
from mindpoint.errors import ConfigError
from mindpoint.registry import Annotation, Entry

ALLOWED = ("model", "test")
"""Sections in which a model file may pass any text to parts. Elsewhere a text may be the name of a file to read."""
HOW = "or with --trust, if you trust the author of this file: it can run code"


def check_entry(entry: Entry, said: Node, path: str) -> None:
    """Raise ConfigError if an untrusted configuration names a part by its class; ``said`` is the node of the ``type``."""
    if said.trust < Trust.USER and not entry.distribution and entry.registered is None:
        raise refused(said, path, f"names the class '{entry.shown}', which can run any code", f"--set {path}=NAME")


def check_text(annotation: Annotation, node: Node, path: str) -> None:
    """Raise ConfigError if an argument from a model file is a text that may name a file to read."""
    if path.split(".")[0] in ALLOWED or not annotation.accepts_any_text:
        return
    for leaf_path, leaf in _texts(node, path):
        if leaf.trust < Trust.RUN:
            message = f"{str(leaf.value)[:60]!r} comes from a model file and may name a file to read"
            raise refused(leaf, leaf_path, message, f"--set {leaf_path}=VALUE")


def refused(node: Node, path: str, what: str, how: str) -> ConfigError:
    """Return the error for a forbidden item in an untrusted file: the item and the remedy."""
    return ConfigError(f"{place(node.where, path)}: refused: {what}; continue with {how}, with your own --config, {HOW}")


def _texts(node: Node, path: str) -> Iterator["tuple[str, Node]"]:
    for key, child in node.children():
        yield from _texts(child, f"{path}.{key}")
    if isinstance(node.value, str):
        yield path, node
