"""``type: ./parts.py:Bell``: a part in a file, named relative to the file that says so."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from mindpoint.config.node import Node
from mindpoint.registry import local


def with_whole_paths(node: Node, folder: Path, path: str = "") -> Node:
    """Return the tree with the whole path in every ``type`` that names a part in a file.

    The files are taken as they are now, even if an earlier version of one was imported.

    Args:
        folder: what relative paths begin in.
        path: the tree's own place.
    """
    local.forget_changed()
    return node.map_scalars(lambda scalar, place: _with_whole_path(scalar, place, folder), path)


def _with_whole_path(scalar: Node, place: str, folder: Path) -> Node:
    if place.rpartition(".")[2] != "type" or not isinstance(scalar.value, str) or not local.names_file(scalar.value):
        return scalar
    return replace(scalar, value=os.path.abspath(folder / scalar.value))
