"""``type: ./parts.py:Bell``: a part in a file, whose path is relative to the configuration file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from mindpoint.config.node import Node
from mindpoint.registry import local


def with_whole_paths(node: Node, folder: Path, path: str = "") -> Node:
    """Return the tree with absolute paths in every ``type`` that names a part in a file.

    Files are read in their current state, even if an earlier version was imported.

    Args:
        folder: base of relative paths.
        path: path of the tree in the configuration.
    """
    local.forget_changed()
    return node.map_scalars(lambda scalar, place: _with_whole_path(scalar, place, folder), path)


def _with_whole_path(scalar: Node, place: str, folder: Path) -> Node:
    if place.rpartition(".")[2] != "type" or not isinstance(scalar.value, str) or not local.names_file(scalar.value):
        return scalar
    return replace(scalar, value=os.path.abspath(folder / scalar.value))
