"""Image files, read strictly and written atomically."""

from __future__ import annotations

import functools
import io
import os
import re
import stat
import warnings
from pathlib import Path
from typing import Callable, Tuple, Union

import cv2
import numpy as np
import PIL.Image
import PIL.TiffImagePlugin

from mindpoint.errors import DataError, OutputError
from mindpoint.storage.files import atomic_write

# In a JPEG's scan, a byte of ff is followed by 00 (a literal ff), by d0..d7 (restart), by more ff (filling), or starts the next segment.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_REDUCED = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
MOST_PIXELS = 1 << 27
"""Of an image that is decoded: 400 MB, and twice that while it is turned."""
_ORIENTATION = 0x0112  # the EXIF tag
_NEARLY_BLACK = 16  # of 255; the maximum of 12-bit numbers in a 16-bit file
_JPEG, _PNG, _WEBP = b"\xff\xd8", b"\x89PNG", b"RIFF"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FLOATS = (b"#?RADIANCE", b"#?RGBE", b"PF\n", b"Pf\n", b"\x76\x2f\x31\x01")  # HDR, PFM, OpenEXR
_WIDTH, _HEIGHT, _PHOTOMETRIC, _SAMPLE_FORMAT = 256, 257, 262, 339  # TIFF's tags
_LOG_LIGHT = (32844, 32845)  # LogL and LogLuv, in which OpenCV writes three floats per pixel


def read_image(path: Union[str, Path]) -> np.ndarray:
    """Return the image in a file; see :func:`decode_image`.

    Raises:
        DataError: the file is missing, unreadable, truncated or not an image that OpenCV supports.
    """
    return decode_image(read_bytes(path), path)


def read_bytes(path: Union[str, Path]) -> bytes:
    """Return the content of an image file. Raises DataError if it is missing or unreadable."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # reading a pipe or device might never end
            raise DataError(f"{path}: not a file of an image")
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such image file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def decode_image(data: bytes, name: Union[str, Path], reduction: int = 1) -> np.ndarray:
    """Return the image ``(H, W, 3)`` uint8 BGR, turned upright by its EXIF orientation like ``cv2.imread``.

    OpenCV decodes truncated data without an error and leaves the missing rest grey or black, so the end marker is checked first.

    Args:
        data: content of an image file.
        name: its name in messages, usually its path.
        reduction: decode a JPEG at 1/2, 1/4 or 1/8 of its size (values 2, 4, 8); sides are rounded up. See :func:`reduction_of`.

    Raises:
        DataError: truncated, too large, of floating-point or 12-bit numbers, or in a format that OpenCV does not support.
    """
    if not data:
        raise DataError(f"{name}: is empty (0 bytes), not an image; fetch it again")
    if not _is_complete(data):
        raise DataError(f"{name}: is truncated: the image ends before its last part ({len(data)} bytes are there); fetch it again")
    turn = _look_at_header(data, name)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED[reduction])
    except cv2.error as error:
        raise DataError(f"{name}: cannot be decoded: {error.err}") from error
    if image is None:
        raise DataError(f"{name}: not an image that OpenCV can read (it starts with {data[:8]!r})")
    if image.max() <= _NEARLY_BLACK:
        _refuse_few_bits(data, name)
    return turn(image)


def _refuse_few_bits(data: bytes, name: Union[str, Path]) -> None:
    """Raise DataError for numbers of 12 bits or fewer in a 16-bit file, which OpenCV decodes as a nearly black picture."""
    original = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if original is not None and original.dtype == np.uint16 and 256 <= original.max() < 4096:
        raise DataError(
            f"{name}: has 16 bits a pixel but no number above {original.max()}, as 12-bit cameras write them, and would be read as nearly "
            f"black; stretch it to the full range (for 12 bits: multiply by 16)"
        )


def _look_at_header(data: bytes, name: Union[str, Path]) -> Callable[[np.ndarray], np.ndarray]:
    """Reject unsupported images by the header alone. Return the function that turns the decoded image upright, where OpenCV does not.

    Raises:
        DataError: more pixels than :data:`MOST_PIXELS`, or floating-point numbers, whose range is unknown.
    """
    width, height, floats = _tiff_header(data) if data.startswith(_TIFF) else (0, 0, data.startswith(_FLOATS))
    _check_header(width, height, floats, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about large images; the limit here is lower
            header = PIL.Image.open(io.BytesIO(data))
    except PIL.Image.DecompressionBombError as error:
        raise DataError(f"{name}: has too many pixels; at most {MOST_PIXELS / 1e6:.0f} million can be decoded") from error
    except Exception:  # not a format of Pillow's, or damaged: OpenCV will report it; Pillow's errors have no common base
        return lambda image: image
    _check_header(*header.size, header.mode == "F", name)
    if header.format == "WEBP":
        return functools.partial(_turned, orientation=header.getexif().get(_ORIENTATION, 1))
    return lambda image: image


def _check_header(width: int, height: int, floats: bool, name: Union[str, Path]) -> None:
    if width * height > MOST_PIXELS:
        raise DataError(f"{name}: has {width} x {height} pixels; at most {MOST_PIXELS / 1e6:.0f} million can be decoded. Make it smaller")
    if floats:
        raise DataError(f"{name}: holds floating-point numbers, whose range is not known; convert it to 8 or 16 bits")


def _tiff_header(data: bytes) -> Tuple[int, int, bool]:
    """Return width, height, and whether numbers are floating-point; zeros if damaged. Pillow cannot open TIFF files with several such
    channels."""
    try:
        tags = PIL.TiffImagePlugin.ImageFileDirectory_v2(data[: 8 if data[2:4] in (b"*\0", b"\0*") else 16])
        file = io.BytesIO(data)
        file.seek(tags.next)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tags.load(file)
        floats = tags.get(_PHOTOMETRIC) in _LOG_LIGHT or bool(set(tags.get(_SAMPLE_FORMAT, ())) & {3, 5, 6})
        return int(tags.get(_WIDTH, 0)), int(tags.get(_HEIGHT, 0)), floats
    except Exception:  # damaged: OpenCV will report it; Pillow's errors have no common base
        return 0, 0, False


def _turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an image upright by its EXIF orientation, 1 to 8 (EXIF 2.3, table 6)."""
    if orientation in (5, 6, 7, 8):
        image = cv2.transpose(image)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return image if flip is None else cv2.flip(image, flip)


def reduction_of(data: bytes, longer_side: int, wanted: int) -> int:
    """Return the largest reduction that leaves the longer side of a JPEG at least ``wanted`` pixels; 1 for other formats, which would not
    decode faster."""
    fits = [reduction for reduction in _REDUCED if longer_side >= wanted * reduction]
    return max(fits, default=1) if data.startswith(_JPEG) else 1


def _is_complete(data: bytes) -> bool:
    """Return whether a JPEG, PNG or WebP is complete; True for other formats."""
    if data.startswith(_JPEG):
        return data.endswith(b"\xff\xd9") or _jpeg_has_end(data)
    if data.startswith(_PNG):
        return b"IEND" in data
    if data.startswith(_WEBP):
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return True


def _jpeg_has_end(data: bytes) -> bool:
    """Return whether a walk over the segments finds the end-of-image marker. (That of a thumbnail lies inside a segment.)"""
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
