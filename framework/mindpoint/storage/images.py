"""Image files, read strictly and written in one piece."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Union

import cv2
import numpy as np

from mindpoint.storage.files import atomic_write
from mindpoint.errors import DataError, OutputError

# In a JPEG's scan, a byte of ff is followed by 00 (a literal ff), by d0..d7 (restart), by more ff (filling), or starts the next segment.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_REDUCED = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
_JPEG, _PNG, _WEBP = b"\xff\xd8", b"\x89PNG", b"RIFF"


def read_image(path: Union[str, Path]) -> np.ndarray:
    """The image in a file; see :func:`decode_image`.

    Raises:
        DataError: a file that is missing, unreadable, truncated or no image that OpenCV knows.
    """
    return decode_image(read_bytes(path), path)


def read_bytes(path: Union[str, Path]) -> bytes:
    """The content of an image file. Raises DataError if it is missing or unreadable."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such image file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def decode_image(data: bytes, name: Union[str, Path], reduction: int = 1) -> np.ndarray:
    """The image ``(H, W, 3)`` uint8 BGR, turned upright by its EXIF orientation like ``cv2.imread``.

    OpenCV decodes truncated data without complaint and leaves the missing rest grey or black, so the end is looked for first.

    Args:
        data: content of an image file.
        name: what messages call it, usually its path.
        reduction: 2, 4 or 8: a JPEG's pixel stands for so many by so many, and sides are rounded up. See :func:`reduction_of`.

    Raises:
        DataError: truncated, or no image that OpenCV knows.
    """
    if not data:
        raise DataError(f"{name}: is empty (0 bytes), not an image; fetch it again")
    if not _is_complete(data):
        raise DataError(f"{name}: is truncated: the image ends before its last part ({len(data)} bytes are there); fetch it again")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED[reduction])
    except cv2.error as error:
        raise DataError(f"{name}: cannot be decoded: {error.err}") from error
    if image is None:
        raise DataError(f"{name}: is no image that OpenCV can read (it starts with {data[:8]!r})")
    return image


def reduction_of(data: bytes, longer_side: int, wanted: int) -> int:
    """The largest reduction that leaves a JPEG of this longer side at least ``wanted`` pixels of it; 1 for other formats, which would not
    be decoded any faster."""
    fits = [reduction for reduction in _REDUCED if longer_side >= wanted * reduction]
    return max(fits, default=1) if data.startswith(_JPEG) else 1


def _is_complete(data: bytes) -> bool:
    """Whether the end of a JPEG, PNG or WebP is there; True for other formats."""
    if data.startswith(_JPEG):
        return data.endswith(b"\xff\xd9") or _jpeg_has_end(data)
    if data.startswith(_PNG):
        return b"IEND" in data
    if data.startswith(_WEBP):
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return True


def _jpeg_has_end(data: bytes) -> bool:
    """Whether the end-of-image marker stands where a walk over the segments meets it; a thumbnail's own lies inside a segment."""
    position = len(_JPEG)
    while True:
        marker = _MARKER.search(data, position)
        if marker is None:
            return False
        if marker.group() == b"\xff\xd9":
            return True
        start = marker.end()
        position = start + int.from_bytes(data[start : start + 2], "big")


def write_image(path: Path, image: np.ndarray) -> None:
    """Write a BGR uint8 image in the format of the path's ending.

    Raises:
        OutputError: the format cannot hold it, such as a JPEG of more than 65,500 pixels a side, or it cannot be written.
    """
    try:
        encoded, data = cv2.imencode(path.suffix, image)
    except cv2.error as error:
        raise OutputError(f"{path}: cannot be written as {path.suffix}: {error.err}") from error
    if not encoded:
        raise OutputError(f"{path}: an image of {image.shape[1]}x{image.shape[0]} cannot be written as {path.suffix}")
    with atomic_write(path) as temporary:
        temporary.write_bytes(data.tobytes())
