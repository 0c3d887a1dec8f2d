"""Sampling of lengths and thicknesses of a person's parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Proportions:
    """Lengths and half-widths (radii) in units of standing height."""

    head: np.ndarray  # semi-axes of the head's ellipsoid
    neck: float
    spine: float
    shoulder: float
    hip: float
    upper_arm: float
    forearm: float
    hand: float
    thigh: float
    shin: float
    foot: float
    build: float  # factor on all thicknesses


def sample_proportions(rng: np.random.Generator) -> Proportions:
    build = rng.uniform(0.9, 1.3)
    tall = rng.uniform(0.068, 0.084)  # larger than life, so that a face is visible at a few pixels
    return Proportions(
        head=np.array([tall * rng.uniform(0.74, 0.84), tall, tall * rng.uniform(0.82, 0.9)]),
        neck=rng.uniform(0.03, 0.05),
        spine=rng.uniform(0.265, 0.315),
        shoulder=rng.uniform(0.09, 0.118) * (0.75 + 0.25 * build),
        hip=rng.uniform(0.05, 0.066) * (0.7 + 0.3 * build),
        upper_arm=rng.uniform(0.148, 0.178),
        forearm=rng.uniform(0.13, 0.155),
        hand=rng.uniform(0.05, 0.065),
        thigh=rng.uniform(0.22, 0.255),
        shin=rng.uniform(0.215, 0.245),
        foot=rng.uniform(0.085, 0.11),
        build=build,
    )
