"""Sources of images to predict on: files, folders, patterns, lists, videos, cameras, arrays."""

from __future__ import annotations

import contextlib
import glob
import logging
import math
import os
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, TextIO, Union

import cv2
import numpy as np

from mindpoint.contracts.prediction import Source, is_number
from mindpoint.errors import DataError

_ALWAYS = ".jpg .jpeg .jpe .jfif .png .bmp .dib .webp .tif .tiff .ppm .pgm .pbm .pnm .pam .ras .sr".split()
_OPTIONAL = (".jp2", ".avif", ".jxl")  # depends on the build of OpenCV
IMAGES = (*_ALWAYS, *(ending for ending in _OPTIONAL if cv2.haveImageWriter(ending)))
"""Endings of images that OpenCV reads."""
_OTHERS = "heic heif j2k jpx exr hdr pic pfm tga ico svg psd dng cr2 cr3 nef arw orf rw2 raf pcx xbm".split()
OTHER_IMAGES = (*(f".{ending}" for ending in _OTHERS), *(ending for ending in _OPTIONAL if ending not in IMAGES))
"""Endings of images that are skipped."""
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".gif")
_PATTERN = "*?["
_LEVEL = threading.Lock()  # OpenCV's log level is shared by all threads
_quiet, _level = 0, 0
_LAST_CAMERA = 2**31 - 1
_USUAL_RATE = 25.0  # frames per second, if a camera does not report it
_FEW = 0.02  # share by which containers may overstate the number of frames


@dataclass(frozen=True)
class Frame:
    """An image and its origin.

    Attributes:
        image: BGR uint8 ``(H, W, 3)``.
        source: None for an array.
        index: number in its video, from 0; None outside of videos.
        time: seconds from the video's start.
        rate: frames per second of its video.
        count: number of frames of its video; None if the file does not give it.
        read: time of reading, by ``time.monotonic``; live sources only.
    """

    image: np.ndarray
    source: Optional[Source] = None
    index: Optional[int] = None
    time: Optional[float] = None
    rate: Optional[float] = None
    count: Optional[int] = None
    read: Optional[float] = None


def find_sources(inputs: Iterable[str], recursive: bool = False, lines: Optional[TextIO] = None) -> List[Source]:
    """Return the sources for the inputs of a command line: files, folders, patterns such as ``a/*.jpg``, camera numbers, URLs
    (``rtsp://...``).

    Folders and patterns yield images and videos, sorted and without duplicates.

    Args:
        recursive: also search subfolders.
        lines: input for ``-``: one path per line.

    Raises:
        DataError: a path does not exist, or a folder or pattern has no images and videos.
    """
    found: List[Source] = []
    for name in inputs:
        if name == "-" and lines is not None:
            found += [_file(line.rstrip("\r\n")) for line in lines if line.strip()]
        elif "://" in name:
            found.append(Source(name, "camera"))
        elif os.path.isdir(name):
            more = "" if recursive else "; use --recursive to search its subfolders"
            found += _several(name, Path(name).rglob("*") if recursive else Path(name).iterdir(), "folder holds", more)
        elif os.path.exists(name):
            found.append(_file(name))
        elif is_number(name):
            found.append(camera(name))
        elif any(sign in name for sign in _PATTERN):
            found += _several(name, map(Path, glob.glob(name, recursive=True)), "pattern matches")
        else:
            raise DataError(f"{name or repr(name)}: no such file or folder")
    return list(dict.fromkeys(found))


def camera(number: Union[int, str]) -> Source:
    """Return the camera with a number, given as an int or as text in the digits 0 to 9. Raises DataError if the number is out of range."""
    if isinstance(number, int):
        possible = 0 <= number <= _LAST_CAMERA
    else:
        possible = len(number) <= len(str(_LAST_CAMERA)) and int(number) <= _LAST_CAMERA
    if not possible:
        raise DataError(f"{_short(number)}: a camera number must be in 0..{_LAST_CAMERA}")
    return Source(str(number), "camera")


def _short(number: Union[int, str]) -> str:
    if isinstance(number, int) and abs(number) >= 10**40:
        return "a number of more than 40 digits"  # Python refuses to print the largest ones
    text = str(number)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _file(name: str) -> Source:
    return Source(name, "video" if Path(name).suffix.lower() in VIDEOS else "image")


def _several(name: str, paths: Iterable[Path], verb: str, more: str = "") -> List[Source]:
    """Return the images and videos among the paths, sorted, and log the number of skipped images.

    Files named ``._...`` are not images: macOS stores attributes in them.
    """
    endings = IMAGES + VIDEOS + OTHER_IMAGES
    files = sorted(path for path in paths if path.suffix.lower() in endings and not path.name.startswith("._") and path.is_file())
    found = [_file(str(path)) for path in files if path.suffix.lower() in IMAGES + VIDEOS]
    others = Counter(path.suffix.lower() for path in files if path.suffix.lower() in OTHER_IMAGES)
    counts = ", ".join(f"{others[ending]} {ending}" for ending in sorted(others))
    passed = f"skipped images that OpenCV cannot read: {counts}"
    if not found:
        more += f"; {passed}" if others else ""
        raise DataError(f"{name}: {verb} no image or video (known endings: {' '.join(IMAGES + VIDEOS)}){more}")
    if others:
        logging.getLogger("mindpoint").warning("%s: %s; convert them to .png or .jpg", name, passed)
    return found


def frames_of(source: Source, most: Optional[int] = None) -> Iterator[Frame]:
    """Yield the image, or the frames of a video or camera one by one, rotated by their metadata.

    Args:
        most: maximum number of frames of a video or camera.

    Raises:
        DataError: the source cannot be opened or read, or has no frames; raised after the last readable frame if the file ends too early.
    """
    if source.kind == "image":
        from mindpoint.storage.images import read_image

        yield Frame(read_image(source.name), source)
        return
    is_camera = source.kind == "camera"
    if not is_camera and not Path(source.name).is_file():
        raise DataError(f"{source.name}: no such video file")
    capture = _open(int(source.name) if is_camera and is_number(source.name) else source.name)
    try:
        if not capture.isOpened():
            if is_camera:
                raise DataError(f"camera {source.name}: cannot be opened")
            raise DataError(f"{source.name}: damaged, or not a video that OpenCV can read")
        yield from _read(capture, source, most)
    finally:
        capture.release()


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV and its FFmpeg from printing within the block: a problem with a video is reported once, in an error."""
    global _quiet, _level
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read when a video is opened
    with _LEVEL:
        _quiet += 1
        if _quiet == 1:
            _level = cv2.getLogLevel()
            cv2.setLogLevel(0)
    try:
        yield
    finally:
        with _LEVEL:
            _quiet -= 1
            if _quiet == 0:
                cv2.setLogLevel(_level)


def is_utf8(name: Union[str, Path]) -> bool:
    """Return whether a file's name is UTF-8; OpenCV crashes on other names of videos."""
    return not any("\udc80" <= letter <= "\udcff" for letter in str(name))


def _open(place: Union[int, str]) -> cv2.VideoCapture:
    if isinstance(place, str) and not is_utf8(place):
        raise DataError(f"{place}: OpenCV needs file names in UTF-8; rename the video")
    with quiet_opencv():
        return cv2.VideoCapture(place)


def _read(capture: cv2.VideoCapture, source: Source, most: Optional[int]) -> Iterator[Frame]:
    rate = capture.get(cv2.CAP_PROP_FPS)
    if not (math.isfinite(rate) and 0 < rate <= 1000):
        rate = _USUAL_RATE
    promised = int(max(0, capture.get(cv2.CAP_PROP_FRAME_COUNT))) if source.kind == "video" else None
    bounds = [bound for bound in (promised, most) if bound is not None]
    count = min(bounds) if bounds else None
    index, clock = 0, _Clock(capture, rate)
    while most is None or index < most:
        with quiet_opencv():
            there, image = capture.read()
        if not there:
            break
        yield Frame(to_image(image, source.name), source, index, clock(), rate, count)
        index += 1
    else:
        return
    if index == 0:
        raise DataError(f"{source.name}: has no frames that can be read")
    if promised is not None and index < promised - max(1, _FEW * promised):
        raise DataError(f"{source.name}: damaged: only {index} of {promised} frames could be read")


class _Clock:
    """A clock for frames, in seconds from the first one: the file's time stamps while they increase, otherwise computed from the rate."""

    def __init__(self, capture: cv2.VideoCapture, rate: float):
        self._capture, self._step = capture, 1 / rate
        self._start: Optional[float] = None
        self._last = 0.0

    def __call__(self) -> float:
        position = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if self._start is None:
            self._start = position if math.isfinite(position) else 0.0
            return self._last
        time = position - self._start
        self._last = time if math.isfinite(time) and time > self._last else self._last + self._step
        return self._last


def to_image(array: np.ndarray, name: str = "array") -> np.ndarray:
    """Return any usual image array as BGR uint8 ``(H, W, 3)``.

    Args:
        array: ``(H, W)`` or ``(H, W, 1)`` grey, ``(H, W, 3)`` BGR or ``(H, W, 4)`` BGR and alpha, which is dropped; uint8, uint16
            (0..65535), bool, or floating point in 0..1.
        name: name of the array, with which messages begin.

    Raises:
        DataError: another shape or type, an empty image, numbers out of range, or 12-bit numbers in uint16.
    """
    array = np.asarray(array)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise DataError(f"{name}: an array of shape {array.shape} is not an image; give (H, W) grey or (H, W, 3) blue, green, red")
    if 0 in array.shape:
        raise DataError(f"{name}: an empty image: its shape is {array.shape}")
    array = array if array.ndim == 2 else array[:, :, :3]
    if array.dtype == np.uint16:
        from mindpoint.storage.images import check_full_range

        check_full_range(array, name)
        array = (array >> 8).astype(np.uint8)  # like OpenCV for files of 16 bits
    elif array.dtype == bool:
        array = array.astype(np.uint8) * 255
    elif np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise DataError(f"{name}: floating-point numbers must be in 0..1; give uint8 for 0..255")
        array = np.rint(array * 255).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise DataError(f"{name}: an array of {array.dtype} is not an image; give uint8, uint16 or floating point in 0..1")
    if array.ndim == 2 or array.shape[2] == 1:
        return cv2.cvtColor(array, cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(array)
