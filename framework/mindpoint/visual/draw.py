"""Objects with keypoints drawn into images. Needs no display: images go in, images come out."""

from __future__ import annotations

import colorsys
from typing import Optional, Sequence, Tuple

import cv2
import numpy as np

from mindpoint.contracts.detections import Detections
from mindpoint.contracts.image import Objects, View
from mindpoint_coco.keypoints import Keypoints

Color = Tuple[int, int, int]
_GREY: Color = (160, 160, 160)
_SHIFT = 3  # OpenCV draws in eighths of a pixel
_FAR = 1 << 14  # pixels; OpenCV's fixed-point coordinates overflow far beyond
CAPTION = 24  # pixels: height of a line of text above a picture


def draw(
    image: np.ndarray,
    detections: Detections,
    keypoints: Keypoints,
    score_threshold: float = 0.3,
    boxes: bool = True,
    skeleton: bool = True,
    joint_threshold: float = 0.0,
) -> np.ndarray:
    """A copy of the image with what was found in it. Joints that the joint heatmap showed are discs, regressed ones rings.

    Args:
        image: BGR ``(H, W, 3)``, uint8 in 0..255 or float32 in 0..1.
        detections: in pixels of the image.
        score_threshold: smallest score of a drawn object.
        boxes: draw boxes and scores.
        skeleton: join the joints.
        joint_threshold: smallest score of a drawn joint.

    Returns:
        BGR uint8 of the same size.
    """
    canvas = _canvas(image)
    chosen = np.flatnonzero(detections.scores >= score_threshold)
    for row in chosen[::-1]:  # the best ends on top
        shown = detections.keypoint_scores[row] >= joint_threshold
        if boxes:
            _box(canvas, detections.boxes[row], _object_color(row), f"{detections.scores[row]:.2f}")
        _figure(canvas, detections.keypoints[row], shown, detections.from_heatmap[row], keypoints, skeleton)
    return canvas


def draw_objects(image: np.ndarray, objects: Objects, keypoints: Keypoints, boxes: bool = True, skeleton: bool = True) -> np.ndarray:
    """A copy of the image with its annotated objects: visible joints are discs, hidden ones rings, crowd boxes grey.

    Arguments as of :func:`draw`.
    """
    canvas = _canvas(image)
    for row in range(len(objects)):
        visibility = objects.keypoints[row, :, 2]
        if boxes:
            _box(canvas, objects.boxes[row], _GREY if objects.crowd[row] else _object_color(row))
        _figure(canvas, objects.keypoints[row, :, :2], visibility > 0, visibility > 1, keypoints, skeleton)
    return canvas


def draw_heatmap(image: np.ndarray, heat: np.ndarray, view: View) -> np.ndarray:
    """A copy of the image, darkened, with a heatmap over it: from black over red and yellow to white.

    Args:
        image: BGR ``(H, W, 3)``, uint8 in 0..255 or float32 in 0..1.
        heat: ``(h, w)`` in 0..1.
        view: the window of the image that the heatmap covers.

    Returns:
        BGR uint8 of the image's size.
    """
    canvas = _canvas(image)
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
    sheet = np.full((rows * height - gap, columns * width - gap, 3), _GREY, np.uint8)
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


def _canvas(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8:
        return np.ascontiguousarray(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8))
    return np.array(image, order="C")


def _thickness(canvas: np.ndarray) -> int:
    """Line width in pixels that looks alike in small and large pictures."""
    return max(1, round(max(canvas.shape[:2]) / 400))


def _object_color(number: int) -> Color:
    """Colours of neighbouring numbers are far apart: hues advance by the golden ratio."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.6, 1.0)
    return int(255 * blue), int(255 * green), int(255 * red)


def _fixed(point: np.ndarray) -> Tuple[int, int]:
    x, y = np.rint(np.clip(point, -_FAR, _FAR) * (1 << _SHIFT)).astype(int).tolist()
    return x, y


def _box(canvas: np.ndarray, box: np.ndarray, color: Color, text: str = "") -> None:
    if not np.isfinite(box).all():
        return
    thickness = _thickness(canvas)
    cv2.rectangle(canvas, _fixed(box[:2]), _fixed(box[2:]), color, thickness, cv2.LINE_AA, _SHIFT)
    if not text:
        return
    size = max(0.3, max(canvas.shape[:2]) / 1400)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    # inside the picture, even where the box is not
    left = int(np.clip(box[0], 0, max(0, canvas.shape[1] - width - 2)))
    bottom = int(np.clip(box[1], height + 3, canvas.shape[0]))
    cv2.rectangle(canvas, (left, bottom - height - 3), (left + width + 1, bottom), color, -1)
    cv2.putText(canvas, text, (left + 1, bottom - 2), cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 1, cv2.LINE_AA)


def _figure(canvas: np.ndarray, points: np.ndarray, shown: np.ndarray, solid: np.ndarray, keypoints: Keypoints, skeleton: bool) -> None:
    """One object's limbs, in the mean colour of their ends, and joints on top of them."""
    thickness = _thickness(canvas)
    shown = shown & np.isfinite(points).all(axis=1)
    for first, second in keypoints.skeleton if skeleton else ():
        if shown[first] and shown[second]:
            color = tuple((a + b) // 2 for a, b in zip(keypoints.colors[first], keypoints.colors[second]))
            cv2.line(canvas, _fixed(points[first]), _fixed(points[second]), color, thickness, cv2.LINE_AA, _SHIFT)
    radius = (thickness + 1) << _SHIFT
    for joint in np.flatnonzero(shown):
        place = _fixed(points[joint])
        if solid[joint]:
            cv2.circle(canvas, place, radius, keypoints.colors[joint], -1, cv2.LINE_AA, _SHIFT)
        else:
            cv2.circle(canvas, place, radius, keypoints.colors[joint], thickness, cv2.LINE_AA, _SHIFT)
