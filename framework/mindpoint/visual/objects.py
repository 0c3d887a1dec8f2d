"""The default visualizer: boxes with class and score, and every field that can be drawn."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence

import cv2
import numpy as np

from mindpoint.contracts.fields import Angles, Color, Field, Points, Rasters
from mindpoint.contracts.instances import Detections, Instances, Objects
from mindpoint.contracts.visualizer import Visualizer
from mindpoint.errors import ConfigError
from mindpoint.visual.draw import GREY, SHIFT, Label, canvas_of, distinct_color, draw_box, draw_labels, fixed, thickness_of

_LONGEST = 20  # characters of a field's name and value in a label
_BLACK: Color = (0, 0, 0)


class ObjectVisualizer(Visualizer):
    """Draws boxes, class names and scores, points with the lines between them, directions and masks. Further fields of one number, such as
    a depth or a track id, are written after the score.

    A point is a disc where a flag that describes it is true (or an annotated point is visible), otherwise a ring. Objects have the colour
    of their class; if there is only one class, colours distinguish the objects.

    Args:
        boxes: draw boxes, with their labels.
        names: write class names.
        values: write further fields of one number.
        lines: join points by the field's lines.
        point_threshold: smallest score of a drawn point, 0..1, where a field gives points scores.
        colors: blue, green, red in 0..255 by class name; None: colours that are easy to distinguish.

    Raises:
        ConfigError: a colour is for a class that does not exist, or is not three numbers in 0..255.
    """

    def __init__(
        self,
        classes: Sequence[str],
        boxes: bool = True,
        names: bool = True,
        values: bool = True,
        lines: bool = True,
        point_threshold: float = 0.0,
        colors: Optional[Dict[str, List[int]]] = None,
    ):
        for name, color in (colors or {}).items():
            if name not in classes:
                raise ConfigError(f"colors: unknown class '{name}'; the classes are {', '.join(classes)}")
            if len(color) != 3 or not all(0 <= part <= 255 for part in color):
                raise ConfigError(f"colors: {name}: {color} is not allowed; it must be blue, green, red in 0..255")
        self.classes, self.boxes, self.names, self.show_values, self.lines = list(classes), boxes, names, values, lines
        self.point_threshold = point_threshold
        self.colors = {name: tuple(map(int, color)) for name, color in (colors or {}).items()}

    def draw(self, image: np.ndarray, found: Detections, threshold: float = 0.0) -> np.ndarray:
        """See :class:`Visualizer`. The best object is drawn last, on top."""
        chosen = found.select(np.flatnonzero(found.scores >= threshold))
        colors = [self.color(label, row) for row, label in enumerate(chosen.labels)]
        return self._draw(image, chosen, colors, [f"{score:.2f}" for score in chosen.scores])

    def draw_objects(self, image: np.ndarray, objects: Objects) -> np.ndarray:
        """See :class:`Visualizer`. Crowd boxes are grey."""
        colors = [GREY if objects.crowd[row] else self.color(label, row) for row, label in enumerate(objects.labels)]
        return self._draw(image, objects, colors, [""] * len(objects))

    def color(self, label: int, row: int) -> Color:
        """Return the colour of the object at an index, blue, green, red."""
        name = self.classes[label]
        return self.colors.get(name) or distinct_color(int(label) if len(self.classes) > 1 else row)

    def text(self, shown: Instances, row: int, score: str) -> str:
        """Return the label's text for the object at an index."""
        words = [self.classes[shown.labels[row]]] if self.names else []
        words.append(score)
        if self.show_values:
            words += [_said(field, shown.values[field.name][row]) for field in shown.fields]
        return " ".join(filter(None, words))

    def _draw(self, image: np.ndarray, shown: Instances, colors: Sequence[Color], scores: Sequence[str]) -> np.ndarray:
        """Draw the objects in reverse order, then the labels on top."""
        canvas = canvas_of(image)
        for row in reversed(range(len(shown))):
            self._object(canvas, shown, row, colors[row])
        if self.boxes:
            labels = [Label(shown.boxes[row], self.text(shown, row, scores[row]), colors[row]) for row in range(len(shown))]
            draw_labels(canvas, labels)
        return canvas

    def _object(self, canvas: np.ndarray, shown: Instances, row: int, color: Color) -> None:
        box = shown.boxes[row]
        for field in shown.fields:
            if isinstance(field, Rasters):
                _tint(canvas, box, shown.values[field.name][row], color)
        if self.boxes:
            draw_box(canvas, box, color)
        for field in shown.fields:
            if isinstance(field, Points):
                self._points(canvas, shown, row, field)
            elif isinstance(field, Angles) and not field.shape:
                _arrow(canvas, box, float(shown.values[field.name][row]), color)

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
        thickness, own = thickness_of(canvas, shown.boxes[row]), field.set_of(int(shown.labels[row]))
        there = there & np.isin(np.arange(len(there)), own.places)
        for first, second in ((own.places[first], own.places[second]) for first, second in own.lines) if self.lines else ():
            if there[first] and there[second]:
                color = tuple((a + b) // 2 for a, b in zip(field.colors[first], field.colors[second]))
                cv2.line(canvas, fixed(values[first, :2]), fixed(values[second, :2]), color, thickness, cv2.LINE_AA, SHIFT)
        for point in np.flatnonzero(there):
            width = -1 if solid[point] else thickness
            cv2.circle(canvas, fixed(values[point, :2]), (thickness + 1) << SHIFT, field.colors[point], width, cv2.LINE_AA, SHIFT)


def _said(field: Field, value: np.ndarray) -> str:
    """Return a field of one number as text for a label; empty if it is drawn in another way or is too long."""
    if field.shape or field.of or isinstance(field, Angles):
        return ""
    text = f"{field.name} {value:.3g}" if value.dtype.kind == "f" else f"{field.name} {value}"
    return text if len(text) <= _LONGEST else ""


def _arrow(canvas: np.ndarray, box: np.ndarray, angle: float, color: Color) -> None:
    """Draw a direction from the middle of a box, half as long as its shorter side, with a dark rim."""
    middle, length = (box[:2] + box[2:]) / 2, np.abs(box[2:] - box[:2]).min() / 2
    end = middle + length * np.array([np.cos(angle), np.sin(angle)])
    if np.isfinite(end).all() and length >= 1:
        thickness = thickness_of(canvas, box)
        for ink, width in ((_BLACK, thickness + 2), (color, thickness)):
            cv2.arrowedLine(canvas, fixed(middle), fixed(end), ink, width, cv2.LINE_AA, SHIFT, 0.3)


def _tint(canvas: np.ndarray, box: np.ndarray, raster: np.ndarray, color: Color) -> None:
    """Colour the pixels of a box that its mask ``(h, w)`` covers by more than half."""
    if raster.ndim != 2 or not raster.size or not np.isfinite(box).all():
        return
    columns, rows = _inside(box[0], box[2], canvas.shape[1]), _inside(box[1], box[3], canvas.shape[0])
    if not len(columns) or not len(rows):
        return
    across = (columns - box[0]) / (box[2] - box[0]) * raster.shape[1] - 0.5  # the corners of the raster are those of the box
    down = (rows - box[1]) / (box[3] - box[1]) * raster.shape[0] - 0.5
    x, y = np.meshgrid(across.astype(np.float32), down.astype(np.float32))
    mask = cv2.remap(raster.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) > 0.5
    part = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    part[mask] = (0.5 * part[mask] + 0.5 * np.array(color)).astype(np.uint8)


def _inside(start: float, end: float, size: int) -> np.ndarray:
    """Return the integers from ``start`` to ``end`` that are valid indices of ``size`` pixels."""
    first, last = np.clip([np.ceil(start), np.floor(end)], [0, -1], [size, size - 1]).astype(int)
    return np.arange(first, last + 1) if end > start else np.zeros(0, int)
