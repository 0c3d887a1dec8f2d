"""Image files, read and written with OpenCV."""

from __future__ import annotations

from pathlib import Path
from typing import Union

import cv2
import numpy as np

from mindpoint.engine.files import replaced
from mindpoint.errors import DataError


def read_image(path: Union[str, Path]) -> np.ndarray:
    """BGR uint8 ``(H, W, 3)``; grey and alpha become BGR, EXIF orientation is applied.

    Raises:
        DataError: no such file, or no image that OpenCV can decode.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise DataError(f"{path}: not an image, or a damaged one")
    return image


def write_image(path: Path, image: np.ndarray) -> None:
    """Write a BGR uint8 image in the format of the path's ending, in one piece."""
    with replaced(path) as temporary:
        temporary.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
