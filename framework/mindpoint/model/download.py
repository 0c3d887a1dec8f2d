"""Downloads and caches weights files."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO, Iterator

from mindpoint.errors import WeightsError
from mindpoint.runtime.progress import track
from mindpoint.storage.digest import check_digest
from mindpoint.storage.files import make_folder, user_cache
from mindpoint.storage.lock import waited_for

MIRROR = "MINDPOINT_WEIGHTS_URL"
_CHUNK = 1 << 20
_SECONDS = 30  # seconds without receiving a byte
_PAUSES = (1, 3)  # seconds after consecutive attempts that received nothing


def fetch(url: str) -> Path:
    """Return the file of a URL in the folder ``weights`` of the user's cache; download it there if it is missing.

    An interrupted download is continued, even by a later process. If ``$MINDPOINT_WEIGHTS_URL`` is set, the file is downloaded from that
    address, under the same file name.

    Raises:
        WeightsError: the file cannot be downloaded, or does not match the checksum in its name.
    """
    name = url.rpartition("/")[2]
    mirror = os.environ.get(MIRROR)
    try:
        cache = user_cache()
    except RuntimeError as error:
        raise WeightsError(f"{name}: this user has no home folder for the cache; set MINDPOINT_CACHE to a folder") from error
    path = make_folder(cache / "weights") / name
    with waited_for(path.with_name(f".{name}.lock")):
        if not path.is_file():
            part = path.with_name(f"{name}.part")
            _download(f"{mirror.rstrip('/')}/{name}" if mirror else url, part, path)
            try:
                check_digest(part, name)
            except WeightsError:
                part.unlink()
                raise
            os.replace(part, path)
    return path


def _download(url: str, part: Path, path: Path) -> None:
    """Append the remaining bytes of a URL to those already downloaded."""
    pauses = list(_PAUSES)
    while True:
        before = _size(part)
        try:
            return _receive(url, part, path.name)
        except (OSError, HTTPException, ValueError) as error:
            lasting = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if _size(part) > before:
                pauses = list(_PAUSES)
            elif lasting or not pauses:
                reason = getattr(error, "reason", None) or error
                kept = f"; {_size(part):,} bytes are kept, and the next attempt continues from there" if _size(part) else ""
                message = f"{url}: cannot be downloaded: {reason}{kept}; without a network, put the file at {path}"
                raise WeightsError(message) from error
            else:
                time.sleep(pauses.pop(0))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _receive(url: str, part: Path, name: str) -> None:
    had = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={had}-"} if had else {})
    try:
        answer = urllib.request.urlopen(request, timeout=_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        if error.headers.get("Content-Range") != f"bytes */{had}":  # otherwise the file is complete
            part.unlink()
            _receive(url, part, name)
        return
    with answer:
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {had}-")
        if answer.status == 206 and not goes_on:
            part.unlink()
            raise ConnectionError("the server sent a different part of the file than requested")
        expected = int(answer.headers.get("Content-Length", -1))
        received = 0
        with open(part, "ab" if goes_on else "wb") as file:
            for chunk in track(_chunks(answer), max(expected, 0) // _CHUNK + 1, f"{name}, MiB"):
                received += file.write(chunk)
    if received < expected:
        raise ConnectionError(f"interrupted after {received:,} of {expected:,} bytes")


def _chunks(answer: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: answer.read(_CHUNK), b"")
