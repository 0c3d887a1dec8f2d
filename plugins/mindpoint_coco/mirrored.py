"""Joints that change places in a mirror, guessed from their names."""

from __future__ import annotations

import re
from typing import List, Optional, Sequence, Tuple

_WORDS = (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT"))
_LETTERS = (("l", "r"), ("L", "R"))


def mirrored_pairs(names: Sequence[str]) -> List[Tuple[int, int]]:
    """Return the positions of each joint with a side and its partner, such as ``left_eye`` and ``right_eye``, ``l_hip`` and ``r_hip``,
    ``LHand`` and ``RHand``, ``eye.L`` and ``eye.R``."""
    place = {name: number for number, name in enumerate(names)}
    found = ((number, place.get(_other_side(name) or "")) for name, number in place.items())
    return [(number, other) for number, other in found if other is not None]


def _other_side(name: str) -> Optional[str]:
    """Return the name of the joint on the right that belongs to one on the left; None if the name has no left."""
    for left, right in _WORDS:
        if left in name:
            return name.replace(left, right, 1)
    for left, right in _LETTERS:
        changed = re.sub(rf"(?<![A-Za-z]){left}(?![a-z])|(?<=[a-z]){left}(?![A-Za-z])", right, name, count=1)
        if changed != name:
            return changed
    return None
