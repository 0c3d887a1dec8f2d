"""Headers of image files, checked before decoding."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import Iterator, NamedTuple, Optional, Tuple, Union

import PIL.Image
import PIL.TiffImagePlugin

from mindpoint.errors import DataError

MOST_PIXELS = 1 << 27
"""Maximum number of pixels to decode: they take 400 MB, and twice that during a rotation."""
JPEG, PNG, WEBP = b"\xff\xd8", b"\x89PNG", b"RIFF"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FLOATS = (b"#?RADIANCE", b"#?RGBE", b"PF\n", b"Pf\n", b"\x76\x2f\x31\x01")  # HDR, PFM, OpenEXR
_TEXT_PNM, _PNM = (b"P2", b"P3"), (b"P2", b"P3", b"P5", b"P6", b"P7")
_PNM_HEADER = 4096  # maximum length of the header in bytes
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 256, 257, 258, 262, 339  # TIFF's tags
_LOG_LIGHT = (32844, 32845)  # LogL and LogLuv, in which OpenCV writes three floats per pixel
_SIGNED, _FLOAT = {2, 5}, {3, 6}  # TIFF's sample formats; 5 and 6 are complex
_ORIENTATION = 0x0112  # the EXIF tag
# In a JPEG's scan, a byte of ff is followed by 00 (a literal ff), by d0..d7 (restart), by more ff (filling), or starts the next segment.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG's markers of frame headers; a header's first byte is the number of bits


class _Tiff(NamedTuple):
    width: int = 0
    height: int = 0
    bits: Tuple[int, ...] = ()
    numbers: Optional[str] = None  # description of numbers that are not plain unsigned integers


def orientation_to_apply(data: bytes, name: Union[str, Path]) -> int:
    """Return the EXIF orientation, 1 to 8, still to be applied to the decoded image; OpenCV applies it except for WebP.

    Raises:
        DataError: more pixels than :data:`MOST_PIXELS`, or numbers whose range is unknown: floating-point, signed, or of a PNM file with an
            unusual maximum.
    """
    tiff = _tiff(data)
    _check_size(tiff.width, tiff.height, name)
    numbers = "floating-point numbers of unknown range" if data.startswith(_FLOATS) else tiff.numbers or _pnm_numbers(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about large images; the limit here is lower
            header = PIL.Image.open(io.BytesIO(data))
        _check_size(*header.size, name)
        if header.mode == "F" and not numbers:
            numbers = "floating-point numbers of unknown range"
        orientation = header.getexif().get(_ORIENTATION, 1) if header.format == "WEBP" else 1
    except DataError:
        raise
    except PIL.Image.DecompressionBombError as error:
        raise DataError(f"{name}: has too many pixels; at most {MOST_PIXELS / 1e6:.0f} million can be decoded") from error
    except Exception:  # not a format of Pillow's, or damaged: OpenCV will report it; Pillow's errors have no common base
        orientation = 1
    if numbers:
        raise DataError(f"{name}: has {numbers}; convert it to 8 or 16 bits")
    return orientation


def odd_bits(data: bytes) -> Optional[int]:
    """Return the number of bits of a TIFF's or JPEG's numbers if it is not 8 or 16, which OpenCV may be unable to decode; else None."""
    bits = set(_tiff(data).bits) or {data[start] for marker, start in jpeg_segments(data) if marker in _FRAMES and start < len(data)}
    return next(iter(bits - {8, 16}), None)


def is_complete(data: bytes) -> bool:
    """Return whether a JPEG, PNG or WebP is complete; True for other formats."""
    if data.startswith(JPEG):
        return data.endswith(b"\xff\xd9") or any(marker == 0xD9 for marker, _ in jpeg_segments(data))
    if data.startswith(PNG):
        return b"IEND" in data
    if data.startswith(WEBP):
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return True


def jpeg_segments(data: bytes) -> Iterator[Tuple[int, int]]:
    """Yield the marker of each segment of a JPEG and the position of its content, until the end of the image (0xd9) or of the data. The
    markers of a thumbnail lie inside a segment. Yields nothing for other formats."""
    position = len(JPEG)
    while data.startswith(JPEG):
        found = _MARKER.search(data, position)
        if found is None:
            return
        marker, start = found.group()[1], found.end()
        yield marker, start + 2
        if marker == 0xD9:
            return
        position = start + int.from_bytes(data[start : start + 2], "big")


def _check_size(width: int, height: int, name: Union[str, Path]) -> None:
    if width * height > MOST_PIXELS:
        raise DataError(f"{name}: has {width} x {height} pixels; at most {MOST_PIXELS / 1e6:.0f} million can be decoded. Make it smaller")


def _tiff(data: bytes) -> _Tiff:
    """Return the entries of the first directory of a TIFF; zeros if it is damaged or has another format. Pillow cannot open TIFF files with
    several floating-point channels."""
    if not data.startswith(_TIFF):
        return _Tiff()
    try:
        tags = PIL.TiffImagePlugin.ImageFileDirectory_v2(data[: 8 if data[2:4] in (b"*\0", b"\0*") else 16])
        file = io.BytesIO(data)
        file.seek(tags.next)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tags.load(file)
        formats, numbers = set(tags.get(_SAMPLE_FORMAT, ())), None
        if tags.get(_PHOTOMETRIC) in _LOG_LIGHT or formats & _FLOAT:
            numbers = "floating-point numbers of unknown range"
        elif formats & _SIGNED:
            numbers = "signed numbers of unknown range"
        bits = tuple(int(count) for count in tags.get(_BITS, ()))
        return _Tiff(int(tags.get(_WIDTH, 0)), int(tags.get(_HEIGHT, 0)), bits, numbers)
    except Exception:  # damaged: OpenCV will report it; Pillow's errors have no common base
        return _Tiff()


def _pnm_numbers(data: bytes) -> Optional[str]:
    """Describe the numbers of a PGM, PPM or PAM whose maximum is not 255 or 65535; None for others. OpenCV scales the numbers of 8-bit text
    files only."""
    kind = data[:2]
    if kind not in _PNM or not data[2:3].isspace():
        return None
    header = re.sub(rb"#[^\n]*", b" ", data[:_PNM_HEADER])
    found = re.search(rb"\bMAXVAL\s+(\d{1,9})\s", header) if kind == b"P7" else re.match(rb"P\d\s+\d+\s+\d+\s+(\d{1,9})\s", header)
    white = int(found.group(1)) if found else 255
    if white in (255, 65535) or (kind in _TEXT_PNM and white < 255):
        return None
    return f"numbers in 0..{white}, which OpenCV would read too dark"
