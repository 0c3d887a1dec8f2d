"""Frames of videos as image files."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Iterator, Mapping, Tuple

import cv2
from mindpoint.errors import DataError
from mindpoint.inference.sources import is_utf8, quiet_opencv
from mindpoint.storage.images import write_image


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    if not is_utf8(path):
        raise DataError(f"{path}: OpenCV needs file names in UTF-8; rename the video")
    with quiet_opencv():
        capture = cv2.VideoCapture(str(path))
        try:
            if not capture.isOpened():
                raise DataError(f"{path}: OpenCV cannot read this video")
            yield capture
        finally:
            capture.release()


def frame_size(path: Path) -> Tuple[int, int]:
    """Return width and height of a video's first frame in pixels. Raises DataError if it cannot be read."""
    with _opened(path) as capture:
        good, image = capture.read()
        if not good:
            raise DataError(f"{path}: no frame of this video can be read")
        return image.shape[1], image.shape[0]


def write_frames(path: Path, places: Mapping[int, Path]) -> None:
    """Write frames of a video as images. All frames are read in order, since seeking is not exact.

    Args:
        places: image files to write, by the frame's number from 0.

    Raises:
        DataError: the video cannot be read, or is too short.
    """
    with _opened(path) as capture:
        for number in range(max(places) + 1):
            good, image = capture.read() if number in places else (capture.grab(), None)
            if not good:
                raise DataError(f"{path}: ends after {number} frames, but frame {max(places)} has labels; is it the right video?")
            if image is not None:
                write_image(places[number], image)
