"""Checks for necks that merge a pyramid of maps."""

from __future__ import annotations

from typing import Optional, Sequence

from mindpoint.contracts.features import FeatureSpec
from mindpoint.errors import ConfigError


def check_pyramid(neck: str, features: Sequence[FeatureSpec]) -> None:
    """Check that there are at least two maps and that strides double from map to map.

    Raises:
        ConfigError: they do not.
    """
    strides = [feature.stride for feature in features]
    if len(strides) < 2 or any(second != 2 * first for first, second in zip(strides, strides[1:])):
        raise ConfigError(f"{neck}: needs two or more maps whose strides double, such as 4, 8, 16; the backbone gives {strides}")


def merged_at_last(neck: str, features: Sequence[FeatureSpec], last_level: Optional[int], usual: int) -> int:
    """Return the number of maps in the last merge: those of strides below ``2 ** last_level``, or ``usual`` if it is None.

    Raises:
        ConfigError: ``last_level`` selects fewer than two maps, or more than exist.
    """
    finest = features[0].stride.bit_length() - 1
    least, most = finest + 2, finest + len(features)
    if last_level is None:
        return usual
    if not least <= last_level <= most:
        raise ConfigError(f"{neck}: last_level must be in {least}..{most}, got {last_level}")
    return last_level - finest
