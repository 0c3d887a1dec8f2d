"""File locks: one process at a time. Where the file system or the operating system (Windows) lacks them, a remark says so, and nothing is
locked."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import tempfile
from pathlib import Path
from typing import IO, Iterator

from mindpoint.errors import OutputError
from mindpoint.storage.files import NO_LINK

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NAME = ".lock"
log = logging.getLogger("mindpoint")


def has_locks(folder: Path) -> bool:
    """Return whether the file system of a folder supports locks, without which SQLite writes nothing. On Windows, SQLite has its own
    locks."""
    if fcntl is None:
        return True
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in (errno.EACCES, errno.EAGAIN)
    return True


@contextlib.contextmanager
def waited_for(path: Path) -> Iterator[bool]:
    """Wait until no other process holds a lock file, created if necessary, and hold it. Yield whether locks are supported; without
    them, do not wait. Raises OSError if the file cannot be made, or is a link."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o600)
    try:
        alone = False
        with contextlib.suppress(OSError):
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                alone = True
        yield alone
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder. The lock ends with the process in any case, and worker processes do not inherit it.

    Raises:
        OutputError: another process holds it, or the folder cannot be written.
    """
    path = folder / NAME
    with _open(folder, path) as file:
        try:
            _sign(file, path)
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink()


def _open(folder: Path, path: Path) -> IO[str]:
    """Return the lock file, opened and locked; unlocked, with a remark, where the file system lacks locks."""
    while True:
        try:
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | NO_LINK, 0o666), "a+", encoding="utf-8")
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OutputError(f"{path}: is a link, not a lock file; remove it or choose another folder with --out") from error
            raise OutputError(f"{folder}: cannot be written: {error.strerror}; choose another folder with --out") from error
        if fcntl is None:
            log.warning("%s: this system has no file locks; do not start another run in this folder", folder)
            return file
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                log.warning("%s: this file system lacks locks (%s); do not start another run in this folder", folder, error.strerror)
                return file
            file.seek(0)
            holder = file.read().strip() or error.strerror
            file.close()
            raise OutputError(f"{folder}: another run uses this folder ({holder})") from error
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):  # otherwise its holder has just removed it
            return file
        file.close()


def _sign(file: IO[str], path: Path) -> None:
    """Write the lock's holder into the file, for others to read."""
    try:
        file.truncate(0)
        os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())  # unbuffered: a full disk fails here
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
