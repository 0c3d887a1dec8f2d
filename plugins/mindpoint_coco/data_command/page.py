"""One self-contained web page with pictures of samples."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Dict, Sequence

import numpy as np
from mindpoint.visual.html import document, figures, note, section

_STYLE = """header, main { max-width: none } .figures img { height: 280px }
details img { height: 160px } summary { margin: .6em 0; cursor: pointer }
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
    return document(title, "", "\n".join(map(_section, samples)), style=_STYLE)


def _section(sample: Shown) -> str:
    details = f"<details><summary>details</summary>{figures(sample.details)}</details>" if sample.details else ""
    return section(escape(sample.name), note(sample.facts) + figures(sample.pictures) + details, sample.name)
