"""Annotations that are probably wrong, the oddest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from mindpoint_coco.annotation_writer import annotation_values
from mindpoint_coco.audit.compare import Compared, points_of
from mindpoint_coco.audit.surprise import Tail, rarity, scales, standing
from mindpoint_coco.keypoints import Keypoints

KINDS = {
    "sides": "left and right exchanged",
    "joint": "moved joint",
    "box": "wrong box",
    "class": "wrong class",
    "missing": "missing object",
    "extra": "superfluous object",
}
_CLEAR = 2.0  # surprise from which a further joint of the same object is taken for wrong too
_DECIDED = 0.5  # surprise that an exchange must save or cost to say anything about a pair
Pair = Tuple[Compared, int]  # an image, and the place of an annotated object that has a partner


@dataclass(frozen=True)
class Suspect:
    """A suspicion about one object.

    Attributes:
        kind: a key of :data:`KINDS`.
        surprise: see :mod:`mindpoint_coco.audit.surprise`.
        scene: the image with all its objects.
        annotation: the annotation record; None for a missing object.
        found: what the model found there; None if it found nothing.
        joints: indices of the joints in question.
        becomes: what the correction puts into the annotation, or the new annotation without its id; None: the annotation is removed.
    """

    kind: str
    surprise: float
    scene: Compared
    annotation: Optional[dict]
    found: Optional[dict]
    joints: Tuple[int, ...] = ()
    becomes: Optional[dict] = None


def suspects(images: Sequence[Compared], keypoints: Optional[Keypoints]) -> List[Suspect]:
    """Return at most one suspicion about each annotated and each spare found object, the most surprising first.

    Args:
        images: the whole data set: what is usual in it decides what is odd.
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


def _records(pairs: Sequence[Pair]) -> Tuple[List[dict], List[dict], np.ndarray]:
    """Return annotations, their partners, and the sizes of these in pixels."""
    truth = [one.truth[own] for one, own in pairs]
    found = [one.found[one.partner[own]] for one, own in pairs]
    return truth, found, np.array([max(1.0, np.sqrt(record["bbox"][2] * record["bbox"][3])) for record in found])


def _boxes(pairs: Sequence[Pair]) -> Iterator[Suspect]:
    truth, found, sizes = _records(pairs)
    boxes = [np.array([record["bbox"] for record in records], np.float64).reshape(-1, 4) for records in (truth, found)]
    labels, sides = (np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1) for box in boxes)
    differences = np.abs(labels - sides)
    scores = np.repeat([[record["score"]] for record in found], 4, axis=1).reshape(-1, 4)
    odd = _odd(differences, scores, sizes).max(axis=1, initial=0) - np.log10(4)
    for (one, own), record, surprise in zip(pairs, found, odd):
        values = annotation_values(record, one.image)
        if values is not None:
            yield Suspect("box", surprise, one, one.truth[own], record, (), {"bbox": values["bbox"]})


def _odd(differences: np.ndarray, confidences: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    relative = differences / scales(differences, confidences, sizes)
    return Tail(relative)(relative)


def _joints(pairs: Sequence[Pair], keypoints: Keypoints) -> Iterator[Suspect]:
    """Yield, for each pair, exchanged joints or moved ones, whichever explains more."""
    truth, found, sizes = _records(pairs)
    labels, points = points_of(truth), points_of(found)
    if not len(pairs) or not np.isfinite(points).any():
        return
    apart = _apart(labels, points)
    scale = scales(apart, points[..., 2], sizes)
    tail = Tail(apart / scale)
    odd = tail(apart / scale)
    exchanged = tail(_apart(labels[:, keypoints.flip_index], points) / scale)
    first, second = (np.array(side, int) for side in zip(*keypoints.flip_pairs)) if keypoints.flip_pairs else (np.zeros(0, int),) * 2
    saved = (odd - exchanged)[:, first] + (odd - exchanged)[:, second]
    count = np.maximum(np.isfinite(apart).sum(axis=1), 1)
    moved = odd - np.log10(count)[:, None]
    for row, (one, own) in enumerate(pairs):
        facts = one, truth[row], found[row]
        gained = saved[row].max(initial=0) - np.log10(count[row])
        if gained > moved[row].max():
            joints = _exchanged(saved[row], keypoints)
            yield Suspect("sides", gained, *facts, joints, {"keypoints": _with(truth[row], labels[row, keypoints.flip_index], joints)})
        else:
            joints = tuple(np.flatnonzero(moved[row] >= min(_CLEAR, moved[row].max())).tolist())
            places = np.clip(points[row, :, :2], 0, [one.image["width"], one.image["height"]])
            yield Suspect("joint", moved[row].max(), *facts, joints, {"keypoints": _with(truth[row], places, joints)})


def _apart(labels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the distances ``(K, J)`` in pixels, NaN for joints that are not labelled."""
    return np.where(labels[..., 2] > 0, np.hypot(*np.moveaxis(labels[..., :2] - points[..., :2], -1, 0)), np.nan)


def _exchanged(saved: np.ndarray, keypoints: Keypoints) -> Tuple[int, ...]:
    """Return the joints to exchange: all if several pairs call for it and no pair against it, or else those of the pairs that do."""
    wanted, unwanted = saved > _DECIDED, saved < -_DECIDED
    chosen = np.ones(len(saved), bool) if wanted.sum() > 1 and not unwanted.any() else wanted | (saved == saved.max())
    return tuple(joint for pair, there in zip(keypoints.flip_pairs, chosen) if there for joint in pair)


def _with(record: dict, values: np.ndarray, joints: Sequence[int]) -> List[float]:
    """Return the annotation's joints with some of them at ``values``, ``(J, 2)``, or ``(J, 3)`` with their visibility."""
    flat = list(record["keypoints"])
    for joint in joints:
        for axis in range(values.shape[1]):
            number = round(float(values[joint, axis]), 2)
            flat[3 * joint + axis] = int(number) if number.is_integer() else number
    return flat


def _classes(images: Sequence[Compared]) -> Iterator[Suspect]:
    """Yield objects that the model takes for another class, by the share of such among equally sure findings."""
    doubted = [(one, own) for one in images for own in range(len(one.truth)) if one.score(one.rival[own]) > one.score(one.partner[own])]
    scores = [one.score(one.rival[own]) for one, own in doubted]
    for (one, own), surprise in zip(doubted, rarity(scores, _agreeing(images))):
        record = one.found[one.rival[own]]
        yield Suspect("class", surprise, one, one.truth[own], record, (), {"category_id": record["category_id"]})


def _missing(images: Sequence[Compared]) -> Iterator[Suspect]:
    """Yield found objects without an annotation in their place, by the share of such among equally sure findings."""
    spare = [(one, one.found[row]) for one in images for row in one.spare]
    for (one, record), surprise in zip(spare, rarity([record["score"] for _, record in spare], _agreeing(images))):
        values = annotation_values(record, one.image)
        if values is not None:
            becomes = {"image_id": one.image["id"], "category_id": record["category_id"], **values}
            yield Suspect("missing", surprise, one, None, record, (), becomes)


def _agreeing(images: Sequence[Compared]) -> List[float]:
    """Return the scores of the found objects that are annotated as what they were found as."""
    return [one.score(row) for one in images for row in one.partner if row >= 0]


def _extra(images: Sequence[Compared]) -> Iterator[Suspect]:
    """Yield annotated objects by the share of those that the model is even less sure of."""
    every = [(one, own) for one in images for own in range(len(one.truth))]
    scores = [one.score(one.partner[own]) for one, own in every]
    for (one, own), surprise in zip(every, standing(scores)):
        if one.partner[own] < 0:
            yield Suspect("extra", surprise, one, one.truth[own], None)
