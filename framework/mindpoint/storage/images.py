"""Image files, read strictly and written atomically."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Union

import cv2
import numpy as np

from mindpoint.errors import DataError, OutputError
from mindpoint.storage.files import atomic_write
from mindpoint.storage.image_header import JPEG, is_complete, odd_bits, orientation_to_apply

_REDUCED = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
_NEARLY_BLACK = 16  # on a scale to 255: the largest 12-bit number in a 16-bit file, plus an error of lossy compression


def read_image(path: Union[str, Path]) -> np.ndarray:
    """Return the image in a file; see :func:`decode_image`.

    Raises:
        DataError: the file is missing, unreadable, truncated or not an image that OpenCV supports.
    """
    return decode_image(read_bytes(path), path)


def read_bytes(path: Union[str, Path]) -> bytes:
    """Return the content of an image file. Raises DataError if it is missing or unreadable."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # reading a pipe or device might not end
            raise DataError(f"{path}: not an image file")
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise DataError(f"{path}: no such image file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def decode_image(data: bytes, name: Union[str, Path], reduction: int = 1) -> np.ndarray:
    """Return the image ``(H, W, 3)`` uint8 BGR, rotated by its EXIF orientation like ``cv2.imread``.

    OpenCV decodes truncated data without an error and leaves the missing rest grey or black, so the end marker is checked first.

    Args:
        data: content of an image file.
        name: its name in messages, usually its path.
        reduction: decode a JPEG at 1/2, 1/4 or 1/8 of its size (values 2, 4, 8); sides are rounded up. See :func:`reduction_of`.

    Raises:
        DataError: the image is truncated, too large, of floating-point, signed or 12-bit numbers, or in a format that OpenCV does not
            support.
    """
    if not data:
        raise DataError(f"{name}: is empty (0 bytes); download it again")
    if not is_complete(data):
        raise DataError(f"{name}: is truncated (after {len(data)} bytes); download it again")
    orientation = orientation_to_apply(data, name)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED[reduction])
    except cv2.error as error:
        raise DataError(f"{name}: cannot be decoded: {error.err}") from error
    if image is None:
        bits = odd_bits(data)
        if bits is not None:
            raise DataError(f"{name}: OpenCV cannot read numbers of {bits} bits; convert it to 8 or 16 bits")
        raise DataError(f"{name}: not an image that OpenCV can read (it starts with {data[:8]!r})")
    if image.max() <= _NEARLY_BLACK:
        original = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
        if original is not None:
            check_full_range(original, name)
    return _turned(image, orientation)


def check_full_range(image: np.ndarray, name: Union[str, Path]) -> None:
    """Raise DataError for a uint16 image whose numbers use only 9 to 12 bits; scaled to 8 bits, it would be nearly black."""
    most = image.max() if image.dtype == np.uint16 else 0
    if 256 <= most < (_NEARLY_BLACK + 1) * 256:
        raise DataError(
            f"{name}: has 16 bits per channel but no number above {most}, as from a 12-bit camera, and would be read as nearly black; "
            f"scale it to the full range (for 12 bits: multiply by 16)"
        )


def _turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """Apply the EXIF orientation, 1 to 8, to an image (EXIF 2.3, table 6)."""
    if orientation in (5, 6, 7, 8):
        image = cv2.transpose(image)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return image if flip is None else cv2.flip(image, flip)


def reduction_of(data: bytes, longer_side: int, wanted: int) -> int:
    """Return the largest reduction that leaves the longer side of a JPEG at least ``wanted`` pixels; 1 for other formats, which would not
    decode faster."""
    fits = [reduction for reduction in _REDUCED if longer_side >= wanted * reduction]
    return max(fits, default=1) if data.startswith(JPEG) else 1


def write_image(path: Path, image: np.ndarray) -> None:
    """Write a BGR uint8 image in the format of the path's ending.

    Raises:
        OutputError: the format cannot hold it, such as a JPEG with a side of more than 65,500 pixels, or it cannot be written.
    """
    try:
        encoded, data = cv2.imencode(path.suffix, image)
    except cv2.error as error:
        raise OutputError(f"{path}: cannot be written as {path.suffix}: {error.err}") from error
    if not encoded:
        raise OutputError(f"{path}: an image of {image.shape[1]}x{image.shape[0]} cannot be written as {path.suffix}")
    with atomic_write(path) as temporary:
        temporary.write_bytes(data.tobytes())
