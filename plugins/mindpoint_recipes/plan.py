"""Decide how to train, with a reason for each decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional, Sequence, Tuple

from mindpoint_coco.keypoints import side_pairs, unpaired

from mindpoint_recipes.survey import Survey

_WANTED = 56  # pixels; desired side of the median object in the network's input, 14 pixels of its output
_LEAST, _MOST, _STEP = 128, 512, 32  # pixels of the input's longer side; the networks halve it five times
_BATCH = 16
_ROOM = 1.75  # side of a training window relative to a large object
_WORTH = 0.7  # of the input's area; larger windows save too little time
_LEAST_TURN = 15  # degrees, standard deviation


@dataclass
class Plan:
    """The decisions for a configuration.

    Attributes:
        input_size: ``(height, width)`` in pixels.
        window: ``(height, width)`` of training windows at the same scale, smaller than the input; None: train on whole images.
        pairs: names of mirrored joints.
        flip: probability of mirroring an image.
        rotation: standard deviation of the angle in degrees.
        batch_size: images per step.
        reasons: a sentence for each decision.
    """

    input_size: Tuple[int, int]
    window: Optional[Tuple[int, int]]
    pairs: List[Tuple[str, str]]
    flip: float
    rotation: float
    batch_size: int
    reasons: List[str] = field(default_factory=list)


def make_plan(found: Survey, joints: Sequence[str], known: Optional[Sequence[Tuple[str, str]]] = None) -> Plan:
    """Return the plan for the surveyed images. ``known`` holds the mirrored pairs; if it is None, the joints' names decide."""
    reasons: List[str] = []
    size = _input_size(found, reasons)
    window = _window(found, size, reasons)
    pairs = side_pairs(joints) if known is None else list(known)
    flip = _flip(joints, pairs, known is not None, reasons)
    rotation = _rotation(found, bool(joints), reasons)
    batch = max(1, min(_BATCH, found.images))
    return Plan(size, window, pairs, flip, rotation, batch, reasons)


def _input_size(found: Survey, reasons: List[str]) -> Tuple[int, int]:
    wanted = _WANTED / max(found.median, 1e-3)
    longer = int(min(_MOST, max(_LEAST, _STEP * round(wanted / _STEP))))
    ratio = found.height / found.width
    sides = (min(1.0, ratio) * longer, min(1.0, 1 / ratio) * longer)
    height, width = (max(_STEP * 2, _STEP * -int(-side // _STEP)) for side in sides)
    seen = found.median * longer
    reasons.append(
        f"input {width} x {height}: the median object, {found.median:.0%} of the image's longer side, has a size of {seen:.0f} pixels there"
        + ("; this is small, so cut the images into tiles if few objects are detected" if seen < 0.6 * _WANTED else "")
    )
    return height, width


def _window(found: Survey, size: Tuple[int, int], reasons: List[str]) -> Optional[Tuple[int, int]]:
    """Return the size of windows with room around a large object and the input's aspect ratio; None if they save little."""
    share = _ROOM * found.large
    height, width = (max(_STEP * 2, _STEP * -int(-share * side // _STEP)) for side in size)
    if height * width > _WORTH * size[0] * size[1]:
        return None
    reasons.append(
        f"training on windows of {width} x {height} around the objects: "
        f"{size[0] * size[1] / height / width:.1f} times faster than whole images"
    )
    return height, width


def _flip(joints: Sequence[str], pairs: Sequence[Tuple[str, str]], known: bool, reasons: List[str]) -> float:
    if not joints:
        reasons.append("images are mirrored at random")
        return 0.5
    index = {name: place for place, name in enumerate(joints)}
    lone = unpaired(joints, [(index[a], index[b]) for a, b in pairs])
    numbered = not pairs and all(
        name.strip("_- ").lower().rstrip("0123456789") in ("", "joint", "kp", "keypoint", "point", "p") for name in joints
    )
    if not known and (lone or numbered):
        why = f"{', '.join(lone[:4])} should have a counterpart" if lone else "the joints' names do not distinguish left and right"
        reasons.append(f"images are not mirrored: {why}; name the pairs in keypoints.flip_pairs and set flip to 0.5")
        return 0.0
    said = ", ".join(f"{a}/{b}" for a, b in pairs[:4]) + (", ..." if len(pairs) > 4 else "")
    origin = "known for these joints" if known else "guessed from the names"
    reasons.append("images are mirrored at random; " + (f"pairs, {origin}: {said}" if pairs else "no joint is left or right"))
    return 0.5


def _rotation(found: Survey, joints: bool, reasons: List[str]) -> float:
    """Return a rotation of images as varied as that of the objects, to cover new photographs of this kind."""
    if not joints:
        return 0.0
    if not found.turn > _LEAST_TURN:
        reasons.append(f"images are rotated at random by about {_LEAST_TURN} degrees: the objects are upright, or too few to tell")
        return float(_LEAST_TURN)
    angle = 5 * round(found.turn / 5) if found.turn < 60 else 180
    reasons.append(f"images are rotated at random by about {angle} degrees, since the objects' directions vary by {found.turn:.0f}")
    return float(angle)
