"""Head, hair and face. The face is visible from the front, hair from behind: this distinguishes left from right."""

from __future__ import annotations

from typing import Dict, List, Set, Tuple

import numpy as np

from mindpoint_synthetic.figure import SIDES, Figure, Frame
from mindpoint_synthetic.outfit import Outfit, shade
from mindpoint_synthetic.shapes import Layer, Pen, Shape


def _direction(turn: float, up: float) -> np.ndarray:
    """Return the unit vector in the head's frame, ``turn`` degrees to the left of the front and ``up`` degrees above it."""
    turn, up = np.radians(turn), np.radians(up)
    return np.array([np.sin(turn) * np.cos(up), -np.sin(up) + 0 * turn, np.cos(turn) * np.cos(up)]).T


_FACE_JOINTS = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_DIRECTIONS = _direction(np.array([0, 25, -25, 93, -93]), np.array([-12, 7, 7, -4, -4]))
_STAND_OUT = np.array([[1.1], [0.98], [0.98], [1.02], [1.02]])  # distance from the head's centre relative to the ellipsoid
_LEAST_NEARNESS = np.array(
    [-0.12, 0.12, 0.12, -0.3, -0.3]
)  # minimum of a direction towards the viewer; below it the feature is on the far side
_BRIDGE = _direction(0, 6)
_MOUTH = _direction(np.array([17, -17]), -44)
_AROUND = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_RIM = _direction(64 * np.cos(_AROUND), -32 + 56 * np.sin(_AROUND))  # directions to the rim of the part of the face without hair
_DOME = 1.16 * np.concatenate([_direction(np.arange(0, 360, 30), up) for up in (24, 58, 90)])
_BRIM = _direction(np.array([-60, -22, 22, 60]), 24) * [[1.16], [1.6], [1.6], [1.16]]


def head_layers(pen: Pen, figure: Figure, outfit: Outfit) -> Tuple[List[Layer], Dict[str, np.ndarray], Set[str], Set[str]]:
    """Return the shapes of head and neck.

    Returns:
        Layers; the pixel ``(2,)`` of each joint of the face; the joints on the far side of the head; the joints under hair.
    """
    head, semi = figure.head, figure.size.head
    toward = head.axes[2] / np.linalg.norm(head.axes[2])  # direction to the viewer in the head's frame
    throat = figure.torso.point([0.0, -figure.size.spine * 0.97, 0.0])
    joints = dict(zip(_FACE_JOINTS, head.point(_DIRECTIONS * _STAND_OUT * semi)))
    joints.update(neck=throat, head_top=head.point(np.array([0.0, -1.0, 0.0]) * semi))
    away = {name for name, far in zip(_FACE_JOINTS, _DIRECTIONS @ toward < _LEAST_NEARNESS) if far}
    from_behind = toward[2] < 0.1
    covered = {"left_ear", "right_ear"} if outfit.hair_length and from_behind else set()
    nearness = head.origin[2] + 0.02
    layers = [Layer(nearness, _head(pen, figure, outfit, toward, joints, away | covered))]
    neck = pen.limb(throat, head.origin - 0.2 * semi[2] * head.axes[:, 2], (0.034, 0.03), "head", shade(outfit.skin, 0.86))
    layers.append(Layer((throat[2] + head.origin[2]) / 2 - 0.01, [neck]))
    if outfit.hair_length:
        tips = head.origin + head.axes @ np.array([0.0, (0.5 + 0.9 * outfit.hair_length) * semi[1], -0.55 * semi[2]])
        top = head.origin + head.axes @ np.array([0.0, -0.1 * semi[1], -0.25 * semi[2]])
        mane = pen.limb(top, tips, (1.1 * semi[0], 0.95 * semi[0]), "head", shade(outfit.hair, 0.9))
        behind = min(nearness, figure.torso.origin[2]) - 0.06  # the trunk hides it from the front even if the head leans forward
        layers.append(Layer(nearness + 0.06 if from_behind else behind, [mane]))
    return layers, {name: pen.flat(point) for name, point in joints.items()}, away, covered


def _head(pen: Pen, figure: Figure, outfit: Outfit, toward: np.ndarray, joints: Dict[str, np.ndarray], unseen: Set[str]) -> List[Shape]:
    head, semi, skin = figure.head, figure.size.head, outfit.skin
    tall = semi[1]
    scalp = head.point(np.array([0.0, -0.16, -0.1]) * semi)
    shapes = [
        pen.ellipsoid(head.origin, head.axes * semi, "head", skin),
        pen.ellipsoid(scalp, head.axes * semi * np.array([1.09, 1.0, 1.05]), "head", outfit.hair),
    ]
    if toward[2] > -0.55:
        shapes.append(pen.solid(_face(head, semi, toward), "head", skin, edge=False))
    for side in SIDES:
        if f"{side}_ear" not in unseen:
            ear = joints[f"{side}_ear"]
            lobe = head.axes[:, 1] * 0.08 * tall
            shapes.append(pen.limb(ear - lobe, ear + lobe, (0.15 * tall, 0.11 * tall), "head", shade(skin, 0.93)))
    for side in SIDES:
        if f"{side}_eye" not in unseen:
            eye = joints[f"{side}_eye"]
            across = head.axes[:, 0] * 0.06 * tall
            shapes.append(pen.limb(eye - across, eye + across, (0.12 * tall,) * 2, "head", (250.0, 250.0, 250.0), edge=False))
            shapes.append(pen.limb(eye, eye, (0.1 * tall,) * 2, "head", (40.0, 30.0, 25.0), edge=False))
    if "nose" not in unseen:
        bridge = head.point(_BRIDGE * semi)
        shapes.append(pen.limb(bridge, joints["nose"], (0.06 * tall, 0.12 * tall), "head", shade(skin, 0.76), edge=False))
    if toward[2] > 0.15:
        left, right = head.point(_MOUTH * semi)
        shapes.append(pen.limb(left, right, (0.06 * tall,) * 2, "head", (60.0, 50.0, 150.0), edge=False))
    if outfit.hat:
        shapes.extend(_hat(pen, head, semi, outfit))
    return shapes


def _face(head: Frame, semi: np.ndarray, toward: np.ndarray) -> np.ndarray:
    """Return the rim of the bare part of the face, ``(24, 3)``; points behind the head's outline are moved onto it."""
    nearness = _RIM @ toward
    outline = _RIM - nearness[:, None] * toward
    outline /= np.linalg.norm(outline, axis=1, keepdims=True)
    return head.point(np.where(nearness[:, None] < 0, outline, _RIM) * semi)


def _hat(pen: Pen, head: Frame, semi: np.ndarray, outfit: Outfit) -> List[Shape]:
    crown = pen.solid(head.point(_DOME * semi), "head", outfit.trim)
    return [crown, pen.solid(head.point(_BRIM * semi), "head", shade(outfit.trim, 0.8))]
