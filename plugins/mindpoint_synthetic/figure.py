"""Sampling of a person: proportions, pose and positions of the joints in three dimensions.

Two frames are used. *Body*: x to the person's left, y down, z to the front, origin between the hips. *Camera*: x to the right
of the image, y down, z towards the viewer. They agree for a person who faces the camera, whose left is on the viewer's right.
Lengths are in units of the person's standing height.
"""

from __future__ import annotations

import bisect
import itertools
import math
from dataclasses import dataclass
from typing import Dict, Mapping, Sequence, Tuple

import numpy as np

from mindpoint_synthetic.proportions import Proportions, sample_proportions

# COCO's joints and, as pairs of names, COCO's lines between them.
JOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
SKELETON = (
    ("left_ankle", "left_knee"), ("left_knee", "left_hip"), ("right_ankle", "right_knee"), ("right_knee", "right_hip"),
    ("left_hip", "right_hip"), ("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"), ("left_shoulder", "right_shoulder"),
    ("left_shoulder", "left_elbow"), ("right_shoulder", "right_elbow"), ("left_elbow", "left_wrist"), ("right_elbow", "right_wrist"),
    ("left_eye", "right_eye"), ("nose", "left_eye"), ("nose", "right_eye"), ("left_eye", "left_ear"), ("right_eye", "right_ear"),
    ("left_ear", "left_shoulder"), ("right_ear", "right_shoulder"),
)  # fmt: skip
# Joints of other sets (LSP, MPII, CrowdPose), each with those next to it.
FURTHER = {"neck": ("left_shoulder", "right_shoulder", "nose"), "head_top": ("nose", "left_eye", "right_eye", "left_ear", "right_ear")}
ALL_JOINTS = (*JOINTS, *FURTHER)
# Frequencies of actions and directions, if all are allowed; some actions are clearer from the side. Tumbling people are drawn on request.
ACTIONS = {"stand": 0.26, "wide": 0.12, "walk": 0.22, "run": 0.09, "sit": 0.13, "crouch": 0.05, "bend": 0.07, "kick": 0.06, "tumble": 0.3}
USUAL = tuple(name for name in ACTIONS if name != "tumble")
FACINGS = {"front": 0.54, "side": 0.22, "back": 0.24}
ARMS = {"hang": 0.38, "hip": 0.13, "raise": 0.19, "stretch": 0.11, "reach": 0.1, "fold": 0.09, "lap": 0.0}
SIDES = {"left": 1.0, "right": -1.0}  # sign of the body frame's x


@dataclass(frozen=True)
class Frame:
    """A point of the body with three unit axes: columns to the person's left, down and to the front."""

    origin: np.ndarray
    axes: np.ndarray

    def point(self, offset: np.ndarray) -> np.ndarray:
        """Convert points ``(..., 3)`` of this frame to the frame of ``origin``."""
        return self.origin + np.asarray(offset) @ self.axes.T


@dataclass(frozen=True)
class Figure:
    """A posed person in the camera frame.

    Attributes:
        size: the proportions.
        points: the joints from shoulders to ankles by COCO name; further ``left_`` and ``right_`` ``hand`` (finger tips) and ``toe``.
        torso: frame at the middle of the hip line; ``torso.axes[:, 1]`` points down along the spine.
        head: frame at the middle of the head.
        seated: whether a seat is needed.
    """

    size: Proportions
    points: Dict[str, np.ndarray]
    torso: Frame
    head: Frame
    seated: bool


def sample_figure(
    rng: np.random.Generator,
    actions: Sequence[str] = USUAL,
    facings: Sequence[str] = tuple(FACINGS),
    arms: Sequence[str] = tuple(ARMS),
) -> Figure:
    """Sample a figure: proportions, and one each of the actions, viewing directions and postures of the arms; left and right alike."""
    size = sample_proportions(rng)
    action = _choice(rng, {name: ACTIONS[name] for name in actions})
    torso = _torso(rng, size, action)
    points: Dict[str, np.ndarray] = {}
    _legs(rng, size, action, points)
    _arms(rng, size, action, arms, torso, points)
    head = _head(rng, size, torso)
    camera = _camera(rng, action, facings)
    return Figure(
        size,
        {name: camera @ point for name, point in points.items()},
        Frame(camera @ torso.origin, camera @ torso.axes),
        Frame(camera @ head.origin, camera @ head.axes),
        action == "sit",
    )


def _direction(side: float, swing: float, spread: float) -> np.ndarray:
    """Return the direction of a hanging limb after lifting it ``swing`` degrees to the front and ``spread`` degrees to its side."""
    swing, spread = math.radians(swing), math.radians(spread)
    return np.array([side * math.sin(spread), math.cos(swing) * math.cos(spread), math.sin(swing) * math.cos(spread)])


def _axes(up: np.ndarray, turn: float) -> np.ndarray:
    """Return the axes of a trunk or head with its top towards ``up``, turned by ``turn`` degrees to its left."""
    x, y, z = up / math.sqrt(up @ up)
    turn = math.radians(turn)
    down = np.array([-x, -y, -z])
    left = np.array([math.cos(turn), 0.0, -math.sin(turn)])
    left -= (left @ down) * down
    a, b, c = left = left / math.sqrt(left @ left)
    front = np.array([y * c - z * b, z * a - x * c, x * b - y * a])
    return np.stack([left, down, front], axis=1)


def _choice(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    """Return one of the names, with a probability proportional to its share. This is several times faster than ``rng.choice``."""
    limits = list(itertools.accumulate(shares.values()))
    return list(shares)[min(bisect.bisect(limits, rng.random() * limits[-1]), len(shares) - 1)]


def _among(names: Sequence[str], shares: Mapping[str, float]) -> Mapping[str, float]:
    """Return the shares of these names; equal shares if all are 0."""
    chosen = {name: shares.get(name, 0.0) for name in names}
    return chosen if sum(chosen.values()) > 0 else dict.fromkeys(names, 1.0)


def _torso(rng: np.random.Generator, size: Proportions, action: str) -> Frame:
    low, high = {"bend": (35, 80), "crouch": (15, 45), "run": (5, 22), "sit": (-15, 22), "tumble": (-40, 95)}.get(action, (-6, 10))
    lean, roll = np.radians(rng.uniform(low, high)), np.radians(rng.normal(0, 25 if action == "tumble" else 5))
    up = np.array([np.sin(roll), -np.cos(lean) * np.cos(roll), np.sin(lean) * np.cos(roll)])
    return Frame(np.zeros(3), _axes(up, rng.normal(0, 8)))


def _head(rng: np.random.Generator, size: Proportions, torso: Frame) -> Frame:
    up = -torso.axes[:, 1]
    upright = 0.45 * up + np.array([rng.normal(0, 0.08), -0.55, rng.uniform(-0.03, 0.14)])
    axes = _axes(upright, np.clip(rng.normal(0, 20), -40, 40))
    throat = torso.origin + up * (size.spine + size.neck)
    return Frame(throat - axes[:, 1] * size.head[1] * 0.88 + axes[:, 2] * 0.012, axes)


def _legs(rng: np.random.Generator, size: Proportions, action: str, points: Dict[str, np.ndarray]) -> None:
    stride = rng.uniform(12, 34) if action == "walk" else rng.uniform(25, 50)
    ahead = "left" if rng.random() < 0.5 else "right"
    sitting = rng.uniform(70, 92), rng.uniform(65, 98)
    crouching = rng.uniform(50, 95), rng.uniform(80, 120)
    spread_both = rng.uniform(8, 24)
    for side, sign in SIDES.items():
        first = side == ahead
        swing, spread, bend = rng.normal(0, 3), rng.uniform(1, 7), rng.uniform(0, 6)
        if action == "wide":
            spread = spread_both
        elif action == "walk":
            swing, bend = (stride, rng.uniform(4, 20)) if first else (-0.8 * stride, rng.uniform(8, 45))
        elif action == "run":
            swing, bend = (stride, rng.uniform(30, 80)) if first else (-0.6 * stride, rng.uniform(20, 80))
        elif action == "sit":
            swing, spread, bend = sitting[0] + rng.normal(0, 4), rng.uniform(1, 16), sitting[1] + rng.normal(0, 8)
        elif action == "crouch":
            swing, spread, bend = crouching[0] + rng.normal(0, 8), rng.uniform(4, 25), crouching[1] + rng.normal(0, 8)
        elif action == "kick" and first:
            swing, spread, bend = rng.uniform(5, 85), rng.uniform(0, 30), rng.uniform(0, 80)
        elif action == "tumble":
            swing, spread, bend = rng.uniform(-40, 110), rng.uniform(-5, 75), 130 * rng.random() ** 1.5
        hip = np.array([sign * size.hip, 0.0, 0.0])
        knee = hip + _direction(sign, swing, spread) * size.thigh
        ankle = knee + _direction(sign, swing - bend, spread * 0.8) * size.shin
        lift = np.clip(swing - bend, -70, 30)  # the foot follows the shin in part
        toe = ankle + _direction(sign, 78 + 0.6 * lift, rng.uniform(2, 16)) * size.foot
        points.update({f"{side}_hip": hip, f"{side}_knee": knee, f"{side}_ankle": ankle, f"{side}_toe": toe})


def _arms(
    rng: np.random.Generator, size: Proportions, action: str, arms: Sequence[str], torso: Frame, points: Dict[str, np.ndarray]
) -> None:
    both = _arm_angles(rng, action, arms)
    alike = rng.random() < 0.45
    swing = rng.uniform(-32, 32)
    for side, sign in SIDES.items():
        upper, lower = both if alike else _arm_angles(rng, action, arms)
        if action in ("walk", "run") and rng.random() < 0.7:
            upper, lower = (sign * swing, rng.uniform(3, 14)), (sign * swing + rng.uniform(12, 75), rng.uniform(-14, 8))
        shoulder = torso.point(np.array([sign * size.shoulder, -0.94 * size.spine, 0.0]))
        elbow = shoulder + _direction(sign, *upper) * size.upper_arm
        along = _direction(sign, *lower)
        wrist = elbow + along * size.forearm
        points.update(
            {f"{side}_shoulder": shoulder, f"{side}_elbow": elbow, f"{side}_wrist": wrist, f"{side}_hand": wrist + along * size.hand}
        )


def _arm_angles(rng: np.random.Generator, action: str, arms: Sequence[str]) -> Tuple[Tuple[float, float], Tuple[float, float]]:
    """Return (swing, spread) in degrees of upper arm and forearm."""
    special = {"sit": [0.2, 0.1, 0.12, 0.06, 0.12, 0.1, 0.3], "bend": [0.4, 0.08, 0.05, 0.1, 0.3, 0.07, 0.0]}
    if action == "tumble":
        swing, spread = rng.uniform(-50, 180), rng.uniform(-10, 90)
        return (swing, spread), (swing + 130 * rng.random() ** 1.5, spread + rng.uniform(-50, 25))
    kind = _choice(rng, _among(arms, dict(zip(ARMS, special[action])) if action in special else ARMS))
    a, b, c = rng.random(3)
    if kind == "hang":
        return (24 * a - 12, 5 + 16 * b), (30 * c + 12 * a - 6, 12 * b - 4)
    if kind == "hip":
        return (-30 * a, 38 + 20 * b), (10, -48 - 14 * c)
    if kind == "raise":
        return (16 * a - 8, 105 + 65 * b), (10 * a - 5, 110 + 65 * b + 70 * (c - 0.45))
    if kind == "stretch":
        return (16 * a - 8, 62 + 38 * b), (10 * a, 62 + 38 * b + 100 * (c - 0.3))
    if kind == "reach":
        return (45 + 55 * a, 2 + 22 * b), (45 + 55 * a + 50 * c, 12 * b - 6)
    if kind == "fold":
        return (30 * a - 5, 6 + 20 * b), (70 + 35 * c, -22 - 40 * b)
    return (12 + 25 * a, 4 + 14 * b), (50 + 30 * c, -12 + 20 * b)


def _camera(rng: np.random.Generator, action: str, facings: Sequence[str]) -> np.ndarray:
    """Return the rotation from the body to the camera frame: facing direction, a slightly raised camera, a slight roll."""
    special = {"sit": {"front": 0.58, "side": 0.42}, "bend": {"front": 0.2, "side": 0.62, "back": 0.18},
               "crouch": {"front": 0.35, "side": 0.45, "back": 0.2}}  # fmt: skip
    shares = special.get(action, FACINGS)
    facing = _choice(rng, _among(facings, shares))
    side = 1.0 if rng.random() < 0.5 else -1.0
    turn = np.radians({"front": rng.normal(0, 28), "side": side * rng.normal(80, 16), "back": rng.normal(180, 28)}[facing])
    pitch, roll = np.radians(rng.uniform(0, 16)), np.radians(rng.normal(0, 4))
    if action == "tumble":
        roll = np.radians(rng.uniform(-180, 180) if rng.random() < 0.5 else rng.normal(0, 30))
    yaw_matrix = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    pitch_matrix = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    roll_matrix = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return roll_matrix @ pitch_matrix @ yaw_matrix
