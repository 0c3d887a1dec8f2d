"""The images in a folder, found by the names in an annotation file."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import PIL.Image
from mindpoint.errors import DataError
from mindpoint.storage.images import read_image

from mindpoint_coco.importers.video_frames import frame_size

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".jfif", ".jpe", ".jp2", ".ppm", ".pgm")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v", ".gif")
_ORIENTATION = 0x0112  # the EXIF tag
_LYING = range(5, 9)  # values of the tag for images rotated by 90 degrees


class Images:
    """An index of the images and videos in a folder and its subfolders. Links to folders are not followed.

    Args:
        folder: the folder to search. All results lie in it, regardless of the names in the labels.

    Attributes:
        names: paths of all images, relative to the folder, sorted.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._sizes: Dict[str, Tuple[int, int]] = {}
        found = [
            os.path.relpath(os.path.join(place, name), folder).replace(os.sep, "/")
            for place, below, names in os.walk(folder)
            for name in names
            if not name.startswith(".") and not below.sort() and name.lower().endswith(ENDINGS + VIDEOS)
        ]
        self.names = sorted(name for name in found if name.lower().endswith(ENDINGS))
        self._files, self._stems, self._videos = (
            _by(str, self.names),
            _by(_stem, self.names),
            _by(str, sorted(set(found) - set(self.names))),
        )

    def find(self, name: str, where: str) -> Optional[str]:
        """Return the path, relative to the folder, of the image with a name; None if it does not exist.

        The last parts of the path are compared. Case is ignored unless it distinguishes two files. Another ending is accepted if no
        file has the given one.

        Raises:
            DataError: several files match equally well.
        """
        parts = _parts(name)
        if not parts:
            return None
        stem = parts[-1].lower()
        candidates = self._files.get(stem) or self._stems.get(_stem(stem)) or self._stems.get(stem) or []
        return _best(candidates, parts, where)

    def video(self, name: str, where: str) -> Optional[str]:
        """Return the path of the video with a name, like :meth:`find`, but only with the given ending."""
        parts = _parts(name)
        return _best(self._videos.get(parts[-1].lower(), []), parts, where) if parts else None

    def size(self, name: str) -> Tuple[int, int]:
        """Return width and height of an image in pixels, upright. Raises DataError if it cannot be read."""
        path = self.folder / name
        try:
            with PIL.Image.open(path) as header:
                width, height = header.size
                return (height, width) if header.getexif().get(_ORIENTATION) in _LYING else (width, height)
        except Exception:  # Pillow has no common error for unknown formats and damaged files
            pixels = read_image(path)
            return pixels.shape[1], pixels.shape[0]

    def video_size(self, name: str) -> Tuple[int, int]:
        """Return width and height of a video's frames in pixels. Raises DataError if it cannot be read."""
        if name not in self._sizes:
            self._sizes[name] = frame_size(self.folder / name)
        return self._sizes[name]


def _parts(name: str) -> List[str]:
    """Return the parts of a path of any operating system, without empty parts, ``.`` and ``..``."""
    return [part for part in re.split(r"[/\\]+", name.strip()) if part not in ("", ".", "..")]


def _stem(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if f".{ending}" in ENDINGS else name


def _by(key: Callable[[str], str], names: Sequence[str]) -> Dict[str, List[str]]:
    """Group paths by ``key`` of their file names in lower case."""
    found = defaultdict(list)
    for name in names:
        found[key(name.rpartition("/")[2].lower())].append(name)
    return found


def _best(candidates: Sequence[str], parts: Sequence[str], where: str) -> Optional[str]:
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    ranked = sorted(candidates, key=lambda name: _likeness(name.split("/"), parts), reverse=True)
    if _likeness(ranked[0].split("/"), parts) == _likeness(ranked[1].split("/"), parts):
        raise DataError(f"{where}: '{'/'.join(parts)}' matches '{ranked[0]}' and '{ranked[1]}'; name the right folder with --images")
    return ranked[0]


def _likeness(own: Sequence[str], said: Sequence[str]) -> Tuple[int, int, int, bool]:
    """Return how well two paths agree: the numbers of equal folders from the end and from the start, the negative difference in depth, and
    whether the file names agree in case."""
    behind = _agreeing(own[-2::-1], said[-2::-1])
    ahead = _agreeing(own[:-1], said[:-1])
    return behind, ahead, -abs(len(own) - len(said)), own[-1] == said[-1]


def _agreeing(first: Sequence[str], second: Sequence[str]) -> int:
    count = 0
    for one, other in zip(first, second):
        if one.lower() != other.lower():
            break
        count += 1
    return count
