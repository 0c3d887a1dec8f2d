"""A dressed figure as polygons in painter's order, and the visibility of its joints.

The polygons are painted twice: with colours on the image, and with numbers on a label map, from which visibility, boxes and
areas are computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Tuple

import cv2
import numpy as np

from mindpoint_synthetic.figure import ALL_JOINTS, FURTHER, SIDES, SKELETON, Figure
from mindpoint_synthetic.head import head_layers
from mindpoint_synthetic.outfit import Color, Outfit, shade
from mindpoint_synthetic.shapes import PARTS, SHIFT, Layer, Pen, Shape, ring

LABELS_EACH = 16  # part p of figure number n has the label LABELS_EACH * (n + 1) + p; 0 is background
_LIMBS = {  # limbs that end at each joint
    "shoulder": ["arm"], "elbow": ["arm", "forearm"], "wrist": ["forearm"],
    "hip": ["thigh"], "knee": ["thigh", "shin"], "ankle": ["shin"],
}  # fmt: skip
_NEIGHBOURS = np.array([[(a, b) in SKELETON or (b, a) in SKELETON or b in FURTHER.get(a, ()) for b in ALL_JOINTS] for a in ALL_JOINTS])


@dataclass(frozen=True)
class Drawing:
    """A figure ready to be painted.

    Attributes:
        shapes: polygons, farthest first.
        joints: ``(19, 2)`` x, y in pixels, in the order of ``ALL_JOINTS``; the centre of the top left pixel is (0, 0).
        shown_by: ``(19, len(PARTS))`` bool: a joint is visible if one of its parts is on top. A joint without parts is under hair.
        turned_away: ``(19,)`` bool: features on the far side of the head, which are not annotated.
    """

    shapes: List[Shape]
    joints: np.ndarray
    shown_by: np.ndarray
    turned_away: np.ndarray

    def paint(self, image: np.ndarray) -> None:
        """Paint onto a BGR image."""
        for shape in self.shapes:
            cv2.fillConvexPoly(image, shape.corners, shape.color, cv2.LINE_AA, SHIFT)
            if shape.edge is not None:
                cv2.polylines(image, [shape.corners], True, shape.edge, 1, cv2.LINE_AA, SHIFT)

    def mark(self, labels: np.ndarray, number: int) -> None:
        """Draw onto a map of labels, int16, as figure ``number``."""
        for shape in self.shapes:
            cv2.fillConvexPoly(labels, shape.corners, LABELS_EACH * (number + 1) + shape.part, cv2.LINE_8, SHIFT)

    def visibility(self, labels: np.ndarray, number: int) -> np.ndarray:
        """Return COCO's visibility ``(19,)`` of the joints of figure ``number``, from the finished map of labels.

        2: visible. 1: hidden, but next to a visible joint, so that annotators could mark it. 0: outside of the image, on the far
        side of the head, or hidden together with all its neighbours.
        """
        height, width = labels.shape
        column, row = np.rint(self.joints).astype(int).T
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & ~self.turned_away
        on_top = labels[row.clip(0, height - 1), column.clip(0, width - 1)] - LABELS_EACH * (number + 1)
        own = (on_top >= 0) & (on_top < len(PARTS))
        seen = inside & own & self.shown_by[np.arange(len(ALL_JOINTS)), np.where(own, on_top, 0)]
        beside_seen = (_NEIGHBOURS & seen).any(axis=1)
        return np.where(seen, 2, np.where(inside & beside_seen, 1, 0))


def draw(figure: Figure, outfit: Outfit, scale: float, origin: Tuple[float, float]) -> Drawing:
    """Return a drawing of the figure at ``scale`` pixels per standing height, with the middle of the hips at pixel ``origin``."""
    pen = Pen(scale, origin)
    layers, joints, away, covered = head_layers(pen, figure, outfit)
    layers += _trunk(pen, figure, outfit)
    for side in SIDES:
        layers += _arm(pen, figure, outfit, side) + _leg(pen, figure, outfit, side)
    layers.sort(key=lambda layer: layer.nearness)
    joints.update({name: pen.flat(figure.points[name]) for name in ALL_JOINTS if name not in joints})
    return Drawing(
        [shape for layer in layers for shape in layer.shapes],
        np.stack([joints[name] for name in ALL_JOINTS]),
        np.array([[False] * len(PARTS) if name in covered else _shown_by(figure, name) for name in ALL_JOINTS]),
        np.array([name in away for name in ALL_JOINTS]),
    )


def _shown_by(figure: Figure, joint: str) -> List[bool]:
    """Return, for each part, whether it shows ``joint``."""
    side, _, name = joint.rpartition("_")
    parts = [f"{side}_{limb}" for limb in _LIMBS[name]] if name in _LIMBS else ["head"]
    if joint == "neck":
        parts += ["trunk"]
    if name in ("shoulder", "hip"):
        other = joint.replace("left", "right") if side == "left" else joint.replace("right", "left")
        across = figure.points[other] - figure.points[joint]
        if across[2] < 0.75 * np.linalg.norm(across):  # else it is on the far side of the trunk
            parts += ["trunk", "hips"]
    return [part in parts for part in PARTS]


def _lit(color: Color, nearness: float) -> Color:
    """Return the tone of a limb: darker if far, lighter if near."""
    return shade(color, 1.0 + min(max(1.4 * float(nearness), -0.32), 0.12))


def _arm(pen: Pen, figure: Figure, outfit: Outfit, side: str) -> List[Layer]:
    shoulder, elbow, wrist, hand = (figure.points[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist", "hand"))
    thick = np.array([0.031, 0.024, 0.016]) * figure.size.build
    palm = pen.limb(wrist, hand, (thick[2] * 1.05, thick[2] * 1.25), f"{side}_forearm", _lit(outfit.skin, hand[2]))
    upper = _limb(pen, outfit, shoulder, elbow, thick[:2], f"{side}_arm", outfit.top, outfit.sleeve, outfit.sleeve_width)
    lower = _limb(pen, outfit, elbow, wrist, thick[1:], f"{side}_forearm", outfit.top, outfit.sleeve - 1, outfit.sleeve_width)
    return [Layer((shoulder + elbow)[2] / 2 + 0.03, upper), Layer((elbow + hand)[2] / 2 + 0.04, [palm] + lower)]


def _leg(pen: Pen, figure: Figure, outfit: Outfit, side: str) -> List[Layer]:
    hip, knee, ankle, toe = (figure.points[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "toe"))
    thick = np.array([0.052, 0.036, 0.022]) * figure.size.build
    upper = _limb(pen, outfit, hip, knee, thick[:2], f"{side}_thigh", outfit.bottom, outfit.leg, outfit.leg_width)
    lower = _limb(pen, outfit, knee, ankle, thick[1:], f"{side}_shin", outfit.bottom, outfit.leg - 1, outfit.leg_width)
    heel = ankle + 0.2 * (ankle - toe) + np.array([0.0, 0.016, 0.0])
    shoe = pen.limb(heel, toe + np.array([0.0, 0.008, 0.0]), (0.023, 0.018), f"{side}_shin", _lit(outfit.shoes, ankle[2]))
    nearness = (knee + ankle)[2] / 2 - 0.004
    return [
        Layer((hip + knee)[2] / 2, upper),
        Layer(nearness, lower),
        Layer(nearness + (0.005 if toe[2] > ankle[2] else -0.005), [shoe]),
    ]


def _limb(
    pen: Pen, outfit: Outfit, start: np.ndarray, end: np.ndarray, thick: np.ndarray, part: str, cloth: Color, covered: float, width: float
) -> List[Shape]:
    """Return one part of an arm or leg: skin, and cloth over the first ``covered`` of its length."""
    nearness = (start[2] + end[2]) / 2
    covered = min(max(covered, 0.0), 1.0)
    shapes = []
    if covered < 1.0:
        shapes.append(pen.limb(start, end, tuple(thick), part, _lit(outfit.skin, nearness)))
    if covered > 0.0:
        hem = thick[0] + covered * (thick[1] - thick[0])
        shapes.append(pen.limb(start, start + covered * (end - start), (thick[0] * width, hem * width), part, _lit(cloth, nearness)))
    return shapes


def _trunk(pen: Pen, figure: Figure, outfit: Outfit) -> List[Layer]:
    size, axes = figure.size, figure.torso.axes
    at = lambda height: figure.torso.point([0.0, -height * size.spine, 0.0])  # noqa: E731
    deep = 0.058 * size.build
    hips = size.hip + 0.034 * size.build
    collar = [ring(at(1.03), axes, 0.04, 0.035), ring(at(0.94), axes, size.shoulder, 0.6 * deep)]
    chest = ring(at(0.72), axes, size.shoulder * 0.93, deep * 1.1)
    slim = 0.5 * (hips + size.shoulder * 0.8)
    waist = ring(at(0.3), axes, slim, deep)
    hem = ring(at(0.04), axes, hips, deep)
    seat = [ring(at(0.22), axes, hips * 0.94, deep), ring(at(-0.1), axes, hips, deep), ring(at(-0.2), axes, hips * 0.7, deep * 0.8)]
    shirt = [
        pen.solid(np.concatenate([waist, hem]), "trunk", outfit.top),
        pen.solid(np.concatenate(collar + [chest, waist]), "trunk", outfit.top),
        pen.solid(np.concatenate([chest, waist]), "trunk", outfit.top, edge=False),
    ]
    for stripe in range(outfit.stripes):
        across = ring(at(0.75 - 0.5 * stripe / outfit.stripes), axes, 0.98 * slim, 0.95 * deep)
        shirt.append(pen.solid(across, "trunk", outfit.trim, edge=False))
    if axes[2, 2] > 0.25:  # seen from the front: a neckline
        neckline = [[-0.034, -1.01 * size.spine, 0.03], [0.034, -1.01 * size.spine, 0.03], [0.0, -0.84 * size.spine, deep]]
        shirt.append(pen.solid(figure.torso.point(neckline), "trunk", outfit.skin))
    middle = figure.torso.origin[2]
    trousers = pen.solid(np.concatenate(seat), "hips", outfit.bottom)
    layers = [Layer((middle + at(1.0)[2]) / 2 + 0.02, shirt), Layer(middle + 0.01, [trousers])]
    if outfit.skirt:
        layers.append(_skirt(pen, figure, outfit, hips, deep))
    return layers


def _skirt(pen: Pen, figure: Figure, outfit: Outfit, hips: float, deep: float) -> Layer:
    axes = figure.torso.axes
    corners = [ring(figure.torso.point([0.0, -0.2 * figure.size.spine, 0.0]), axes, hips * 0.9, deep)]
    nearness = figure.torso.origin[2]
    for side in SIDES:
        hip, knee = figure.points[f"{side}_hip"], figure.points[f"{side}_knee"]
        corners.append(ring(hip + outfit.skirt * (knee - hip), np.eye(3), 0.05 + 0.03 * outfit.leg_width, 0.05))
        nearness = max(nearness, (hip + knee)[2] / 2)
    return Layer(nearness + 0.012, [pen.solid(np.concatenate(corners), "hips", outfit.bottom)])
