"""Configuration files: finding them, reading them with their bases."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from mindpoint.config.merge import merge
from mindpoint.config.node import Node, Problems
from mindpoint.config.renamed import with_current_names
from mindpoint.config.text import parse
from mindpoint.errors import ConfigError
from mindpoint.registry import nearest

BASE = "_base_"
RESOLVED = "config.yaml"
"""Name of the file in a run's folder that holds the run's resolved configuration."""


def shipped_folder() -> Optional[Path]:
    """Where the configurations that come with mindpoint are."""
    spec = find_spec("mindpoint_configs")
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def shipped() -> List[Path]:
    """The shipped configurations, without the parts in ``_base_``."""
    folder = shipped_folder()
    return sorted(folder.glob("*.yaml")) if folder else []


def find(name: str) -> Path:
    """The file that a name means: a file, a run's folder, or a shipped configuration with or without ``.yaml``.

    Raises:
        ConfigError: there is none.
    """
    found = _existing(Path(name, RESOLVED)) if Path(name).is_dir() else None
    found = found or _existing(Path(name))
    if found is None:
        names = [file.stem for file in shipped()]
        near = nearest(Path(name).stem, names)
        known = f"did you mean '{near[0]}'?" if near else f"shipped configurations: {', '.join(names) or 'none'}"
        what = f"the folder holds no {RESOLVED}" if Path(name).is_dir() else "no such configuration file"
        raise ConfigError(f"{name}: {what}; {known}")
    return found


def _existing(path: Path, folder: Optional[Path] = None) -> Optional[Path]:
    """The path in ``folder`` or, failing that, among the shipped configurations."""
    places = [folder or Path(), *filter(None, [shipped_folder()])]
    spellings = [path, path.with_name(path.name + ".yaml")] if path.name else []
    candidates = [place / spelling for place in places for spelling in spellings]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def read(path: Path, problems: Problems, above: Tuple[Path, ...] = ()) -> Node:
    """A file laid over its bases. What cannot be read counts as empty and is told to ``problems``.

    Args:
        above: the files that inherit from this one, outermost first.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return _unreadable(f"{_shown(path)}: not a text file in UTF-8; save it so", path, problems)
    except OSError as error:
        return _unreadable(f"{_shown(path)}: cannot be read: {error.strerror}; look at its permissions", path, problems)
    return read_text(text, _shown(path), path.parent, problems, (*above, path))


def read_text(text: str, name: str, folder: Path, problems: Problems, chain: Sequence[Path] = ()) -> Node:
    """The same for text that stands in no file; ``folder`` is what its bases are relative to."""
    try:
        own = parse(text, lambda line: f"{name}:{line}", problems)
    except ConfigError as error:
        return _unreadable(str(error), Path(name), problems)
    if own.value is None:
        own = Node({}, own.where)
    if not own.is_mapping:
        return _unreadable(f"{own.where}: a configuration is a mapping of keys to values; write 'key: value'", Path(name), problems)
    own = with_current_names(own)
    said = own.value.get(BASE)
    own = Node({key: child for key, child in own.value.items() if key != BASE}, own.where)
    below: Optional[Node] = None
    for entry in (said.value if said.is_list else [said]) if said else []:
        base = _base(entry, folder, problems, tuple(chain))
        below = merge(below, base, problems) if base else below
    return merge(below, own, problems)


def _base(entry: Node, folder: Path, problems: Problems, chain: Tuple[Path, ...]) -> Optional[Node]:
    if not isinstance(entry.value, str):
        problems.add(entry.where, BASE, f"takes a path or a list of paths, not {entry.plain()!r}")
        return None
    path = _existing(Path(entry.value), folder)
    if path is None:
        problems.incomplete = True
        beside = [file for file in sorted((folder / entry.value).parent.glob("*.yaml")) if file not in chain]
        near = nearest(entry.value, [os.path.relpath(file, folder) for file in beside])
        hint = f"did you mean '{near[0]}'?" if near else f"it is looked for in {_shown(folder)} and among the shipped configurations"
        problems.add(entry.where, BASE, f"no file '{entry.value}'; {hint}")
        return None
    known = [file.resolve() for file in chain]
    if path.resolve() in known:
        problems.incomplete = True
        circle = [*chain[known.index(path.resolve()) :], path]
        problems.add(entry.where, BASE, f"a configuration inherits from itself: {' -> '.join(map(_shown, circle))}; remove one of these")
        return None
    return read(path, problems, chain)


def _unreadable(message: str, path: Path, problems: Problems) -> Node:
    problems.incomplete = True
    problems.add_message(message)
    return Node({}, _shown(path))


def _shown(path: Path) -> str:
    """Relative to the working directory where it lies below it."""
    relative = os.path.relpath(path)
    return os.path.normpath(path) if relative.startswith(os.pardir) else relative
