"""Sampling of a person's appearance: skin, hair and clothes."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Tuple

import numpy as np

Color = Tuple[float, float, float]  # blue, green, red in 0..255

_SKIN = np.array([[196, 217, 246], [160, 190, 234], [125, 160, 215], [96, 134, 198], [66, 98, 160], [42, 64, 112], [34, 48, 84]], float)
_HAIR = np.array([[28, 24, 24], [30, 40, 60], [40, 66, 104], [86, 150, 200], [110, 180, 225], [44, 72, 150], [165, 165, 170]], float)
_PLAIN = np.array([[245, 245, 245], [190, 190, 190], [90, 90, 90], [32, 30, 30], [96, 62, 40], [130, 90, 60], [70, 100, 130]], float)


@dataclass(frozen=True)
class Outfit:
    """Colours and cuts. Lengths are fractions of a limb part, widths are factors on its thickness.

    Attributes:
        sleeve: covered length of the arm in limb parts: 0 for a bare arm, 1 down to the elbow, 2 down to the wrist.
        leg: covered length of the leg in limb parts: 1 down to the knee, 2 down to the ankle.
        skirt: length of a skirt as a fraction of the thigh; 0 for trousers.
        hair_length: 0 short, 1 down to the shoulders and below.
    """

    skin: Color
    hair: Color
    top: Color
    bottom: Color
    shoes: Color
    trim: Color
    sleeve: float
    sleeve_width: float
    leg: float
    leg_width: float
    skirt: float
    hair_length: float
    stripes: int
    hat: bool


def sample_outfit(rng: np.random.Generator) -> Outfit:
    skirt = rng.uniform(0.45, 0.85) if rng.random() < 0.2 else 0.0
    top = cloth(rng)
    return Outfit(
        skin=_between(rng, _SKIN),
        hair=_between(rng, _HAIR),
        top=top,
        bottom=top if skirt and rng.random() < 0.4 else cloth(rng),
        shoes=cloth(rng),
        trim=cloth(rng),
        sleeve=_covered(rng, rng.random() < 0.55) if rng.random() < 0.86 else 0.0,
        sleeve_width=rng.uniform(1.05, 1.35),
        leg=0.0 if skirt else _covered(rng, rng.random() < 0.28),
        leg_width=rng.uniform(1.05, 1.5),
        skirt=skirt,
        hair_length=rng.uniform(0.4, 1.0) if rng.random() < 0.4 else 0.0,
        stripes=int(rng.integers(2, 6)) if rng.random() < 0.2 else 0,
        hat=bool(rng.random() < 0.12),
    )


def _covered(rng: np.random.Generator, short: bool) -> float:
    return rng.uniform(0.35, 0.8) if short else rng.uniform(1.75, 1.96)


def cloth(rng: np.random.Generator) -> Color:
    """Return a colour of cloth: a plain tone or any hue."""
    if rng.random() < 0.35:
        return _shift(rng, _PLAIN[rng.integers(len(_PLAIN))], 12)
    return vivid(rng, (60, 230), (50, 240))


def vivid(rng: np.random.Generator, saturation: Tuple[int, int], value: Tuple[int, int]) -> Color:
    """Return any hue, with saturation and value within the given limits (0..255)."""
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation) / 255, rng.uniform(*value) / 255)
    return 255 * blue, 255 * green, 255 * red


def shade(color: Color, factor: float) -> Color:
    """Return the colour made darker (factor below 1) or lighter (above 1)."""
    blue, green, red = color
    return min(255.0, blue * factor), min(255.0, green * factor), min(255.0, red * factor)


def _between(rng: np.random.Generator, palette: np.ndarray) -> Color:
    place = rng.uniform(0, len(palette) - 1)
    low, part = int(place), place % 1.0
    return _shift(rng, (1 - part) * palette[low] + part * palette[low + 1], 8)


def _shift(rng: np.random.Generator, color: np.ndarray, amount: float) -> Color:
    return tuple(float(c) for c in np.clip(color + rng.uniform(-amount, amount, 3), 0, 255))
