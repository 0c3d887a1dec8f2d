"""Causes of lost average precision of boxes: the errors of Bolya et al. 2020, "TIDE: A General Toolbox for Identifying Object Detection
Errors".

Detections and annotated objects of a class are matched at an intersection over union (IoU) of 0.5 as in COCO's evaluation. A detection that
does not match is classified by the most similar object of its image; see :data:`KINDS`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Dict, Iterator, List, Sequence, Tuple

import numpy as np
from mindpoint.contracts.analysis import Kind

from mindpoint_coco.metrics.evaluator import Curves, Task
from mindpoint_coco.metrics.matching import Group, match, overlaps

FOREGROUND, BACKGROUND = 0.5, 0.1  # minimum IoU of a correct box, and of a near one
MOST = 100
"""Detections of a class in an image that count, as in COCO's evaluation."""
RIGHT, UNCOUNTED = "", "-"
KINDS = {
    "class": Kind(f"a detection that lies on an object of another class (IoU of {FOREGROUND} or more)", "#9333ea"),
    "localisation": Kind(f"a detection near an object of its class, but misplaced (IoU {BACKGROUND} to {FOREGROUND})", "#eab308"),
    "both": Kind(f"a detection near an object of another class (IoU {BACKGROUND} to {FOREGROUND})", "#d97706"),
    "duplicate": Kind("a further detection of an already detected object", "#2563eb"),
    "background": Kind(f"a detection away from all objects (IoU below {BACKGROUND})", "#475569"),
    "missed": Kind("an annotated object that no detection matches", "#db2777"),
}


@dataclass(frozen=True)
class Judged:
    """The N detected and M annotated objects of one class in one image, with their errors.

    Attributes:
        group: the objects.
        taken: ``(N,)`` annotated object matched by each detection, or -1.
        kinds: N kinds of error; RIGHT for a match, UNCOUNTED on a crowd.
        meant: N annotation records that the errors refer to; an empty record for an error without an object.
    """

    group: Group
    taken: np.ndarray
    kinds: List[str]
    meant: List[dict]

    @property
    def missed(self) -> np.ndarray:
        """Return a mask ``(M,)`` of the annotated objects that count and remain unmatched."""
        return self.group.missed(self.taken)

    def best(self, count: int) -> "Judged":
        """Return a copy with only the best ``count`` detections."""
        group = self.group
        fewer = Group(
            group.image_id, group.category_id, group.truth, group.results[:count], group.scores[:count], group.crowd, group.ignored,
            group.similarity[:count],
        )  # fmt: skip
        return Judged(fewer, self.taken[:count], self.kinds[:count], self.meant[:count])


def judge(groups: Sequence[Group]) -> Iterator[Judged]:
    """Yield the groups of all classes and images with their errors."""
    by_image: Dict[int, List[Group]] = defaultdict(list)
    for group in groups:
        by_image[group.image_id].append(group)
    for group in groups:
        others = [record for other in by_image[group.image_id] if other is not group for record in other.truth if not record["iscrowd"]]
        yield _judged(group, others)


def _judged(group: Group, others: List[dict]) -> Judged:
    taken = match(group, FOREGROUND)
    away = overlaps(group.results, others, np.zeros(len(others), bool))
    own = np.where(group.ignored, 0.0, group.similarity)
    kinds, meant = [], []
    for row, place in enumerate(taken.tolist()):
        kind, record = _kind(group, place, own[row], others, away[row])
        kinds.append(kind)
        meant.append(record)
    return Judged(group, taken, kinds, meant)


def _kind(group: Group, place: int, own: np.ndarray, others: List[dict], away: np.ndarray) -> Tuple[str, dict]:
    """Return the error of one detection and the object that it refers to."""
    if place >= 0:
        return (UNCOUNTED, {}) if group.ignored[place] else (RIGHT, group.truth[place])
    near, far = own.max(initial=0.0), away.max(initial=0.0)
    if near >= FOREGROUND:
        return "duplicate", group.truth[own.argmax()]
    if far >= FOREGROUND:
        return "class", others[away.argmax()]
    if near >= BACKGROUND:
        return "localisation", group.truth[own.argmax()]
    if far >= BACKGROUND:
        return "both", others[away.argmax()]
    return "background", {}


def counts(judged: Sequence[Judged]) -> Dict[str, int]:
    """Count the occurrences of each of KINDS."""
    kinds = [kind for one in judged for kind in one.kinds]
    found = {kind: kinds.count(kind) for kind in KINDS}
    found["missed"] = sum(int(one.missed.sum()) for one in judged)
    return found


def impact(judged: Sequence[Judged], task: Task) -> Dict[str, Curves]:
    """Return, for each of KINDS, the curves after only this error has been corrected.

    A detection of the wrong class gets the right class, a misplaced detection the object's box. If the object has already been detected,
    the detection is removed; so are all other erroneous detections. Missed objects are removed from the truth.
    """
    found = {id(one.group.truth[place]) for one in judged for place in one.taken.tolist() if place >= 0}
    rows = {}
    for kind in KINDS:
        truth = task.truth
        if kind == "missed":
            lost = {record["id"] for one in judged for record, gone in zip(one.group.truth, one.missed) if gone}
            truth = {**truth, "annotations": [record for record in truth["annotations"] if record["id"] not in lost]}
        rows[kind] = task.curves("bbox", _put_right(judged, kind, set(found)), truth)
    return rows


def _put_right(judged: Sequence[Judged], kind: str, found: set) -> List[dict]:
    """Return all results with one kind of error corrected; ``found``: identities of the detected objects."""
    results = []
    for one in judged:
        for record, error, meant in zip(one.group.results, one.kinds, one.meant):
            if error != kind:
                results.append(record)
            elif kind in ("class", "localisation") and id(meant) not in found:
                found.add(id(meant))
                key = "category_id" if kind == "class" else "bbox"
                results.append({**record, key: meant[key]})
    return results
