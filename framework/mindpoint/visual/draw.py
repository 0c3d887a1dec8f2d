"""Shapes and texts drawn into images, and pictures side by side. Needs no display: images go in, images come out."""

from __future__ import annotations

import colorsys
from typing import Optional, Sequence, Tuple

import cv2
import numpy as np

from mindpoint.contracts.fields import Color
from mindpoint.contracts.image import View

GREY: Color = (160, 160, 160)
SHIFT = 3  # OpenCV draws in eighths of a pixel
_FAR = 1 << 14  # pixels; OpenCV's fixed-point coordinates overflow far beyond
CAPTION = 24  # pixels: height of a line of text above a picture


def draw_heatmap(image: np.ndarray, heat: np.ndarray, view: View) -> np.ndarray:
    """A copy of the image, darkened, with a heatmap over it: from black over red and yellow to white.

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
    return np.rint(np.minimum(0.5 * canvas + over[..., None] * glow, 255)).astype(np.uint8)  # low values glow little


def grid(images: Sequence[np.ndarray], columns: Optional[int] = None, gap: int = 4) -> np.ndarray:
    """BGR uint8 images side by side, row by row, each in the upper left of a cell as large as the largest image. At least one image.

    Args:
        columns: images a row; ``None``: about as many as rows.
        gap: grey pixels between cells.
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
    """The image below a line of text, which shrinks to its width; 24 pixels higher."""
    band = np.zeros((CAPTION, image.shape[1], 3), np.uint8)
    size = min(0.5, 0.5 * image.shape[1] / (cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)[0][0] + 8))
    cv2.putText(band, text, (4, CAPTION - 8), cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([band, image])


def canvas_of(image: np.ndarray) -> np.ndarray:
    """Return a copy of an image to draw on, BGR uint8; floating point is taken for 0..1."""
    if image.dtype != np.uint8:
        return np.ascontiguousarray(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8))
    return np.array(image, order="C")


def thickness_of(canvas: np.ndarray) -> int:
    """Return the line width in pixels that looks alike in small and large pictures."""
    return max(1, round(max(canvas.shape[:2]) / 400))


def distinct_color(number: int) -> Color:
    """Return the colour of a number; those of neighbouring numbers are far apart: hues advance by the golden ratio."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.6, 1.0)
    return int(255 * blue), int(255 * green), int(255 * red)


def fixed(point: np.ndarray) -> Tuple[int, int]:
    """Return a point ``(2,)`` as OpenCV takes it: whole numbers, in eighths of a pixel."""
    x, y = np.rint(np.clip(point, -_FAR, _FAR) * (1 << SHIFT)).astype(int).tolist()
    return x, y


def draw_box(canvas: np.ndarray, box: np.ndarray, color: Color, text: str = "") -> None:
    """Draw a box ``(4,)``, in place, with a text above its upper left corner; nothing if it is not finite."""
    if not np.isfinite(box).all():
        return
    thickness = thickness_of(canvas)
    cv2.rectangle(canvas, fixed(box[:2]), fixed(box[2:]), color, thickness, cv2.LINE_AA, SHIFT)
    if not text:
        return
    size = max(0.3, max(canvas.shape[:2]) / 1400)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    # inside the picture, even where the box is not
    left = int(np.clip(box[0], 0, max(0, canvas.shape[1] - width - 2)))
    bottom = int(np.clip(box[1], height + 3, canvas.shape[0]))
    cv2.rectangle(canvas, (left, bottom - height - 3), (left + width + 1, bottom), color, -1)
    cv2.putText(canvas, text, (left + 1, bottom - 2), cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 1, cv2.LINE_AA)
