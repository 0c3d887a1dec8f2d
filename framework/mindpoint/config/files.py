"""Finds configuration files and reads them with their bases."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from mindpoint.config.local_parts import with_whole_paths
from mindpoint.config.merge import REPLACE, merge
from mindpoint.config.node import Node, Problems, Trust
from mindpoint.config.renamed import with_current_names
from mindpoint.config.text import MOST_CHARACTERS, parse
from mindpoint.config.trust import refused
from mindpoint.errors import ConfigError
from mindpoint.registry import installed, nearest, normalize

BASE = "_base_"
CORE = "mindpoint"
"""The distribution whose configurations have no prefix."""
RESOLVED = "config.yaml"
"""Name of the file in a run's folder that holds the run's resolved configuration."""


def shipped_folders() -> Dict[str, List[Path]]:
    """Return the folders of configurations that each installed distribution declares, without importing anything.

    The entry-point group is ``mindpoint.configs``; an entry point's name is ignored, its value is ``package`` or ``package:sub/folder``.
    """
    found: Dict[str, List[Path]] = {}
    for point in installed.points():
        if point.group == "mindpoint.configs":
            top, *below = re.split(r"[.:/]", point.value)
            spec = find_spec(top)
            places = [Path(place, *below) for place in (spec.submodule_search_locations if spec else None) or ()]
            found.setdefault(point.distribution, []).extend(place for place in places if place.is_dir())
    return found


def shipped_folder() -> Optional[Path]:
    """Return the folder with the configurations shipped with mindpoint."""
    return next(iter(shipped_folders().get(CORE, [])), None)


def shipped() -> Dict[str, Path]:
    """Return the shipped configurations by name, in order of names; those from other distributions follow and begin with
    ``distribution:``. Files in their subfolders are bases and are not listed."""
    found = {}
    for distribution, folders in sorted(shipped_folders().items(), key=lambda item: (item[0] != CORE, item[0])):
        prefix = "" if distribution == CORE else f"{distribution}:"
        files = [file for place in _places(distribution, folders) for file in place.glob("*.yaml")]
        found.update({prefix + file.stem: file for file in sorted(files, key=lambda file: file.stem)})
    return found


def descriptions() -> Dict[str, str]:
    """Return the first lines of the shipped configurations by name; empty where a file does not begin with a comment."""
    firsts = {name: path.read_text(encoding="utf-8").partition("\n")[0] for name, path in shipped().items()}
    return {name: first.lstrip("# ") if first.startswith("#") else "" for name, first in firsts.items()}


def _places(distribution: str, folders: Sequence[Path]) -> List[Path]:
    """Return a distribution's folders of named configurations. For mindpoint they include the subfolders, one per model."""
    if distribution != CORE:
        return list(folders)
    return [place for folder in folders for place in (folder, *sorted(folder.iterdir())) if place.is_dir() and place.name[0] not in "_."]


def find(name: str) -> Path:
    """Return the file for a name, with or without ``.yaml``.

    The name is a file, a run's folder, a configuration shipped with mindpoint, or ``distribution:file`` for another distribution.

    Raises:
        ConfigError: the file does not exist.
    """
    found = _existing(f"{name}/{RESOLVED}", Path()) if os.path.isdir(name) else None
    found = found or _existing(name, Path())
    if found is None:
        what = f"the folder does not contain {RESOLVED}" if os.path.isdir(name) else "no such configuration file"
        raise ConfigError(f"{name}: {what}; {_advice(name)}")
    return found


def _advice(name: str) -> str:
    """Return advice about the available configurations when one is not found."""
    owner, colon, _ = name.rpartition(":")
    names = list(shipped())
    if colon and not _folders_of(owner):
        others = ", ".join(sorted(shipped_folders())) or "nothing"
        return f"no distribution '{owner}' with configurations is installed; those with configurations: {others}"
    if colon:
        names = [known for known in names if normalize(known.rpartition(":")[0] or CORE) == normalize(owner)]
    inner = {known.rpartition(":")[2]: known for known in names}
    near = nearest(Path(name.rpartition(":")[2]).stem, list(inner))
    return f"did you mean '{inner[near[0]]}'?" if near else f"shipped configurations: {', '.join(names) or 'nothing'}"


def _folders_of(distribution: str) -> List[Path]:
    found = shipped_folders()
    return [folder for owner in found if normalize(owner) == normalize(distribution) for folder in found[owner]]


def _existing(name: str, folder: Path) -> Optional[Path]:
    """Return the file in ``folder``, or else among the configurations of the distribution before the colon (or mindpoint)."""
    owner, _, inner = name.rpartition(":")
    candidates = [folder / name, *(place / inner for place in _places(owner or CORE, _folders_of(owner or CORE)))]
    spellings = [spelling for path in candidates if path.name for spelling in (path, path.with_name(path.name + ".yaml"))]
    return next((path for path in spellings if os.path.isfile(path)), None)  # also False for invalid names


def read(path: Path, problems: Problems, above: Tuple[Path, ...] = (), trust: Trust = Trust.USER) -> Node:
    """Return a file merged with its bases. A file that cannot be read counts as empty and is added to ``problems``.

    Args:
        above: the files that inherit from this one, outermost first.
        trust: trust in the file; only the user's own files may have bases.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(MOST_CHARACTERS + 1)
    except UnicodeDecodeError:
        return _unreadable(f"{_shown(path)}: not a UTF-8 text file; save it as UTF-8", path, problems)
    except OSError as error:
        return _unreadable(f"{_shown(path)}: cannot be read: {error.strerror}; check its permissions", path, problems)
    return read_text(text, _shown(path), path.parent, problems, (*above, path), trust)


def read_text(text: str, name: str, folder: Path, problems: Problems, chain: Sequence[Path] = (), trust: Trust = Trust.USER) -> Node:
    """Read a configuration like :func:`read`, from a text instead of a file; its bases are relative to ``folder``."""
    try:
        own = parse(text, lambda line: f"{name}:{line}", problems, trust=trust)
        if trust < Trust.USER:
            _refuse_bases(own)
        else:
            own = with_whole_paths(own, folder)
    except ConfigError as error:
        return _unreadable(str(error), Path(name), problems)
    if own.value is None:
        own = Node({}, own.where)
    if not own.is_mapping:
        return _unreadable(f"{own.where}: a configuration must be a mapping; write 'key: value'", Path(name), problems)
    own = with_current_names(own)
    said, inner = own.mapping.get(BASE), len(chain) > 1
    own = Node({key: child for key, child in own.mapping.items() if key != BASE}, own.where)
    below: Optional[Node] = None
    for entry in (said.items if said.is_list else [said]) if said else []:
        base = _base(entry, folder, problems, tuple(chain))
        below = merge(below, base, problems, keep=inner) if base else below
    return merge(below, own, problems, keep=inner)


def _refuse_bases(node: Node, path: str = "") -> None:
    """Raise ConfigError for keys that only a user's file may have: bases and replacements."""
    for key, child in node.children():
        inner = f"{path}.{key}" if path else key
        if key == REPLACE or (key == BASE and not path):
            raise refused(child, inner, f"'{key}' refers to other files, which a resolved configuration cannot do", "a file without it")
        _refuse_bases(child, inner)


def _base(entry: Node, folder: Path, problems: Problems, chain: Tuple[Path, ...]) -> Optional[Node]:
    if not isinstance(entry.value, str):
        problems.add(entry.where, BASE, f"takes a path or a list of paths, not {entry.plain()!r}")
        return None
    path = _existing(entry.value, folder)
    if path is None:
        problems.incomplete = True
        place = (folder / entry.value).parent
        beside = [file for file in sorted(place.glob("*.yaml")) if file not in chain] if os.path.isdir(place) else []
        near = nearest(entry.value, [os.path.relpath(file, folder) for file in beside])
        hint = f"did you mean '{near[0]}'?" if near else f"searched {_shown(folder)} and the shipped configurations"
        hint = _advice(entry.value) if ":" in entry.value else hint
        problems.add(entry.where, BASE, f"file '{entry.value}' not found; {hint}")
        return None
    known = [file.resolve() for file in chain]
    if path.resolve() in known:
        problems.incomplete = True
        circle = [*chain[known.index(path.resolve()) :], path]
        problems.add(entry.where, BASE, f"circular inheritance: {' -> '.join(map(_shown, circle))}; remove one of these")
        return None
    return read(path, problems, chain)


def _unreadable(message: str, path: Path, problems: Problems) -> Node:
    problems.incomplete = True
    problems.add_message(message)
    return Node({}, _shown(path))


def _shown(path: Path) -> str:
    """Return a path relative to the working directory if it lies inside, otherwise unchanged."""
    relative = os.path.relpath(path)
    return os.path.normpath(path) if relative.startswith(os.pardir) else relative
