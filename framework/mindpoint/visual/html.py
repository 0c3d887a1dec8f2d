"""Self-contained web pages, which need no network, server or other file. ``page.css`` gives all pages the same look."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Mapping, Optional

import cv2
import numpy as np

from mindpoint.visual.draw import as_uint8

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def document(title: str, lead: str, main: str, end: str = "", style: str = "") -> str:
    """Return a whole page.

    Args:
        title: plain text.
        lead: HTML below the title.
        main: HTML of the sections.
        end: HTML after the sections, such as a footer and scripts.
        style: further CSS, besides that of all pages.
    """
    shared = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n<style>\n{shared}{style}</style>\n</head>\n'
        f"<body>\n<header>\n<h1>{escape(title)}</h1>\n{lead}\n</header>\n<main>\n{main}\n</main>\n{end}\n</body>\n</html>\n"
    )


def section(heading: str, content: str, place: str = "") -> str:
    """Return a section of a page.

    Args:
        heading, content: HTML.
        place: id of the section, plain text, for links and scripts.
    """
    found = f' id="{escape(place)}"' if place else ""
    return f"<section{found}><h2>{heading}</h2>{content}</section>"


def note(text: str) -> str:
    """Return a plain text as a paragraph in small print; an empty text gives an empty text."""
    return f'<p class="note">{escape(text)}</p>' if text else ""


def figures(pictures: Mapping[str, np.ndarray], quality: Optional[int] = None) -> str:
    """Return the pictures in a row that wraps, each with its caption, which is plain text. For pictures and quality see
    :func:`image_uri`."""
    shown = {escape(caption): image_uri(picture, quality=quality) for caption, picture in pictures.items()}
    each = (f'<figure><img alt="{caption}" src="{uri}"><figcaption>{caption}</figcaption></figure>' for caption, uri in shown.items())
    return f'<div class="figures">{"".join(each)}</div>'


def image_uri(image: np.ndarray, ending: str = ".jpg", quality: Optional[int] = None) -> str:
    """Return an image as a data URI.

    Args:
        image: BGR, uint8 or float in 0..1, or BGRA for ``.png``.
        ending: ``.jpg`` or ``.png``.
        quality: quality of a JPEG, 0..100; None: OpenCV's default, 95.
    """
    settings = [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    data = base64.b64encode(cv2.imencode(ending, as_uint8(image), settings)[1].tobytes()).decode("ascii")
    return f"data:image/{'jpeg' if ending == '.jpg' else 'png'};base64,{data}"
