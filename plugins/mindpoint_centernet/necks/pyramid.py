"""What necks that merge a pyramid of maps demand of their input."""

from __future__ import annotations

from typing import Sequence

from mindpoint.contracts.features import FeatureSpec
from mindpoint.errors import ConfigError


def check_pyramid(neck: str, features: Sequence[FeatureSpec]) -> None:
    """
    Raises:
        ConfigError: fewer than two maps, or strides that do not double from map to map.
    """
    strides = [feature.stride for feature in features]
    if len(strides) < 2 or any(second != 2 * first for first, second in zip(strides, strides[1:])):
        raise ConfigError(f"{neck}: it merges two or more maps whose strides double, such as 4, 8, 16; the backbone gives {strides}")
