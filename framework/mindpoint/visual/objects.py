"""The usual way to draw objects: boxes with class and score, and every field that can be seen."""

from __future__ import annotations

from typing import Optional, Sequence

import cv2
import numpy as np

from mindpoint.contracts.fields import Angles, Color, Points, Rasters
from mindpoint.contracts.instances import Detections, Instances, Objects
from mindpoint.contracts.visualizer import Visualizer
from mindpoint.errors import ConfigError
from mindpoint.visual.draw import GREY, SHIFT, canvas_of, distinct_color, draw_box, fixed, thickness_of


class ObjectVisualizer(Visualizer):
    """Draws boxes, class names and scores, points with the lines between them, directions and masks.

    A point is a disc where a flag that describes it is true (or an annotated point is visible), otherwise a ring. Objects have the colour of
    their class; if there is only one class, colours tell the objects apart.

    Args:
        boxes: draw boxes, with class and score.
        names: write class names.
        lines: join points by the field's lines.
        point_threshold: smallest score of a drawn point, 0..1, where a field gives points scores.
        colors: blue, green, red in 0..255 by class name; None: colours that are easy to tell apart.

    Raises:
        ConfigError: a colour for a class that does not exist.
    """

    def __init__(
        self,
        classes: Sequence[str],
        boxes: bool = True,
        names: bool = True,
        lines: bool = True,
        point_threshold: float = 0.0,
        colors: Optional[dict] = None,
    ):
        strange = [name for name in colors or {} if name not in classes]
        if strange:
            raise ConfigError(f"colors: there is no class '{strange[0]}'; there are {', '.join(classes)}")
        self.classes, self.boxes, self.names, self.lines, self.point_threshold = list(classes), boxes, names, lines, point_threshold
        self.colors = {name: tuple(map(int, color)) for name, color in (colors or {}).items()}

    def draw(self, image: np.ndarray, found: Detections, threshold: float = 0.0) -> np.ndarray:
        """See :class:`Visualizer`. The best object ends on top."""
        canvas = canvas_of(image)
        for row in np.flatnonzero(found.scores >= threshold)[::-1]:
            self._object(canvas, found, row, self.color(found.labels[row], row), f"{found.scores[row]:.2f}")
        return canvas

    def draw_objects(self, image: np.ndarray, objects: Objects) -> np.ndarray:
        """See :class:`Visualizer`. Crowd boxes are grey."""
        canvas = canvas_of(image)
        for row in range(len(objects)):
            self._object(canvas, objects, row, GREY if objects.crowd[row] else self.color(objects.labels[row], row), "")
        return canvas

    def color(self, label: int, row: int) -> Color:
        """Return the colour of the object in a row, blue, green, red."""
        name = self.classes[label]
        return self.colors.get(name) or distinct_color(int(label) if len(self.classes) > 1 else row)

    def _object(self, canvas: np.ndarray, shown: Instances, row: int, color: Color, score: str) -> None:
        for field in shown.fields:
            if isinstance(field, Rasters):
                _tint(canvas, shown.boxes[row], shown.values[field.name][row], color)
        if self.boxes:
            text = f"{self.classes[shown.labels[row]]} {score}".strip() if self.names else score
            draw_box(canvas, shown.boxes[row], color, text)
        for field in shown.fields:
            if isinstance(field, Points):
                self._points(canvas, shown, row, field)
            elif isinstance(field, Angles) and not field.shape:
                _arrow(canvas, shown.boxes[row], float(shown.values[field.name][row]), color)

    def _points(self, canvas: np.ndarray, shown: Instances, row: int, field: Points) -> None:
        """Draw lines in the mean colour of their ends, and points on top of them."""
        values = shown.values[field.name][row]
        there, solid = field.there(values), np.ones(len(values), bool)
        if field.seen is not None:
            solid = values[:, field.seen] > 1
        for other in (other for other in shown.fields if other.of == field.name):
            describing = shown.values[other.name][row]
            if describing.dtype == bool:
                solid = describing
            elif other.key == "score":
                there = there & (describing >= self.point_threshold)
        thickness = thickness_of(canvas)
        for first, second in field.lines if self.lines else ():
            if there[first] and there[second]:
                color = tuple((a + b) // 2 for a, b in zip(field.colors[first], field.colors[second]))
                cv2.line(canvas, fixed(values[first, :2]), fixed(values[second, :2]), color, thickness, cv2.LINE_AA, SHIFT)
        for point in np.flatnonzero(there):
            width = -1 if solid[point] else thickness
            cv2.circle(canvas, fixed(values[point, :2]), (thickness + 1) << SHIFT, field.colors[point], width, cv2.LINE_AA, SHIFT)


def _arrow(canvas: np.ndarray, box: np.ndarray, angle: float, color: Color) -> None:
    """Draw a direction from the middle of a box, half as long as its shorter side."""
    middle, length = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).min() / 2
    end = middle + length * np.array([np.cos(angle), np.sin(angle)])
    if np.isfinite(end).all() and length > 0:
        cv2.arrowedLine(canvas, fixed(middle), fixed(end), color, thickness_of(canvas), cv2.LINE_AA, SHIFT, 0.25)


def _tint(canvas: np.ndarray, box: np.ndarray, raster: np.ndarray, color: Color) -> None:
    """Colour the pixels of a box that its mask ``(h, w)`` covers by more than half."""
    if raster.ndim != 2 or not np.isfinite(box).all():
        return
    left, top, right, bottom = np.rint(box).astype(int).tolist()
    if right <= left or bottom <= top or min(right - left, bottom - top) > 1 << 14:
        return
    mask = cv2.resize(raster.astype(np.float32), (right - left, bottom - top)) > 0.5
    inside = slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0))
    part = canvas[inside]
    mask = mask[max(0, -top) :, max(0, -left) :][: part.shape[0], : part.shape[1]]
    part[mask] = (0.5 * part[mask] + 0.5 * np.array(color)).astype(np.uint8)
