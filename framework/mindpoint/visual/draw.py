"""Shapes and texts drawn into images, and pictures side by side. Works on arrays; a display is not needed."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import cv2
import numpy as np

from mindpoint.contracts.fields import Color
from mindpoint.contracts.image import View

GREY: Color = (160, 160, 160)
SHIFT = 3  # OpenCV draws in eighths of a pixel
_FAR = 1 << 16  # pixels; OpenCV's fixed-point coordinates overflow far beyond
CAPTION = 24  # pixels: height of a line of text above a picture
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SMALLEST = 0.36  # smallest legible scale of the font


def draw_heatmap(image: np.ndarray, heat: np.ndarray, view: View) -> np.ndarray:
    """Return a copy of the image, darkened, with a heatmap over it: from black over red and yellow to white.

    Args:
        image: BGR ``(H, W, 3)``, uint8 in 0..255 or float32 in 0..1.
        heat: ``(h, w)`` in 0..1.
        view: the window of the image that the heatmap covers.

    Returns:
        BGR uint8 of the image's size.
    """
    canvas = canvas_of(image)
    height, width = canvas.shape[:2]
    matrix = view.affine(heat.shape[1], heat.shape[0])
    matrix[:, :2] *= view.scale
    over = cv2.warpAffine(heat.astype(np.float32), matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP).clip(0, 1)
    glow = cv2.applyColorMap(np.rint(over * 255).astype(np.uint8), cv2.COLORMAP_HOT)
    return np.rint(np.minimum(0.5 * canvas + over[..., None] * glow, 255)).astype(np.uint8)  # low values are nearly transparent


def grid(images: Sequence[np.ndarray], columns: Optional[int] = None, gap: int = 4) -> np.ndarray:
    """Return BGR uint8 images (at least one) side by side, row by row, each in the upper left of a cell as large as the largest image.

    Args:
        columns: images per row; ``None``: about as many as rows.
        gap: number of grey pixels between cells.
    """
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    height, width = (max(image.shape[axis] for image in images) + gap for axis in (0, 1))
    sheet = np.full((rows * height - gap, columns * width - gap, 3), GREY, np.uint8)
    for place, image in enumerate(images):
        top, left = place // columns * height, place % columns * width
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def captioned(image: np.ndarray, text: str) -> np.ndarray:
    """Return the image, 24 pixels higher, with a line of text above it. The text shrinks to the width of the image."""
    band = np.zeros((CAPTION, image.shape[1], 3), np.uint8)
    size = min(0.5, 0.5 * image.shape[1] / (cv2.getTextSize(text, _FONT, 0.5, 1)[0][0] + 8))
    cv2.putText(band, text, (4, CAPTION - 8), _FONT, size, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([band, image])


def as_uint8(image: np.ndarray) -> np.ndarray:
    """Return a BGR image as uint8 in 0..255: unchanged, or converted from floating point in 0..1 (non-finite values become black)."""
    if image.dtype == np.uint8:
        return image
    return np.rint(np.clip(np.nan_to_num(image, posinf=0.0, neginf=0.0), 0, 1) * 255).astype(np.uint8)


def canvas_of(image: np.ndarray) -> np.ndarray:
    """Return a copy of an image to draw on, BGR uint8; see :func:`as_uint8`."""
    return np.array(as_uint8(image), order="C")


def thickness_of(canvas: np.ndarray, box: Optional[np.ndarray] = None) -> int:
    """Return a line width in pixels that looks the same in small and large pictures; thinner for an object with a small ``box``."""
    widest = max(1, round(max(canvas.shape[:2]) / 400))
    if box is None or not np.isfinite(box).all():
        return widest
    return int(np.clip(np.abs(box[2:] - box[:2]).max() / 50, 1, widest))


def distinct_color(number: int) -> Color:
    """Return a colour for a number. Successive numbers have very different colours: hues advance by the golden ratio."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.85, 1.0 if number % 2 else 0.9)
    return round(255 * blue), round(255 * green), round(255 * red)


def fixed(point: np.ndarray) -> Tuple[int, int]:
    """Return a finite point ``(2,)`` as OpenCV takes it: whole numbers, in eighths of a pixel."""
    x, y = np.rint(np.clip(point, -_FAR, _FAR) * (1 << SHIFT)).astype(int).tolist()
    return x, y


def draw_box(canvas: np.ndarray, box: np.ndarray, color: Color) -> None:
    """Draw a box ``(4,)`` in place; skip one that is not finite."""
    if np.isfinite(box).all():
        cv2.rectangle(canvas, fixed(box[:2]), fixed(box[2:]), color, thickness_of(canvas, box), cv2.LINE_AA, SHIFT)


@dataclass(frozen=True)
class Label:
    """A text that belongs to a box ``(4,)`` and has its colour as background."""

    box: np.ndarray
    text: str
    color: Color


def draw_labels(canvas: np.ndarray, labels: Sequence[Label]) -> None:
    """Draw labels, the most important first, in place and inside the picture.

    Each is written above its box if it hides no earlier label there, otherwise inside, below or beside the box. If all these places are
    taken, it is drawn above the box and partly hidden. Labels of boxes that are not finite, or outside of the picture, are left out.
    """
    height, width = canvas.shape[:2]
    size = max(_SMALLEST, max(height, width) / 1400)
    stroke = max(1, round(size * 1.2))
    taken = np.zeros((0, 4), int)
    placed: List[Tuple[np.ndarray, Label]] = []
    for label in labels:
        if not label.text or not _visible(label.box, width, height):
            continue
        (across, above), below = cv2.getTextSize(label.text, _FONT, size, stroke)
        places = _places(label.box, across + 2 * stroke + 1, above + below + 2 * stroke + 1, width, height)
        free = [place for place in places if not _meets(place, taken).any()]
        place = (free or places)[0]
        taken = np.concatenate([taken, place[None]])
        placed.append((place, label))
    _, below = cv2.getTextSize("g", _FONT, size, stroke)
    for place, label in reversed(placed):
        left, top, right, bottom = place.tolist()
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), label.color, -1)
        cv2.putText(canvas, label.text, (left + stroke, bottom - below - 1), _FONT, size, _ink(label.color), stroke, cv2.LINE_AA)


def _visible(box: np.ndarray, width: int, height: int) -> bool:
    if not np.isfinite(box).all():
        return False
    left, right, top, bottom = *sorted((box[0], box[2])), *sorted((box[1], box[3]))
    return right >= 0 and bottom >= 0 and left < width and top < height


def _places(box: np.ndarray, across: int, down: int, width: int, height: int) -> List[np.ndarray]:
    """Return rectangles for a text of ``across`` x ``down`` pixels, moved into the picture. Their order: above the box, inside at the top,
    below, inside at the bottom, above with the right ends aligned, right of the box."""
    left, right = np.clip(sorted((box[0], box[2])), 0, width).astype(int)
    top, bottom = np.clip(sorted((box[1], box[3])), 0, height).astype(int)
    corners = [(left, top - down), (left, top), (left, bottom), (left, bottom - down), (right - across, top - down), (right, top)]
    inside = [(max(0, min(x, width - across)), max(0, min(y, height - down))) for x, y in corners]
    return [np.array([x, y, x + across, y + down]) for x, y in inside]


def _meets(place: np.ndarray, taken: np.ndarray) -> np.ndarray:
    return (place[:2] < taken[:, 2:]).all(axis=1) & (taken[:, :2] < place[2:]).all(axis=1)


def _ink(color: Color) -> Color:
    """Return black or white, whichever is easier to read on a colour."""
    blue, green, red = color
    return (0, 0, 0) if 0.114 * blue + 0.587 * green + 0.299 * red > 128 else (255, 255, 255)
