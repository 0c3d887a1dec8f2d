"""Self-contained web pages, which need no network, server or other file."""

from __future__ import annotations

import base64
from html import escape
from typing import Optional

import cv2
import numpy as np

from mindpoint.visual.draw import as_uint8

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def document(title: str, style: str, body: str) -> str:
    """Return a whole page. ``title`` is plain text, ``style`` CSS, ``body`` HTML, which may contain scripts."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n<style>\n{style}\n</style>\n</head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def image_uri(image: np.ndarray, ending: str = ".jpg", quality: Optional[int] = None) -> str:
    """Return an image as a data URI.

    Args:
        image: BGR, uint8 or float in 0..1, or BGRA for ``.png``.
        ending: ``.jpg`` or ``.png``.
        quality: of a JPEG, 0..100; None: OpenCV's default, 95.
    """
    settings = [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    data = base64.b64encode(cv2.imencode(ending, as_uint8(image), settings)[1].tobytes()).decode("ascii")
    return f"data:image/{'jpeg' if ending == '.jpg' else 'png'};base64,{data}"
