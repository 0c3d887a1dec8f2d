"""Joints of several classes, in the form of a section ``keypoints``: one set for all classes, or one for each."""

from __future__ import annotations

from collections import Counter
from typing import Dict, List, Optional, Sequence, Tuple

from mindpoint_coco.importers.form import Kind

Pairs = List[Tuple[str, str]]
"""Mirrored joints by name."""


def joint_sets_of(kinds: Sequence[Kind]) -> List[Kind]:
    """Return the sets of joints of a network. If all classes have the same joints, there is one set without a name; otherwise, each class
    with joints has a set."""
    jointed = [kind for kind in kinds if kind.joints]
    if not jointed or len(jointed) < len(kinds) or any(kind.joints != jointed[0].joints for kind in jointed):
        return jointed
    first = next((kind for kind in jointed if kind.pairs is not None), jointed[0])
    skeleton = next((kind.skeleton for kind in jointed if kind.skeleton), [])
    return [Kind("", first.joints, skeleton, first.pairs, next((kind.sigmas for kind in jointed if kind.sigmas), None))]


def is_numbered(names: Sequence[str]) -> bool:
    """Return whether all names are only numbers, such as 3, kp3 and joint3."""
    bare = (name.strip("_- ").lower().rstrip("0123456789").rstrip("_- ") for name in names)
    return all(name in ("", "joint", "kp", "keypoint", "point", "p") for name in bare)


def shared_joints(sets: Sequence[Kind], pairs: Sequence[Pairs]) -> List[str]:
    """Return the names of joints of several classes that can share an output of the network, because they have the same partner in mirrored
    images.

    Joints whose names are numbers are not shared, since a number means a different joint in each class.

    Args:
        pairs: mirrored pairs of each set.
    """
    counts = Counter(name for kind in sets for name in kind.joints)
    shared = [name for name, count in counts.items() if count > 1 and not is_numbered([name])]
    partners = [{**dict(some), **{second: first for first, second in some}} for some in pairs]
    while True:
        kept = [name for name in shared if _partner_agrees(name, sets, partners, shared)]
        if kept == shared:
            return shared
        shared = kept


def _partner_agrees(name: str, sets: Sequence[Kind], partners: Sequence[Dict[str, str]], shared: Sequence[str]) -> bool:
    found: List[Optional[str]] = [own.get(name) for kind, own in zip(sets, partners) if name in kind.joints]
    return len(set(found)) == 1 and (found[0] is None or found[0] in shared)
