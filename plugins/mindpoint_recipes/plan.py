"""Decide how to train, with a reason for each decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional, Sequence, Tuple

from mindpoint_coco.importers.class_joints import Pairs, is_numbered
from mindpoint_coco.importers.form import Kind
from mindpoint_coco.sides import side_pairs, unpaired

from mindpoint_recipes.survey import Survey

_WANTED = 56  # pixels; desired side of the median object in the network's input, 14 pixels of its output
_LEAST, _MOST, _STEP = 128, 512, 32  # pixels of the input's longer side; the networks halve it five times
_BATCH = 16
_ROOM = 1.75  # side of a training window relative to a large object
_WORTH = 0.7  # largest area of a window relative to the input; larger windows save too little time
_LEAST_TURN = 15  # degrees, standard deviation


@dataclass
class Plan:
    """The decisions for a configuration.

    Attributes:
        input_size: ``(height, width)`` in pixels.
        window: ``(height, width)`` of training windows at the same scale, smaller than the input; None: train on whole images.
        pairs: names of mirrored joints, for each set of joints.
        flip: probability of mirroring an image.
        rotation: standard deviation of the angle in degrees.
        batch_size: images per step.
        reasons: a sentence for each decision.
    """

    input_size: Tuple[int, int]
    window: Optional[Tuple[int, int]]
    pairs: List[Pairs]
    flip: float
    rotation: float
    batch_size: int
    reasons: List[str] = field(default_factory=list)


def make_plan(found: Survey, sets: Sequence[Kind]) -> Plan:
    """Return the plan for the surveyed images with these sets of joints. Mirrored pairs that are not known are derived from names."""
    reasons: List[str] = []
    size = _input_size(found, reasons)
    window = _window(found, size, reasons)
    pairs = [_pairs(kind) for kind in sets]
    flip = _flip(sets, pairs, reasons)
    rotation = _rotation(found, bool(sets), reasons)
    batch = max(1, min(_BATCH, found.images))
    return Plan(size, window, pairs, flip, rotation, batch, reasons)


def _pairs(kind: Kind) -> Pairs:
    if kind.pairs is None:
        return side_pairs(kind.joints)
    return [(kind.joints[first], kind.joints[second]) for first, second in kind.pairs]


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
    """Return the size of windows with the input's aspect ratio and room around a large object; None if they save little time."""
    share = _ROOM * found.large
    height, width = (max(_STEP * 2, _STEP * -int(-share * side // _STEP)) for side in size)
    if height * width > _WORTH * size[0] * size[1]:
        return None
    reasons.append(
        f"training on windows of {width} x {height} around the objects: "
        f"{size[0] * size[1] / height / width:.1f} times faster than whole images"
    )
    return height, width


def _flip(sets: Sequence[Kind], pairs: Sequence[Pairs], reasons: List[str]) -> float:
    if not sets:
        reasons.append("images are mirrored at random")
        return 0.5
    for kind, some in zip(sets, pairs):
        why = _unclear(kind, some)
        if why:
            where = f"keypoints.classes.{kind.name}.flip_pairs" if kind.name else "keypoints.flip_pairs"
            reasons.append(f"images are not mirrored: {why}; name the pairs in {where} and set flip to 0.5")
            return 0.0
    said = [_said(kind, some) for kind, some in zip(sets, pairs) if some]
    reasons.append("images are mirrored at random; " + ("; ".join(said) or "no joint is left or right"))
    return 0.5


def _unclear(kind: Kind, pairs: Pairs) -> str:
    """Return the reason why the mirrored joints are not known; an empty text if they are."""
    if kind.pairs is not None:
        return ""
    index, of = {name: place for place, name in enumerate(kind.joints)}, f" of {kind.name}" if kind.name else ""
    lone = unpaired(kind.joints, [(index[a], index[b]) for a, b in pairs])
    if lone:
        return f"{', '.join(lone[:4])}{of} should have a counterpart"
    return f"the joints' names{of} do not distinguish left and right" if not pairs and is_numbered(kind.joints) else ""


def _said(kind: Kind, pairs: Pairs) -> str:
    origin = "guessed from the names" if kind.pairs is None else "known for these joints"
    said = ", ".join(f"{a}/{b}" for a, b in pairs[:4]) + (", ..." if len(pairs) > 4 else "")
    return f"pairs{f' of {kind.name}' if kind.name else ''}, {origin}: {said}"


def _rotation(found: Survey, joints: bool, reasons: List[str]) -> float:
    """Return a rotation of images that varies as much as the rotation of the objects, to cover new photographs of this kind."""
    if not joints:
        return 0.0
    if not found.turn > _LEAST_TURN:
        reasons.append(f"images are rotated at random by about {_LEAST_TURN} degrees: the objects are upright, or too few to tell")
        return float(_LEAST_TURN)
    angle = 5 * round(found.turn / 5) if found.turn < 60 else 180
    reasons.append(f"images are rotated at random by about {angle} degrees, since the objects' directions vary by {found.turn:.0f}")
    return float(angle)
