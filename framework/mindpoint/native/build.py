"""Compile C++ sources into shared libraries in a per-user cache.

The file name contains a hash of source, headers, flags, compiler and CPU features, so that only a matching library is used. The file's last
32 bytes are the SHA-256 of the rest; loaders ignore them. A truncated or damaged library is thereby detected and rebuilt before it can
crash the process that loads it. If several processes need a library at once, one compiles it and the others wait. The finished file appears
atomically.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import logging
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import List

from mindpoint.errors import MindpointError, OutputError
from mindpoint.runtime import cpu
from mindpoint.storage.cache import cache_folders, only_ours, prepare_private
from mindpoint.storage.files import NO_LINK
from mindpoint.storage.lock import waited_for

FLAGS = (
    "-O3",
    "-march=native",
    "-ffp-contract=fast",
    "-fopenmp",
    "-fPIC",
    "-shared",
    "-std=c++17",
    "-D_GLIBCXX_USE_CXX11_ABI=0",
    "-Wl,-z,now",
)
COMPILE_SECONDS = 300
HEADERS = Path(__file__).parent  # headers that every source may include
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # opening does not block on a pipe in place of the library; Windows lacks the flag
_DIGEST_BYTES = hashlib.sha256().digest_size


class NativeBuildError(MindpointError):
    """Raised if a library cannot be built or loaded; the message gives the reason."""


def build(source: Path) -> Path:
    """Return the path of the shared library of a source file. The library comes from the cache or is compiled now, and it is loaded.

    The source may include the headers in its own folder and those of this package. The compiler is ``$CXX``, or else the first of c++, g++
    and clang++ that succeeds. The folder is the first of :func:`mindpoint.storage.cache.cache_folders` that can be written and is not
    writable by others.

    Raises:
        NativeBuildError: no compiler is installed, or no combination of compiler and folder gives a library that loads.
    """
    compilers = find_compilers()
    if not compilers:
        raise NativeBuildError(f"no C++ compiler found; install g++ or clang++, or set CXX (now '{os.environ.get('CXX', '')}')")
    failures: List[str] = []
    for folder in cache_folders():
        for compiler in compilers:
            try:
                return _build_with(compiler, source, folder)
            except NativeBuildError as error:
                failures.append(str(error))
            except OSError as error:
                failures.append(f"{folder}: {error.strerror or error}")
    raise NativeBuildError("; ".join(dict.fromkeys(failures)))


def find_compilers() -> List[List[str]]:
    """Return the command lines of the installed C++ compilers, in the order in which to try them.

    Raises:
        NativeBuildError: ``$CXX`` has unbalanced quotes.
    """
    chosen = os.environ.get("CXX")
    try:
        commands = [shlex.split(chosen)] if chosen else [["c++"], ["g++"], ["clang++"]]
    except ValueError as error:
        raise NativeBuildError(f"CXX={chosen}: {error}") from error
    return [command for command in commands if command and shutil.which(command[0])]


def _prepare(folder: Path) -> None:
    """Create the folder. Raises NativeBuildError if other users can write to it, OSError if it cannot be created."""
    try:
        prepare_private(folder)
    except OutputError as error:
        logging.getLogger("mindpoint").warning("%s", error)
        raise NativeBuildError(str(error)) from error


def _build_with(compiler: List[str], source: Path, folder: Path) -> Path:
    if ":" in str(folder):
        raise NativeBuildError(f"{folder}: MindSpore cannot load an operator from a path with a colon; choose another folder")
    library = folder / f"{source.stem}-{_key(compiler, source)}.so"
    _prepare(folder)
    if not _intact(library):
        with waited_for(library.with_suffix(".lock")) as alone:
            if not _intact(library):  # another process may have created it in the meantime
                for unfinished in folder.glob(f"{library.stem}-*.so") if alone else ():  # left by killed compilers
                    unfinished.unlink()
                _compile(compiler, source, library)
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        raise NativeBuildError(f"the compiled library does not load: {error}") from error
    return library


def _key(compiler: List[str], source: Path) -> str:
    headers = dict.fromkeys(header for folder in (source.parent, HEADERS) for header in sorted(folder.glob("*.h")))
    parts = [file.read_bytes() for file in [source, *headers]]
    parts += [word.encode() for word in [*FLAGS, *compiler]]
    parts += [_run(compiler + ["--version"]).encode(), platform.machine().encode(), " ".join(sorted(cpu.features())).encode()]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:20]


def _intact(library: Path) -> bool:
    """Return whether the library exists, is complete, and is not writable by other users."""
    try:
        with open(os.open(library, os.O_RDONLY | NO_LINK | _NO_WAIT), "rb") as file:
            status = os.fstat(file.fileno())
            content = file.read() if stat.S_ISREG(status.st_mode) and only_ours(status) else b""
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return False
        raise
    return content[-_DIGEST_BYTES:] == hashlib.sha256(content[:-_DIGEST_BYTES]).digest()


def _compile(compiler: List[str], source: Path, library: Path) -> None:
    handle, name = tempfile.mkstemp(suffix=".so", prefix=library.stem + "-", dir=library.parent)
    os.close(handle)
    unfinished = Path(name)
    try:
        _run([*compiler, *FLAGS, "-I", str(HEADERS), "-o", name, str(source)])
        content = unfinished.read_bytes()
        unfinished.write_bytes(content + hashlib.sha256(content).digest())
        with contextlib.suppress(OSError):  # some file systems do not support permissions
            unfinished.chmod(0o700)
        os.replace(unfinished, library)
    finally:
        unfinished.unlink(missing_ok=True)


def _run(command: List[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMPILE_SECONDS, stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NativeBuildError(f"{command[0]}: {error}") from error
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        said = next((line for line in lines if "error" in line), lines[0] if lines else "")
        raise NativeBuildError(f"{command[0]} ended with exit code {done.returncode}: {said.strip()}")
    return done.stdout
