"""Parts in a separate file, without a distribution: ``./parts.py:Bell``.

Each file is a module whose name contains its whole path. Any process can import it by that name, as unpickling does, and two files called
``parts.py`` are two modules. ``sys.path`` is not changed.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Dict, Optional

_PREFIX = "mindpoint_file_"
_SUFFIX = ".py"
_digests: Dict[str, str] = {}


def names_file(text: str) -> bool:
    """Tell whether a text names a part in a file, ``path.py:Class``."""
    path, colon, attribute = text.rpartition(":")
    return bool(colon and attribute) and path.endswith(_SUFFIX)


def module_of(path: str) -> str:
    """Return the module name of a file; relative paths begin in the working folder."""
    whole = os.path.abspath(path)
    return f"{_PREFIX}{os.fsencode(whole).hex()}"


def path_of(module: str) -> Optional[str]:
    """Return the file of a module named by :func:`module_of`; None for any other module."""
    if not module.startswith(_PREFIX):
        return None
    try:
        return os.fsdecode(bytes.fromhex(module[len(_PREFIX) :]))
    except ValueError:
        return None


def forget_changed() -> None:
    """Forget files that have changed since they were imported, so that the next use imports them again, as in a notebook."""
    for path, digest in list(_digests.items()):
        if _digest(path) != digest:
            del _digests[path]
            sys.modules.pop(module_of(path), None)


def digests() -> Dict[str, str]:
    """Return the SHA-256 of each imported file, computed at import, by path."""
    return dict(_digests)


def _digest(path: str) -> Optional[str]:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return None


class _Loader(SourceFileLoader):
    """A loader that compiles the current content of the file, without reading or writing ``__pycache__``."""

    def get_code(self, fullname: str) -> CodeType:
        data = self.get_data(self.path)
        _digests[self.path] = hashlib.sha256(data).hexdigest()
        return self.source_to_code(data, self.path)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, path: object = None, target: object = None) -> Optional[ModuleSpec]:
        file = path_of(fullname)
        if file is None or not os.path.isfile(file):
            return None
        return importlib.util.spec_from_file_location(fullname, file, loader=_Loader(fullname, file))


sys.meta_path.append(_Finder())
