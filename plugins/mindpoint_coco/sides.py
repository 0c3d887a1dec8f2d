"""Left and right in the names of joints."""

from __future__ import annotations

import re
from typing import List, Sequence, Tuple

_SIDES = (  # left in a name, and its replacement by right
    (r"left", "right"),
    (r"Left", "Right"),
    (r"LEFT", "RIGHT"),
    (r"左", "右"),
    (r"(?<![A-Za-z])l", "r"),
    (r"(?<![A-Za-z])L", "R"),
    (r"(?<=[a-z0-9])L(?![A-Za-z])", "R"),
)
_SIDED = re.compile(r"(?i:left|right)|[左右]|(?<![A-Za-z0-9])[lrLR](?![A-Za-z0-9])|(?<=[a-z0-9])[LR](?![A-Za-z])")


def side_pairs(names: Sequence[str]) -> List[Tuple[str, str]]:
    """Return the pairs of names that differ only in their side: ``left_eye`` and ``right_eye``, ``leftear`` and ``rightear``, ``l_hip``
    and ``r_hip``, ``EyeL`` and ``EyeR``, ``左眼`` and ``右眼``."""
    pairs, known = {}, set(names)
    for name in names:
        for left, right in _SIDES:
            other = re.sub(left, right, name, count=1)
            if other != name and other in known:
                pairs.setdefault(name, other)
    return list(pairs.items())


def unpaired(names: Sequence[str], pairs: Sequence[Tuple[int, int]]) -> List[str]:
    """Return the names with a side (``left_eye``, ``hip_r``, ``EyeL``, ``左眼``) whose indices are in no pair."""
    paired = {joint for pair in pairs for joint in pair}
    return [name for joint, name in enumerate(names) if joint not in paired and _SIDED.search(name)]
