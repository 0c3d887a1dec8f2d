"""One self-contained web page with pictures of samples."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Dict, Sequence

import numpy as np
from mindpoint.visual.html import document, image_uri

_STYLE = """
body { font: 15px/1.4 sans-serif; margin: 1.5em; color: #222; background: #fafafa }
section { margin: 0 0 2.5em } h2 { font-size: 1.05em; margin: 0 } p { margin: .2em 0 .6em; color: #555 } h2, p { overflow-wrap: anywhere }
div { display: flex; flex-wrap: wrap; gap: 10px } figure { margin: 0 } figcaption { font-size: .85em; color: #444 }
img { display: block; height: 300px } details img { height: 160px } summary { margin: .6em 0; cursor: pointer }
"""


@dataclass(frozen=True)
class Shown:
    """Pictures of one sample.

    Attributes:
        name: name of the sample, part of file names.
        facts: the image's name and its augmentation.
        pictures: BGR uint8 by caption.
        details: further pictures, folded on the page; may be empty.
    """

    name: str
    facts: str
    pictures: Dict[str, np.ndarray]
    details: Dict[str, np.ndarray]


def page(samples: Sequence[Shown], title: str) -> str:
    """Return the page as text."""
    sections = "\n".join(map(_section, samples))
    return document(title, _STYLE, f"<h1>{escape(title)}</h1>\n{sections}")


def _section(sample: Shown) -> str:
    details = f"<details><summary>details</summary>{_figures(sample.details)}</details>" if sample.details else ""
    name, facts = escape(sample.name), escape(sample.facts)
    return f'<section id="{name}"><h2>{name}</h2><p>{facts}</p>{_figures(sample.pictures)}{details}</section>'


def _figures(pictures: Dict[str, np.ndarray]) -> str:
    return "<div>" + "".join(_figure(caption, picture) for caption, picture in pictures.items()) + "</div>"


def _figure(caption: str, picture: np.ndarray) -> str:
    caption = escape(caption)
    return f'<figure><img alt="{caption}" src="{image_uri(picture)}"><figcaption>{caption}</figcaption></figure>'
