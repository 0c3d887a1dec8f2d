"""Private cache folders for compiled kernels and networks, which are costly to rebuild and which other users must not be able to
replace."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Iterator

from mindpoint.errors import OutputError
from mindpoint.storage.files import user_cache

_CHECKED = hasattr(os, "getuid")


def cache_folders() -> Iterator[Path]:
    """Yield the user's cache, then, where users have ids, a folder of this user in the system's temporary folder."""
    with contextlib.suppress(RuntimeError):  # no home folder
        yield user_cache()
    if _CHECKED:
        yield Path(tempfile.gettempdir()).absolute() / f"mindpoint-{os.getuid()}"


def only_ours(status: os.stat_result) -> bool:
    """Return whether only this user and root can change a file or folder. A library that others can change may run any code.

    Windows has neither these user ids nor these permissions. The folder of a user is private there, and nothing is checked.
    """
    return not _CHECKED or _is_ours(status) and not status.st_mode & 0o022


def prepare_private(folder: Path) -> None:
    """Make a folder of the cache.

    Raises:
        OutputError: other users can write there. OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    link = folder.is_symlink() and not _is_ours(folder.lstat())
    if link or not only_ours(folder.stat()):
        raise OutputError(f"{folder}: unsafe as a cache, since others can write there; use your own folder with mode 700")


def _is_ours(status: os.stat_result) -> bool:
    return not _CHECKED or status.st_uid in (os.getuid(), 0)
