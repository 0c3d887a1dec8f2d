"""Drawn things: each a few filled outlines in a unit square, with random proportions and colours."""

from __future__ import annotations

import colorsys
from typing import Callable, Dict, List, NamedTuple, Tuple

import cv2
import numpy as np

from mindpoint_synthetic.outfit import Color, shade, vivid
from mindpoint_synthetic.shapes import SHIFT

_TURN = np.exp(2j * np.pi * np.arange(32) / 32)


class Fill(NamedTuple):
    """Outlines filled with a colour, complex x + iy (y down); overlaps of two outlines are holes."""

    outlines: List[np.ndarray]
    color: Color


class Thing(NamedTuple):
    """A thing in an image; outlines in 1/16 pixel ``(K, 1, 2)`` int32, farthest first."""

    label: int
    fills: List[Tuple[List[np.ndarray], Color]]

    def paint(self, image: np.ndarray) -> None:
        """Paint onto a BGR image."""
        for outlines, color in self.fills:
            cv2.fillPoly(image, outlines, color, cv2.LINE_AA, SHIFT)

    def mark(self, labels: np.ndarray, number: int) -> None:
        """Draw the thing on a label map ``(H, W)``, int16, with value ``number``."""
        for outlines, _ in self.fills:
            cv2.fillPoly(labels, outlines, number, cv2.LINE_8, SHIFT)

    def extent(self) -> np.ndarray:
        """Return left, top, right, bottom in pixels."""
        points = np.concatenate([outline for outlines, _ in self.fills for outline in outlines]).reshape(-1, 2) / (1 << SHIFT)
        return np.concatenate([points.min(axis=0), points.max(axis=0)])


def thing(rng: np.random.Generator, label: int, name: str, length: float, center: complex) -> Thing:
    """Return a thing of a kind in :data:`THINGS`, about ``length`` pixels long, in a random pose."""
    kind = THINGS[name]
    fills = kind.make(rng)
    angle = np.exp(1j * np.radians(rng.uniform(-kind.tilt, kind.tilt)))
    stretch, side = rng.uniform(0.85, 1.0), rng.choice([-1, 1])

    def place(outline: np.ndarray) -> np.ndarray:
        placed = center + length * angle * (side * stretch * outline.real + 1j * outline.imag)
        return np.rint(np.stack([placed.real, placed.imag], axis=-1) * (1 << SHIFT)).astype(np.int32)[:, None]

    return Thing(label, [([place(outline) for outline in fill.outlines], fill.color) for fill in fills])


def _round(radius: float, center: complex = 0, squeeze: float = 1.0) -> np.ndarray:
    return center + radius * (_TURN.real + 1j * squeeze * _TURN.imag)


def _rect(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([left + 1j * top, right + 1j * top, right + 1j * bottom, left + 1j * bottom])


def _points(*corners: complex) -> np.ndarray:
    return np.array(corners, complex)


def _bar(start: complex, end: complex, half: float) -> np.ndarray:
    across = 1j * half * (end - start) / abs(end - start)
    return np.array([start + across, end + across, end - across, start - across])


def _hue(rng: np.random.Generator, low: float, high: float, saturation: Tuple[float, float], value: Tuple[float, float]) -> Color:
    """Return a random colour: hue in ``low .. high`` degrees, saturation and value (0..1) within their limits."""
    red, green, blue = colorsys.hsv_to_rgb(rng.uniform(low, high) / 360 % 1, rng.uniform(*saturation), rng.uniform(*value))
    return 255 * blue, 255 * green, 255 * red


def _bright(rng: np.random.Generator) -> Color:
    return vivid(rng, (130, 240), (120, 245))


def _pale(rng: np.random.Generator) -> Color:
    return _hue(rng, 20, 60, (0.0, 0.15), (0.85, 1.0))


def _ball(rng: np.random.Generator) -> List[Fill]:
    count = int(rng.integers(4, 9))
    base, other = _bright(rng), _pale(rng)
    ways = np.exp(1j * (rng.uniform(0, 6.3) + np.linspace(0, 2 * np.pi, 2 * count + 1)))
    hub = rng.uniform(-0.15, 0.15) + 1j * rng.uniform(-0.15, 0.15)
    segments = []
    for start in range(0, 2 * count, 2):
        arc = np.linspace(np.angle(ways[start]), np.angle(ways[start]) + np.pi / count, 6)
        segments.append(Fill([np.concatenate([[hub], 0.49 * np.exp(1j * arc)])], other))
    return [Fill([_round(0.5)], base), *segments, Fill([_round(0.07, hub)], shade(base, 0.6))]


def _book(rng: np.random.Generator) -> List[Fill]:
    wide, cover, trim = rng.uniform(0.3, 0.4), _bright(rng), _pale(rng)
    fills = [Fill([_rect(-wide, -0.5, wide, 0.5)], cover), Fill([_rect(wide - 0.07, -0.47, wide - 0.01, 0.47)], trim)]
    fills.append(Fill([_rect(-wide, -0.5, -wide + 0.1, 0.5)], shade(cover, 0.6)))
    for row in range(rng.integers(1, 4)):
        fills.append(Fill([_rect(-wide + 0.17, -0.35 + 0.12 * row, wide - 0.15, -0.29 + 0.12 * row)], trim))
    return fills


def _bottle(rng: np.random.Generator) -> List[Fill]:
    wide, neck, shoulder = rng.uniform(0.13, 0.19), rng.uniform(0.045, 0.07), rng.uniform(-0.2, -0.05)
    glass = _hue(rng, 80, 220, (0.4, 0.9), (0.3, 0.75))
    right = _points(neck - 0.5j, neck + 1j * (shoulder - 0.12), wide + 1j * shoulder, wide + 0.47j, wide - 0.03 + 0.5j)
    label = _rect(-wide, shoulder + 0.1, wide, shoulder + rng.uniform(0.25, 0.4))
    return [
        Fill([np.concatenate([right, -right[::-1].conj()])], glass),
        Fill([_rect(-0.6 * wide, shoulder + 0.02, -0.3 * wide, 0.45)], shade(glass, 1.5)),
        Fill([label], _pale(rng)),
        Fill([_rect(-neck - 0.015, -0.5, neck + 0.015, -0.42)], _bright(rng)),
    ]


def _clock(rng: np.random.Generator) -> List[Fill]:
    rim, hands = _bright(rng), (30.0, 30.0, 30.0)
    fills = [Fill([_round(0.5)], rim), Fill([_round(rng.uniform(0.38, 0.43))], _pale(rng))]
    ticks = np.exp(2j * np.pi * np.arange(12) / 12)
    fills += [Fill([_bar(0.29 * tick, 0.36 * tick, 0.015)], hands) for tick in ticks]
    for length, half in ((0.19, 0.03), (0.28, 0.022)):
        fills.append(Fill([_bar(0j, length * np.exp(2j * np.pi * rng.random()), half)], hands))
    return fills


def _fish(rng: np.random.Generator) -> List[Fill]:
    tall, body = rng.uniform(0.17, 0.25), _hue(rng, 0, 40, (0.7, 1.0), (0.75, 1.0))
    if rng.random() < 0.4:
        body = _hue(rng, 190, 240, (0.5, 0.9), (0.5, 0.95))
    fin = shade(body, 0.7)
    fills = [
        Fill([_points(0.2, 0.5 - 0.2j, 0.42, 0.5 + 0.2j)], fin),
        Fill([_points(-0.15 - 0.8j * tall, 0.05 - 1j * tall - 0.1j, 0.18 - 0.5j * tall)], fin),
        Fill([_round(0.38, -0.12, tall / 0.38)], body),
    ]
    for place in np.linspace(-0.15, 0.1, int(rng.integers(1, 4))):
        half = 0.8 * tall * np.sqrt(1 - ((place + 0.12) / 0.38) ** 2)
        fills.append(Fill([_bar(place - 1j * half, place + 1j * half, 0.025)], _pale(rng)))
    return fills + [Fill([_round(0.045, -0.34 - 0.05j)], (245.0,) * 3), Fill([_round(0.022, -0.345 - 0.05j)], (15.0,) * 3)]


def _key(rng: np.random.Generator) -> List[Fill]:
    metal = _hue(rng, 35, 55, (0.1, 0.7), (0.55, 0.9))
    bow = rng.uniform(0.15, 0.2)
    fills = [Fill([_bar(-0.5 + 2 * bow - 0.01, 0.5, 0.045)], metal)]
    for place in 0.44 - 0.1 * np.arange(rng.integers(2, 4)):
        fills.append(Fill([_rect(place - 0.03, 0, place + 0.03, rng.uniform(0.1, 0.17))], metal))
    return fills + [Fill([_round(bow, bow - 0.5), _round(0.55 * bow, bow - 0.5)], shade(metal, 0.9))]


def _leaf(rng: np.random.Generator) -> List[Fill]:
    wide, color = rng.uniform(0.17, 0.27), _hue(rng, 25, 130, (0.5, 0.9), (0.35, 0.8))
    along = np.linspace(-0.5, 0.36, 14)
    half = wide * np.sin(np.pi * ((along + 0.5) / 0.86) ** 0.8) * (1 + 0.12 * (np.arange(14) % 2))
    vein = shade(color, 0.6)
    fills = [Fill([_bar(0.3j, 0.5j, 0.022)], vein), Fill([np.concatenate([half + 1j * along, (-half + 1j * along)[::-1]])], color)]
    fills.append(Fill([_bar(-0.45j, 0.36j, 0.015)], vein))
    for place in np.linspace(-0.2, 0.2, int(rng.integers(2, 5))):
        fills += [Fill([_bar(1j * place, 1j * place + 0.65 * wide * side - 0.1j, 0.011)], vein) for side in (-1, 1)]
    return fills


def _mug(rng: np.random.Generator) -> List[Fill]:
    wide, foot, color = rng.uniform(0.27, 0.34), rng.uniform(0.8, 1.0), _bright(rng)
    inner = shade(color, 0.5)
    handle = [_round(0.2, wide + 0.02j, 1.2), _round(0.11, wide + 0.02j, 1.2)]
    body = _points(-wide - 0.38j, wide - 0.38j, foot * wide + 0.42j, -foot * wide + 0.42j)
    fills = [Fill(handle, shade(color, 0.8)), Fill([body], color)]
    if rng.random() < 0.7:
        top = rng.uniform(-0.2, 0.1)
        fills.append(Fill([_rect(-0.97 * foot * wide, top, 0.97 * foot * wide, top + rng.uniform(0.06, 0.2))], _pale(rng)))
    return fills + [Fill([_round(wide, -0.38j, 0.25)], shade(color, 1.3)), Fill([_round(0.87 * wide, -0.37j, 0.22)], inner)]


def _star(rng: np.random.Generator) -> List[Fill]:
    color = _hue(rng, -10, 58, (0.7, 1.0), (0.8, 1.0))
    tips = 0.5 * np.exp(2j * np.pi * (np.arange(10) / 10 - 0.25))
    tips[1::2] *= rng.uniform(0.42, 0.55)
    facets = [Fill([np.array([0, tips[k], tips[k + 1]])], shade(color, 0.75)) for k in range(0, 10, 2)]
    return [Fill([tips], color), *facets]


def _umbrella(rng: np.random.Generator) -> List[Fill]:
    first, second, count = _bright(rng), _bright(rng), 2 * int(rng.integers(2, 4)) + 1
    rise, stick = rng.uniform(0.75, 1.0), _hue(rng, 15, 40, (0.3, 0.7), (0.2, 0.5))
    edge = -0.05j + 0.5 * np.cos(np.linspace(np.pi, 0, 4 * count + 1)) - 0.45j * rise * np.sin(np.linspace(0, np.pi, 4 * count + 1))
    ribs = np.linspace(-0.5, 0.5, count + 1) - 0.05j
    fills = [Fill([_bar(-0.4j, 0.42j, 0.02)], stick), Fill([_bar(0.42j, 0.14 + 0.46j, 0.025)], stick), Fill([edge], first)]
    for number in range(0, count, 2):
        low, high = ribs[number], ribs[number + 1]
        fills.append(Fill([_points(low, -0.05j - 0.45j * rise, high, (low + high) / 2 - 0.04j)], second))
    return fills


class Kind(NamedTuple):
    """A class of things: constructor, maximum tilt to either side in degrees, and relative length."""

    make: Callable[[np.random.Generator], List[Fill]]
    tilt: float
    size: float


THINGS: Dict[str, Kind] = {
    "ball": Kind(_ball, 180, 0.9),
    "book": Kind(_book, 180, 1.1),
    "bottle": Kind(_bottle, 40, 1.1),
    "clock": Kind(_clock, 15, 1.1),
    "fish": Kind(_fish, 30, 1.0),
    "key": Kind(_key, 180, 0.95),
    "leaf": Kind(_leaf, 180, 1.0),
    "mug": Kind(_mug, 20, 0.9),
    "star": Kind(_star, 180, 0.8),
    "umbrella": Kind(_umbrella, 30, 1.3),
}
