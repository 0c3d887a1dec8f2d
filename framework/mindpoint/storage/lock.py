"""One process at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import socket
from pathlib import Path
from typing import IO, Iterator

from mindpoint.errors import OutputError

NAME = ".lock"
log = logging.getLogger("mindpoint")


@contextlib.contextmanager
def waited_for(path: Path) -> Iterator[bool]:
    """Hold a lock file, made if need be, as soon as no other process does. On a file system without locks nobody waits; yield whether
    there are locks. Raises OSError if it cannot be made, or is a link."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        alone = False
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            alone = True
        yield alone
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder. The lock goes with the process, however it ends, and worker processes do not inherit it.

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
    """Return the lock file, opened and locked; unlocked, with a remark, where the file system has no locks."""
    while True:
        try:
            # a link would lead to a file of somebody else's choice
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666), "a+", encoding="utf-8")
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OutputError(f"{path}: is a link, not a lock file; remove it or choose another folder with --out") from error
            raise OutputError(f"{folder}: cannot be written: {error.strerror}; choose another folder with --out") from error
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                log.warning("%s: this file system has no locks (%s): start no other run in this folder", folder, error.strerror)
                return file
            file.seek(0)
            holder = file.read().strip() or error.strerror
            file.close()
            raise OutputError(f"{folder}: another run works in this folder ({holder})") from error
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):  # else its holder has just removed it
            return file
        file.close()


def _sign(file: IO[str], path: Path) -> None:
    """Write who holds the lock, for others to read."""
    try:
        file.truncate(0)
        os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())  # nothing stays in a buffer on a full disk
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
