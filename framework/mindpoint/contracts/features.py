"""The shape of a feature map, known before any map is computed."""

from __future__ import annotations

from typing import NamedTuple


class FeatureSpec(NamedTuple):
    """Shape of one feature map, relative to the network's input.

    Attributes:
        channels: number of channels.
        stride: input pixels per map pixel, in both directions.
    """

    channels: int
    stride: int
