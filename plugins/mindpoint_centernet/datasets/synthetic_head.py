"""Head, hair and face. From the front there is a face, from behind there is hair: this tells a person's left from right."""

from __future__ import annotations

from typing import Dict, List, Set, Tuple

import numpy as np

from mindpoint_centernet.datasets.synthetic_figure import SIDES, Figure, Frame
from mindpoint_centernet.datasets.synthetic_outfit import Outfit, shade
from mindpoint_centernet.datasets.synthetic_shapes import Layer, Pen, Shape

# Directions on the head in degrees: to the left, up. And how far the feature stands out from the ellipsoid.
_NOSE = (0, -12, 1.1)
_EYE = (25, 7, 0.98)
_EAR = (93, -4, 1.02)
_MOUTH = (17, -44, 0.98)


def head_layers(pen: Pen, figure: Figure, outfit: Outfit) -> Tuple[List[Layer], Dict[str, np.ndarray], Set[str], Set[str]]:
    """Head and neck.

    Returns:
        layers; the pixel ``(2,)`` of each joint of the face; the joints on the far side of the head; the joints under hair.
    """
    head, semi = figure.head, figure.size.head
    toward = head.axes[2] / np.linalg.norm(head.axes[2])  # direction to the viewer in the head's frame
    joints, away, covered = {"nose": _surface(head, semi, *_NOSE)}, set(), set()
    if _direction(*_NOSE[:2]) @ toward < -0.12:
        away.add("nose")
    for side, sign in SIDES.items():
        for name, (turn, up, out), least in (("eye", _EYE, 0.12), ("ear", _EAR, -0.3)):
            joints[f"{side}_{name}"] = _surface(head, semi, sign * turn, up, out)
            if _direction(sign * turn, up) @ toward < least:
                away.add(f"{side}_{name}")
    from_behind = toward[2] < 0.1
    if outfit.hair_length and from_behind:
        covered = {"left_ear", "right_ear"}
    nearness = head.origin[2] + 0.02
    layers = [Layer(nearness, _head(pen, figure, outfit, toward, joints, away | covered))]
    throat = figure.torso.point([0.0, -figure.size.spine * 0.97, 0.0])
    neck = pen.limb(throat, head.origin - 0.2 * semi[2] * head.axes[:, 2], (0.034, 0.03), "head", shade(outfit.skin, 0.86))
    layers.append(Layer((throat[2] + head.origin[2]) / 2 - 0.01, [neck]))
    if outfit.hair_length:
        tips = head.origin + head.axes @ np.array([0.0, (0.5 + 0.9 * outfit.hair_length) * semi[1], -0.55 * semi[2]])
        top = head.origin + head.axes @ np.array([0.0, -0.1 * semi[1], -0.25 * semi[2]])
        mane = pen.limb(top, tips, (1.1 * semi[0], 0.95 * semi[0]), "head", shade(outfit.hair, 0.9))
        behind = min(nearness, figure.torso.origin[2]) - 0.06  # the trunk hides it from the front even if the head leans forward
        layers.append(Layer(nearness + 0.06 if from_behind else behind, [mane]))
    return layers, {name: pen.flat(point) for name, point in joints.items()}, away, covered


def _direction(turn: float, up: float) -> np.ndarray:
    turn, up = np.radians(turn), np.radians(up)
    return np.array([np.sin(turn) * np.cos(up), -np.sin(up), np.cos(turn) * np.cos(up)])


def _surface(head: Frame, semi: np.ndarray, turn: float, up: float, out: float = 1.0) -> np.ndarray:
    return head.point(_direction(turn, up) * semi * out)


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
        bridge = _surface(head, semi, 0, 6)
        shapes.append(pen.limb(bridge, joints["nose"], (0.06 * tall, 0.12 * tall), "head", shade(skin, 0.76), edge=False))
    if toward[2] > 0.15:
        left, right = (_surface(head, semi, sign * _MOUTH[0], *_MOUTH[1:]) for sign in SIDES.values())
        shapes.append(pen.limb(left, right, (0.06 * tall,) * 2, "head", (60.0, 50.0, 150.0), edge=False))
    if outfit.hat:
        shapes.extend(_hat(pen, head, semi, outfit))
    return shapes


def _face(head: Frame, semi: np.ndarray, toward: np.ndarray) -> np.ndarray:
    """``(24, 3)`` the rim of the bare part of the face; what lies behind the head's outline is moved onto the outline."""
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    rim = _direction(64 * np.cos(around), -32 + 56 * np.sin(around)).T
    nearness = rim @ toward
    outline = rim - nearness[:, None] * toward
    outline /= np.linalg.norm(outline, axis=1, keepdims=True)
    return head.point(np.where(nearness[:, None] < 0, outline, rim) * semi)


def _hat(pen: Pen, head: Frame, semi: np.ndarray, outfit: Outfit) -> List[Shape]:
    around = np.arange(0, 360, 30)
    dome = np.concatenate([_direction(around, np.full(12, up)).T for up in (24.0, 58.0)] + [_direction(0, 90)[None]])
    crown = pen.solid(head.point(dome * semi * 1.16), "head", outfit.trim)
    rim = np.stack([_surface(head, semi, turn, 24, out) for turn, out in ((-60, 1.16), (-22, 1.6), (22, 1.6), (60, 1.16))])
    return [crown, pen.solid(rim, "head", shade(outfit.trim, 0.8))]
