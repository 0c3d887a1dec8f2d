"""The forms in which Python code may pass an image."""

from __future__ import annotations

import os
from typing import Union

import numpy as np
import PIL.Image
import PIL.ImageOps

from mindpoint.contracts.prediction import Source
from mindpoint.errors import DataError
from mindpoint.inference.sources import camera

Known = Union[np.ndarray, Source, str]
"""An array, a source, or a text that :func:`mindpoint.inference.sources.find_sources` takes."""
SINGLE = (str, os.PathLike, int, np.integer, np.ndarray, Source, PIL.Image.Image)
REFUSED = (bytes, bytearray, memoryview, dict)
"""Iterable types whose items are not images."""
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")


def known_item(item: object, more: str = "") -> Known:
    """Return the image or source that an item denotes.

    Args:
        item: array; Pillow image; path; camera number; source.
        more: end of the message.

    Raises:
        DataError: an object of another type, a camera number out of range, a Pillow image whose file is damaged.
    """
    if isinstance(item, (np.ndarray, Source, str)):
        return item
    if isinstance(item, PIL.Image.Image):
        return pillow_array(item)
    if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
        return camera(int(item))
    path = os.fspath(item) if isinstance(item, os.PathLike) else None
    if isinstance(path, str):
        return path
    hint = " (decode the content of a file with cv2.imdecode)" if isinstance(item, REFUSED[:3]) else ""
    kinds = "an array, a Pillow image, the path of a file, or a camera number"
    raise DataError(f"{type(item).__name__} is not an image{hint}: give {kinds}{more}")


def pillow_array(image: PIL.Image.Image) -> np.ndarray:
    """Return a Pillow image, rotated by its EXIF orientation: BGR uint8 ``(H, W, 3)``, or ``(H, W)`` if it has 16 bits or
    floating-point numbers. Raises DataError if its file is damaged."""
    try:
        image = PIL.ImageOps.exif_transpose(image)
        if image.mode in _DEEP:
            return np.asarray(image).astype(np.uint16)
        if image.mode in ("I", "F"):
            return np.asarray(image)
        return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"Pillow image: cannot be decoded: {error}") from error
