"""The joints of a category record: names, and the skeleton, pairs of numbers from 1."""

from __future__ import annotations

from typing import Any, Iterator, List, Tuple

from mindpoint_coco.datasets.rules import few


def joint_problems(record: dict) -> Iterator[Tuple[str, str]]:
    """Yield kind and text of the problems of a category's joints; a category without joints is valid."""
    names, skeleton = record.get("keypoints"), record.get("skeleton")
    if names is None:
        return
    if not isinstance(names, list):
        yield "joint names", f"'keypoints' is {_short(names)}, not a list of names; its joints are not checked"
        return
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        yield "joint names", f"'keypoints' holds {_short(wrong[0])}, not a name"
    repeated = [name for place, name in enumerate(names) if name in names[:place]]
    if repeated:
        yield "joint names", f"'keypoints' holds {_short(repeated[0])} more than once"
    if not skeleton:
        return
    if not isinstance(skeleton, list):
        yield "skeleton", f"'skeleton' is {_short(skeleton)}, not a list of pairs"
        return
    lost = [pair for pair in skeleton if not _is_line(pair, len(names))]
    if lost:
        hint = "; does it count from 0?" if any(isinstance(pair, list) and 0 in pair for pair in lost) else ""
        pairs = few([_short(pair) for pair in lost], 3)
        yield "skeleton", f"'skeleton' must hold pairs of two different numbers of joints, 1 to {len(names)}, not {pairs}{hint}"


def lines_of(record: dict) -> List[Tuple[int, int]]:
    """Return the skeleton as pairs of numbers from 0; empty if anything is wrong with it."""
    skeleton = record.get("skeleton")
    if not isinstance(skeleton, list) or not all(_is_line(pair, len(record["keypoints"])) for pair in skeleton):
        return []
    return [(first - 1, second - 1) for first, second in skeleton]


def distinct(names: List[Any]) -> List[str]:
    """Return the names as texts; a repeated one gets its position appended."""
    texts = list(map(str, names))
    return [f"{name} ({place})" if name in texts[:place] else name for place, name in enumerate(texts)]


def _is_line(pair: Any, joints: int) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and all(type(joint) is int and 1 <= joint <= joints for joint in pair)
        and pair[0] != pair[1]
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."
