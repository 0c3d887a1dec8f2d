"""Where images to predict on come from: files, folders, patterns, lists, videos, cameras, arrays."""

from __future__ import annotations

import contextlib
import glob
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, TextIO, Union

import cv2
import numpy as np

from mindpoint.contracts.prediction import Source
from mindpoint.errors import DataError

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".gif")
_PATTERN = "*?["
_USUAL_RATE = 25.0  # frames a second, where a camera does not say
_FEW = 0.02  # containers may count this share of frames too many


@dataclass(frozen=True)
class Frame:
    """An image and where it comes from.

    Attributes:
        image: BGR uint8 ``(H, W, 3)``.
        source: None for an array.
        index: number in its video, from 0; None outside of videos.
        time: seconds from the video's start.
        rate: frames a second of its video.
        count: frames of its video, as far as the file says; None otherwise.
    """

    image: np.ndarray
    source: Optional[Source] = None
    index: Optional[int] = None
    time: Optional[float] = None
    rate: Optional[float] = None
    count: Optional[int] = None


def find_sources(inputs: Iterable[str], recursive: bool = False, lines: Optional[TextIO] = None) -> List[Source]:
    """Return what the inputs of a command line mean: files, folders, patterns such as ``a/*.jpg``, camera numbers, addresses
    (``rtsp://...``).

    Folders and patterns give images and videos, sorted. Each file is there once.

    Args:
        recursive: search the folders in folders too.
        lines: takes the place of ``-``: a path a line.

    Raises:
        DataError: a path that does not exist, a folder or pattern without images and videos.
    """
    found: List[Source] = []
    for name in inputs:
        if name == "-" and lines is not None:
            found += [_file(line.rstrip("\r\n")) for line in lines if line.strip()]
        elif "://" in name or (name.isdigit() and not Path(name).exists()):
            found.append(Source(name, "camera"))
        elif Path(name).is_dir():
            found += _folder(Path(name), recursive)
        elif Path(name).exists():
            found.append(_file(name))
        elif any(sign in name for sign in _PATTERN):
            matches = [match for match in sorted(glob.glob(name, recursive=True)) if _known(match)]
            if not matches:
                raise DataError(f"{name}: pattern matches no image or video")
            found += map(_file, matches)
        else:
            raise DataError(f"{name}: no such file or folder")
    return list(dict.fromkeys(found))


def _known(name: Union[str, Path]) -> bool:
    return Path(name).suffix.lower() in IMAGES + VIDEOS and Path(name).is_file()


def _file(name: str) -> Source:
    return Source(name, "video" if Path(name).suffix.lower() in VIDEOS else "image")


def _folder(folder: Path, recursive: bool) -> List[Source]:
    found = sorted(path for path in (folder.rglob("*") if recursive else folder.iterdir()) if _known(path))
    if not found:
        more = "" if recursive else "; --recursive looks into its folders too"
        raise DataError(f"{folder}: no image or video in this folder (known endings: {' '.join(IMAGES + VIDEOS)}){more}")
    return [_file(str(path)) for path in found]


def frames_of(source: Source, most: Optional[int] = None) -> Iterator[Frame]:
    """The image, or the frames of a video or camera one by one, upright as their files say.

    Args:
        most: end a video or camera after so many frames.

    Raises:
        DataError: it cannot be opened or read, has no frames, or, after the last frame that could be read, ends too early.
    """
    if source.kind == "image":
        from mindpoint.storage.images import read_image

        yield Frame(read_image(source.name), source)
        return
    camera = source.kind == "camera"
    if not camera and not Path(source.name).is_file():
        raise DataError(f"{source.name}: there is no such video file")
    capture = _open(int(source.name) if camera and source.name.isdigit() else source.name)
    try:
        if not capture.isOpened():
            what = f"camera {source.name}: cannot be opened" if camera else f"{source.name}: damaged, or not a video that OpenCV can read"
            raise DataError(what)
        yield from _read(capture, source, most)
    finally:
        capture.release()


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV and its FFmpeg from printing within the block: what is wrong with a video is said once, in an error."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read when a video is opened
    level = cv2.getLogLevel()
    cv2.setLogLevel(0)
    try:
        yield
    finally:
        cv2.setLogLevel(level)


def _open(place: Union[int, str]) -> cv2.VideoCapture:
    with quiet_opencv():
        return cv2.VideoCapture(place)


def _read(capture: cv2.VideoCapture, source: Source, most: Optional[int]) -> Iterator[Frame]:
    rate = capture.get(cv2.CAP_PROP_FPS)
    if not (math.isfinite(rate) and 0 < rate <= 1000):
        rate = _USUAL_RATE
    promised = int(max(0, capture.get(cv2.CAP_PROP_FRAME_COUNT))) if source.kind == "video" else None
    bounds = [bound for bound in (promised, most) if bound is not None]
    count = min(bounds) if bounds else None
    index = 0
    while most is None or index < most:
        with quiet_opencv():
            there, image = capture.read()
        if not there:
            break
        yield Frame(to_image(image, source.name), source, index, index / rate, rate, count)
        index += 1
    else:
        return
    if index == 0:
        raise DataError(f"{source.name}: has no frames that can be read")
    if promised is not None and index < promised - max(1, _FEW * promised):
        raise DataError(f"{source.name}: damaged: only {index} of {promised} frames could be read")


def to_image(array: np.ndarray, name: str = "array") -> np.ndarray:
    """Return any usual image array as BGR uint8 ``(H, W, 3)``.

    Args:
        array: ``(H, W)`` or ``(H, W, 1)`` grey, ``(H, W, 3)`` BGR or ``(H, W, 4)`` BGR and alpha, which is dropped; uint8, uint16
            (0..65535), bool, or floating point in 0..1.
        name: opens the messages.

    Raises:
        DataError: another shape or type, an empty image, numbers out of range.
    """
    array = np.asarray(array)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise DataError(f"{name}: an array of shape {array.shape} is not an image; give (H, W) grey or (H, W, 3) blue, green, red")
    if 0 in array.shape:
        raise DataError(f"{name}: an empty image, its shape is {array.shape}")
    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)  # as OpenCV reads a file of 16 bits
    elif array.dtype == bool:
        array = array.astype(np.uint8) * 255
    elif np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise DataError(f"{name}: numbers with a decimal point must lie in 0..1; give uint8 for 0..255")
        array = np.rint(array * 255).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise DataError(f"{name}: an array of {array.dtype} is not an image; give uint8, uint16 or floating point in 0..1")
    if array.ndim == 2 or array.shape[2] == 1:
        return cv2.cvtColor(array, cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(array[:, :, :3])
