"""Atomic writing: it leaves either the old file or the complete new one."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import shutil
import socket
import stat
import tempfile
import zlib
from pathlib import Path
from typing import Callable, Iterator, Optional, Sequence, Union

from mindpoint.errors import OutputError, WeightsError

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""Flag of ``os.open`` that refuses a link, which may lead to a file that another user has chosen; Windows lacks it."""
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<process>[0-9]+)-(?P<host>[0-9a-f]{8})(\.[^.]+)?\.(?P<kind>tmp|old)", re.DOTALL)
# errors of file systems that lack an operation
_LACKING = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES, errno.EPERM)


@contextlib.contextmanager
def atomic_write(path: Union[str, Path], companions: Sequence[str] = ()) -> Iterator[Path]:
    """Yield a path of the same name in a temporary folder next to ``path``. If the block succeeds, the file is synced and replaces
    ``path``. The temporary folder is always removed, with everything left in it.

    Args:
        companions: endings of files with the same stem that belong to the file; they are moved to their final paths first.

    Raises:
        OutputError: the folder cannot be written or is full; an existing file at ``path`` is untouched.
    """
    path = Path(path)
    folder = None
    try:
        clear_abandoned(path.parent, path.name)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.{this_process()}.", suffix=".tmp", dir=path.parent))
        yield folder / path.name
        for file in [*map(path.with_suffix, companions), path]:
            sync(folder / file.name)
            os.replace(folder / file.name, file)
        sync(path.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if folder is not None:
            _remove(folder)


def sync(path: Path) -> None:
    """Flush a file or folder to disk. File systems that do not support this for folders (SMB, some FUSE) are ignored."""
    try:
        descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)  # Windows flushes only files that are open for writing
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _LACKING or not os.path.isdir(path):
            raise


def set_usual_mode(path: Path) -> None:
    """Give a file the permissions that new files of this user usually get, if the file system has permissions."""
    with contextlib.suppress(OSError):
        probe = path.with_name(path.name + ".mode")
        probe.touch(exist_ok=False)
        mode = stat.S_IMODE(probe.stat().st_mode)
        probe.unlink()
        os.chmod(path, mode)


def has_permissions(folder: Path) -> bool:
    """Return whether the file system lets permissions be set."""
    try:
        os.chmod(folder, stat.S_IMODE(folder.stat().st_mode))
    except OSError:
        return False
    return True


def write_elsewhere(write: Callable[[Path], None], path: Path) -> None:
    """Let a library write a file in the system's temporary folder, and copy it to ``path``. Used for libraries that set permissions, which
    some file systems lack, or that restrict the characters of a path.

    Args:
        write: function that is called with the path to write, whose name has the ending of ``path``.
    """
    with temporary_folder() as folder:
        plain = folder / f"file{path.suffix}"
        write(plain)
        shutil.copyfile(plain, path)


def duplicate(path: Path, copy: Path) -> None:
    """Make ``copy`` a hard link to a file, or a copy of it where the file system lacks hard links."""
    try:
        os.link(path, copy)
    except OSError:
        shutil.copyfile(path, copy)


def write_text(path: Union[str, Path], text: str) -> None:
    """Write a text file atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def this_process() -> str:
    """Return the mark of this process in the names of temporary files: its process id, and a number for its host."""
    return f"{os.getpid()}-{zlib.crc32(socket.gethostname().encode()):08x}"


def _has_ended(process: str, host: str) -> bool:
    ours = this_process().partition("-")[2] == host and os.path.isdir("/proc/self")
    return ours and not os.path.exists(f"/proc/{process}")


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder in the system's temporary folder, and remove it with its content. First remove the folders that killed processes
    left."""
    place = Path(tempfile.gettempdir())
    clear_abandoned(place, "mindpoint")
    with tempfile.TemporaryDirectory(prefix=f".mindpoint.{this_process()}.", suffix=".tmp", dir=place) as folder:
        yield Path(folder)


def clear_abandoned(folder: Path, name: Optional[str] = None) -> None:
    """Clean up after killed processes of this host in a folder: remove temporary files; restore a folder that was being replaced
    if the new one is not in place.

    Args:
        name: name of the file or folder that they wrote; None: any name.
    """
    begin, left = "." if name is None else f".{name}.", []
    with contextlib.suppress(OSError):  # no folder, or one that cannot be listed
        left = [entry for entry in os.scandir(folder) if entry.name.startswith(begin)]
    for rest in left:
        found = _TEMPORARY.fullmatch(rest.name)
        if found and name in (None, found["name"]) and _has_ended(found["process"], found["host"]):
            if found["kind"] == "old" and not (folder / found["name"]).exists():
                os.replace(rest.path, folder / found["name"])
            else:
                shutil.rmtree(rest.path, ignore_errors=True)


def make_folder(path: Union[str, Path]) -> Path:
    """Return the folder, created if necessary.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    path = Path(path)
    _refuse_tilde(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be created: {error.strerror or error}") from error
    if not os.access(path, os.W_OK):
        raise OutputError(f"{path}: no permission to write there; choose another folder")
    return path


def _refuse_tilde(path: Path) -> None:
    """Raise OutputError for a path below a missing folder ``~``, which is meant to be the home folder."""
    home = path.parts[0] if path.parts else ""
    if home.startswith("~") and not os.path.exists(home) and os.path.expanduser(path) != str(path):
        raise OutputError(f"{path}: a shell expands ~ only outside of quotes; write {os.path.expanduser(path)}")


def numbered_folder(parent: Union[str, Path], name: str) -> Path:
    """Return a new folder ``NAME`` in a folder, or if it exists ``NAME-2``, ``NAME-3``, ...; concurrent callers get different ones.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    parent = make_folder(parent)
    for number in itertools.count(1):
        path = parent / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
    raise AssertionError


def user_cache() -> Path:
    """Return the folder for files that can be rebuilt or downloaded again: ``$MINDPOINT_CACHE``, or else ``$XDG_CACHE_HOME/mindpoint`` or
    ``~/.cache/mindpoint``. Raises RuntimeError if the user has no home folder."""
    own = os.environ.get("MINDPOINT_CACHE")
    return Path(own or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mindpoint").absolute()


def check_readable(path: Union[str, Path], kind: str) -> None:
    """Raise WeightsError if a file, called ``kind`` in the message, does not exist or is not readable."""
    if not os.path.isfile(path):
        raise WeightsError(f"{path}: no such {kind}")
    if not os.access(path, os.R_OK):
        raise WeightsError(f"{path}: no permission to read it")


@contextlib.contextmanager
def atomic_folder(out: Union[str, Path], overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder next to ``out``. If the block succeeds it becomes ``out``, otherwise it is removed.

    Args:
        overwrite: ``out`` may have content. It is removed once the new folder is complete, and kept otherwise.

    Raises:
        OutputError: ``out`` is in use, or its parent cannot be written or is full.
    """
    _refuse_tilde(Path(out))
    target = Path(out).resolve()
    temporary, old = (target.with_name(f".{target.name}.{this_process()}.{kind}") for kind in ("tmp", "old"))
    try:
        clear_abandoned(target.parent, target.name)
        if target.exists() and not (target.is_dir() and (overwrite or not any(target.iterdir()))):
            raise OutputError(f"{out}: exists and is not an empty folder; choose another name or remove it")
        temporary.mkdir(parents=True)
        yield temporary
        _swap(temporary, target, old)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        if old.exists() and not target.exists():  # interrupted between the two moves of _swap, possibly by Ctrl-C
            os.replace(old, target)
        _remove(temporary, old)


def _remove(*folders: Path) -> None:
    """Remove folders with their content, even if Ctrl-C is pressed meanwhile."""
    try:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    except KeyboardInterrupt:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _swap(new: Path, target: Path, old: Path) -> None:
    """Replace ``target`` by ``new``; move an existing ``target`` to ``old``."""
    if target.exists() and any(target.iterdir()):
        os.replace(target, old)
    os.replace(new, target)


def append(path: Path, text: str) -> None:
    """Add whole lines to a file.

    Raises:
        OutputError: no permission or no space.
    """
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def refuse_existing(out: str, ending: str) -> None:
    """Raise OutputError if a file cannot be made at this path."""
    path = Path(out)
    if path.suffix != ending:
        raise OutputError(f"{out}: the name must end in {ending}")
    if path.exists():
        raise OutputError(f"{out}: exists; choose another name or remove it")
    if not path.parent.is_dir():
        raise OutputError(f"{out}: the folder {path.parent} does not exist; create it first")
