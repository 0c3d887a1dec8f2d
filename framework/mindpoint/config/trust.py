"""Limits on what a configuration of somebody else may decide.

Whoever writes a configuration can name any class, so a configuration is a program. One that comes with a model file or in a run's folder
was perhaps written by a stranger: it may name installed parts only, and what is read is named by the user. What the command line
says with ``--set`` or ``--config`` is the user's own.
"""

from __future__ import annotations

from typing import Iterator

from mindpoint.config.node import Node, Trust, place
from mindpoint.errors import ConfigError
from mindpoint.registry import Annotation, Entry

ALLOWED = ("model", "test")
"""Sections whose parts a model file may give any text to. Elsewhere a text may be the name of a file to be read."""
HOW = "or with --trust, only if you trust whoever made this file: it can run code"


def check_entry(entry: Entry, said: Node, path: str) -> None:
    """Raise ConfigError if a part is named by its class and whoever wrote that is not trusted; ``said`` is the node of the ``type``."""
    if said.trust < Trust.USER and not entry.distribution and entry.registered is None:
        raise refused(said, path, f"names the class '{entry.shown}', which may run anything", f"--set {path}=NAME")


def check_text(annotation: Annotation, node: Node, path: str) -> None:
    """Raise ConfigError if an argument holds a text of a model file that may be the name of a file to be read."""
    if path.split(".")[0] in ALLOWED or not annotation.accepts_any_text:
        return
    for leaf_path, leaf in _texts(node, path):
        if leaf.trust < Trust.RUN:
            message = f"{str(leaf.value)[:60]!r} may be the name of a file to read, and it stands in a model file"
            raise refused(leaf, leaf_path, message, f"--set {leaf_path}=VALUE")


def refused(node: Node, path: str, what: str, how: str) -> ConfigError:
    """Return the error for something of an untrusted file: what it is and how to go on."""
    return ConfigError(f"{place(node.where, path)}: refused: {what}; go on with {how}, with your own --config, {HOW}")


def _texts(node: Node, path: str) -> Iterator["tuple[str, Node]"]:
    for key in node.keys():
        yield from _texts(node.child(key), f"{path}.{key}")
    if isinstance(node.value, str):
        yield path, node
