"""Annotations that are probably wrong, the most surprising first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from mindpoint_coco.annotation_writer import annotation_values
from mindpoint_coco.audit.compare import Compared, points_of
from mindpoint_coco.audit.surprise import Usual, among, disagreement, standing
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics.matching import overlaps

KINDS = {
    "sides": "left and right swapped",
    "joint": "moved joint",
    "box": "wrong box",
    "class": "wrong class",
    "missing": "missing object",
    "extra": "superfluous object",
}
_CLEAR = 2.0  # minimum surprise of further wrong joints of the same object
_LEAST_OVERLAP = 0.01  # lower bound, so that the logarithm stays finite
_ON, _SAME = 0.1, 0.03  # largest distance, as a share of an object's size, of a joint on a label, and of two joints in one place
_DECIDED = 0.5  # minimum change of surprise for a swap to be for or against a pair
Pair = Tuple[Compared, int]  # an image, and the index of an annotated object that has a partner


@dataclass(frozen=True)
class Suspect:
    """A suspicion about one object.

    Attributes:
        kind: a key of :data:`KINDS`.
        surprise: see :mod:`mindpoint_coco.audit.surprise`.
        scene: the image with all its objects.
        annotation: the annotation record; None for a missing object.
        found: the model's detection there, or None.
        joints: indices of the joints in question.
        becomes: the corrected values, or the new annotation without its id; None to remove the annotation.
    """

    kind: str
    surprise: float
    scene: Compared
    annotation: Optional[dict]
    found: Optional[dict]
    joints: Tuple[int, ...] = ()
    becomes: Optional[dict] = None


def suspects(images: Sequence[Compared], keypoints: Optional[Keypoints]) -> List[Suspect]:
    """Return at most one suspect per annotated object and per spare detection, the most surprising first.

    Args:
        images: the whole data set, from which the usual differences are estimated.
        keypoints: the joints of the annotations; None without joints.
    """
    pairs = [(one, own) for one in images for own in np.flatnonzero(one.partner >= 0)]
    found = [*_boxes(pairs), *_classes(images), *_extra(images), *_missing(images)]
    if keypoints is not None:
        found += _joints(pairs, keypoints)
    best: Dict[int, Suspect] = {}
    for suspect in sorted(found, key=lambda suspect: -suspect.surprise):
        best.setdefault(id(suspect.annotation or suspect.found), suspect)
    return list(best.values())


def _records(pairs: Sequence[Pair]) -> Tuple[List[dict], List[dict]]:
    """Return the annotations of the pairs, and the detections matched to them."""
    return [one.truth[own] for one, own in pairs], [one.found[one.partner[own]] for one, own in pairs]


def _boxes(pairs: Sequence[Pair]) -> Iterator[Suspect]:
    """Yield suspects whose box differs from the model's; the difference is ``-ln`` of the overlap (IoU) of both."""
    truth, found = _records(pairs)
    overlap = np.array([overlaps([one], [other], np.zeros(1, bool))[0, 0] for one, other in zip(found, truth)])
    differences = -np.log(np.maximum(overlap, _LEAST_OVERLAP)).reshape(-1, 1)
    scores = np.array([record["score"] for record in found]).reshape(-1, 1)
    surprises = Usual(differences, scores).surprise(differences)
    for (one, own), record, (surprise,) in zip(pairs, found, surprises):
        values = annotation_values(record, one.image)
        if values is not None:
            yield Suspect("box", surprise, one, one.truth[own], record, (), {"bbox": values["bbox"]})


def _joints(pairs: Sequence[Pair], keypoints: Keypoints) -> Iterator[Suspect]:
    """Yield a suspect for each pair: swapped joints or moved ones, whichever explains more.

    The more joints an object has, the more often one of them is unusual by chance. So the surprise of a moved joint is lowered by the
    logarithm of their number. The gain of a swap is the surprise that it removes from the two joints. The surprise of swapped joints is
    that of the object's largest gain among the largest gains of all objects.
    """
    if not pairs:
        return
    truth, found = _records(pairs)
    labels, points = points_of(truth), points_of(found)
    if not np.isfinite(points).any():
        return
    sizes = np.array([max(1.0, np.sqrt(record["bbox"][2] * record["bbox"][3])) for record in found])[:, None]
    apart = _apart(labels, points) / sizes
    exchanged = _apart(labels[:, keypoints.flip_index], points) / sizes
    mistaken = _mistaken(pairs, keypoints, points, apart, exchanged, sizes)
    judged = np.isfinite(apart) & ~mistaken
    usual = Usual(np.where(judged, np.fmin(apart, exchanged), np.nan), points[..., 2])  # swapped labels are left out
    odd, other = usual.surprise(apart), usual.surprise(exchanged)
    first, second = (np.array(side, int) for side in zip(*keypoints.flip_pairs)) if keypoints.flip_pairs else (np.zeros(0, int),) * 2
    gained = np.where(mistaken[:, first] | mistaken[:, second], 0, (odd - other)[:, first] + (odd - other)[:, second])
    moved = np.where(mistaken, 0, odd) - np.log10(np.maximum(judged.sum(axis=1), 1))[:, None]
    sides = among(gained.max(axis=1, initial=0))
    for row, (one, _) in enumerate(pairs):
        facts = one, truth[row], found[row]
        if gained[row].max(initial=0) > max(0, moved[row].max()):
            joints = _exchanged(gained[row], keypoints)
            becomes = {"keypoints": _with(truth[row], labels[row, keypoints.flip_index], joints)}
            yield Suspect("sides", sides[row], *facts, joints, becomes)
        else:
            joints = tuple(np.flatnonzero(moved[row] >= min(_CLEAR, moved[row].max())).tolist())
            places = np.clip(points[row, :, :2], 0, [one.image["width"], one.image["height"]])
            yield Suspect("joint", moved[row].max(), *facts, joints, {"keypoints": _with(truth[row], places, joints)})


def _mistaken(
    pairs: Sequence[Pair], keypoints: Keypoints, points: np.ndarray, apart: np.ndarray, exchanged: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Return bool ``(K, J)``: whether the model has confused the joint with another one, so that it cannot judge the label.

    Two cases count. The detected joint lies on the label of the same or the mirrored joint of another object. Or the joint and its mirrored
    joint are detected in one place, and the label of the mirrored joint is nearer.

    Args:
        points: detected joints ``(K, J, 3)``.
        apart, exchanged: distances ``(K, J)`` to the label of the joint and to that of the mirrored joint, relative to ``sizes``.
        sizes: ``(K, 1)`` in pixels.
    """
    flip = keypoints.flip_index
    same = np.hypot(*np.moveaxis(points[..., :2] - points[:, flip, :2], -1, 0)) / sizes < _SAME
    mistaken = same & (exchanged < apart) & (flip != np.arange(len(flip)))
    for row, (one, own) in enumerate(pairs):
        others = [record for other, record in enumerate(one.truth) if other != own]
        for order in (np.arange(len(flip)), flip) if others else ():
            away = _apart(points_of(others)[:, order], points[row]) / sizes[row]
            mistaken[row] |= ((away < _ON) & (away < apart[row])).any(axis=0)
    return mistaken


def _apart(labels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the distances ``(K, J)`` in pixels, NaN for joints that are not labelled."""
    return np.where(labels[..., 2] > 0, np.hypot(*np.moveaxis(labels[..., :2] - points[..., :2], -1, 0)), np.nan)


def _exchanged(gained: np.ndarray, keypoints: Keypoints) -> Tuple[int, ...]:
    """Return the joints to swap: all if several pairs favour a swap and no pair opposes it, otherwise those of the pairs that favour it."""
    wanted, unwanted = gained > _DECIDED, gained < -_DECIDED
    chosen = np.ones(len(gained), bool) if wanted.sum() > 1 and not unwanted.any() else wanted | (gained == gained.max())
    return tuple(joint for pair, there in zip(keypoints.flip_pairs, chosen) if there for joint in pair)


def _with(record: dict, values: np.ndarray, joints: Sequence[int]) -> List[float]:
    """Return the annotation's joints with some of them replaced by ``values``: ``(J, 2)``, or ``(J, 3)`` with visibility."""
    flat = list(record["keypoints"])
    for joint in joints:
        for axis in range(values.shape[1]):
            number = round(float(values[joint, axis]), 2)
            flat[3 * joint + axis] = int(number) if number.is_integer() else number
    return flat


def _classes(images: Sequence[Compared]) -> Iterator[Suspect]:
    """Yield objects that the model assigns to another class. The surprise is high if the model rarely errs at the detection's score."""
    doubted = [(one, own) for one in images for own in range(len(one.truth)) if one.score(one.rival[own]) > one.score(one.partner[own])]
    scores = [one.score(one.rival[own]) for one, own in doubted]
    for (one, own), surprise in zip(doubted, disagreement(scores, _agreeing(images))):
        record = one.found[one.rival[own]]
        yield Suspect("class", surprise, one, one.truth[own], record, (), {"category_id": record["category_id"]})


def _missing(images: Sequence[Compared]) -> Iterator[Suspect]:
    """Yield detections without an annotation in their place. The surprise is high if the model rarely errs at the detection's score."""
    spare = [(one, one.found[row]) for one in images for row in one.spare]
    for (one, record), surprise in zip(spare, disagreement([record["score"] for _, record in spare], _agreeing(images))):
        values = annotation_values(record, one.image)
        if values is not None:
            becomes = {"image_id": one.image["id"], "category_id": record["category_id"], **values}
            yield Suspect("missing", surprise, one, None, record, (), becomes)


def _agreeing(images: Sequence[Compared]) -> List[float]:
    """Return the scores of the detections whose annotation has the same class."""
    return [one.score(row) for one in images for row in one.partner if row >= 0]


def _extra(images: Sequence[Compared]) -> Iterator[Suspect]:
    """Yield annotated objects without a matching detection. The fewer such objects there are in all, the higher the surprise."""
    every = [(one, own) for one in images for own in range(len(one.truth))]
    scores = [one.score(one.partner[own]) for one, own in every]
    for (one, own), surprise in zip(every, standing(scores)):
        if one.partner[own] < 0:
            yield Suspect("extra", surprise, one, one.truth[own], None)
