"""Writing videos frame by frame."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Optional, Tuple

import cv2
import numpy as np

from mindpoint.errors import OutputError
from mindpoint.inference.sources import is_utf8, quiet_opencv
from mindpoint.storage.files import atomic_write

_USUAL = 25.0  # frames per second
_SAME = 0.002  # relative difference of rates that count as equal
# Offsets of fields in a box of an MP4 file, counted from the box's type (ISO 14496-12, version 0): time units per second; durations.
_MEDIA_SCALE = 16  # in the box mdhd
_DURATIONS = {b"mvhd": 20, b"tkhd": 24, b"elst": 12}


def mpeg4_rate(rate: float) -> float:
    """Return the nearest frame rate that OpenCV can write to an MPEG-4 video: a fraction with a 16-bit numerator."""
    if not 0.1 <= rate <= 1000:  # OpenCV hangs with an infinite one
        return _USUAL
    return round(rate, 3 if rate < 65.535 else 2 if rate < 655.35 else 1)


class Video:
    """An MPEG-4 video of images of one size; others are fitted into the size of the first. It gets its final name when it is closed.

    Args:
        rate: frames per second, unless the time stamps of the frames give another rate.
    """

    def __init__(self, path: Path, rate: float):
        self.path, self.rate, self.frames = path, mpeg4_rate(rate), 0
        self._stack = contextlib.ExitStack()
        self._temporary = self._stack.enter_context(atomic_write(path))
        self._writer: Optional[cv2.VideoWriter] = None
        self._size: Tuple[int, int] = (0, 0)
        self._times: Tuple[Optional[float], Optional[float]] = (None, None)  # of the first and the last frame

    def add(self, image: np.ndarray, time: Optional[float] = None) -> None:
        """Append an image.

        Args:
            image: BGR uint8 ``(H, W, 3)``.
            time: time of the image in seconds from the start.

        Raises:
            OutputError: the video cannot be written; it is closed then.
        """
        if self._writer is None:
            self._open(image)
            self._times = (time, time)
        with quiet_opencv():
            self._writer.write(_fitted(image, self._size))
        self._times = (self._times[0], time)
        self.frames += 1

    def _open(self, image: np.ndarray) -> None:
        self._size = (image.shape[1] + image.shape[1] % 2, image.shape[0] + image.shape[0] % 2)  # the format needs even sizes
        if not is_utf8(self._temporary):
            with self._stack:
                raise OutputError(f"{self.path}: OpenCV needs file names in UTF-8; choose another folder with --out")
        with quiet_opencv():
            self._writer = cv2.VideoWriter(str(self._temporary), cv2.VideoWriter_fourcc(*"mp4v"), self.rate, self._size)
        if not self._writer.isOpened():
            self.close()

    def close(self) -> None:
        """Finish the file. Raises OutputError if it is incomplete: OpenCV does not report a full disk."""
        with self._stack:
            with quiet_opencv():
                self._writer.release()
                check = cv2.VideoCapture(str(self._temporary))
                found = int(check.get(cv2.CAP_PROP_FRAME_COUNT))
                check.release()
            if found != self.frames or found == 0:
                raise OutputError(
                    f"{self.path}: cannot be written as a video of {self._size[0]}x{self._size[1]} with {self.rate:g} frames per second; "
                    "is the disk full?"
                )
            first, last = self._times
            if first is not None and last is not None and last > first:
                rate = (self.frames - 1) / (last - first)
                if abs(rate / self.rate - 1) > _SAME:
                    change_rate(self._temporary, rate / self.rate)


def change_rate(path: Path, factor: float) -> None:
    """Multiply the playback speed of an MP4 file with one video track, as OpenCV writes it, by a factor. Only the headers change."""
    with open(path, "r+b") as file:
        start, size = _movie_header(file)
        file.seek(start)
        header = bytearray(file.read(size))
        _scale(header, b"mdhd", _MEDIA_SCALE, factor)
        for kind, offset in _DURATIONS.items():
            _scale(header, kind, offset, 1 / factor)
        file.seek(start)
        file.write(header)


def _movie_header(file) -> Tuple[int, int]:
    """Return the offset and the length of the box ``moov``."""
    position = 0
    while True:
        file.seek(position)
        size, kind = struct.unpack(">I4s", file.read(8))
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
        if kind == b"moov":
            return position, size
        position += size


def _scale(header: bytearray, kind: bytes, offset: int, factor: float) -> None:
    """Multiply the 32-bit number at an offset from a box's type."""
    place = header.find(kind)
    if place >= 0:
        (value,) = struct.unpack_from(">I", header, place + offset)
        struct.pack_into(">I", header, place + offset, min(max(1, round(value * factor)), 2**32 - 1))


def _fitted(image: np.ndarray, size: Tuple[int, int]) -> np.ndarray:
    right, bottom = size[0] - image.shape[1], size[1] - image.shape[0]
    if right not in (0, 1) or bottom not in (0, 1):
        return cv2.resize(image, size)
    return cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE) if right or bottom else image
