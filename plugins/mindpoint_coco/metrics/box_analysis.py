"""Tables, curves and findings around COCO's box statistics."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Dict, List, Sequence, Tuple

import numpy as np
from mindpoint.contracts.analysis import Analysis, Finding, ImageFindings, Table

from mindpoint_coco.metrics.box_errors import FOREGROUND, KINDS, MOST, RIGHT, UNCOUNTED, Judged, counts, impact, judge
from mindpoint_coco.metrics.curves import by_score, over_recall
from mindpoint_coco.metrics.evaluator import Curves, Task
from mindpoint_coco.metrics.matching import box_groups

_PAPER = 'Definitions: Bolya et al. 2020, "TIDE: A General Toolbox for Identifying Object Detection Errors".'
_MOST_CLASSES = 12  # limit of the confusion matrix
_MOST_PAIRS = 100  # pairs of classes, by the number of confusions
_BACKGROUND, _MISSED = "background", "missed"
Confusions = Dict[Tuple[object, object], int]


def analyse_boxes(task: Task, results: Sequence[dict], curves: Curves, classes: Sequence[str]) -> Analysis:
    """Return all parts of a report except the box statistics.

    Args:
        task: ground truth, and evaluated images and classes.
        results: result records of known images.
        curves: curves of these results.
        classes: names of the classes, in the order of the task's category ids.
    """
    groups = list(box_groups(task.truth, results, task.image_ids, task.category_ids, MOST))
    judged = list(judge(groups))
    threshold, quality = by_score("bbox", groups)
    shown = [one.best(int((one.group.scores >= threshold).sum())) for one in judged]
    names = dict(zip(task.category_ids, classes))
    tables = [_impact_table(judged, task, curves), _class_table(shown, curves, names, threshold)]
    if len(names) > 1:
        confusions = _confusions(shown)
        tables += [_pair_table(confusions, names), _confusion_table(confusions, names, threshold)]
    return Analysis(
        tables=tables,
        charts=[over_recall("bbox", curves), quality],
        kinds=dict(KINDS),
        images=_images(task, shown, names),
        threshold=threshold,
    )


def _impact_table(judged: Sequence[Judged], task: Task, as_is: Curves) -> Table:
    def ap(curves: Curves) -> List[float]:
        return [curves.mean("precision"), curves.mean("precision", at=0.5), curves.mean("precision", at=0.75)]

    found = counts(judged)
    rows = [["as it is", "", *ap(as_is)], *([kind, found[kind], *ap(curves)] for kind, curves in impact(judged, task).items())]
    note = (
        f"Average precision if only this kind of error were corrected. {_PAPER} Corrections: a detection gets the object's class or "
        "box. It is removed if the object has already been detected, or if no object is near. Missed objects are removed."
    )
    return Table("Cost of errors", ("error", "count", "AP", "AP50", "AP75"), rows, note)


def _class_table(shown: Sequence[Judged], curves: Curves, names: Dict[int, str], threshold: float) -> Table:
    by_class: Dict[int, List[Judged]] = defaultdict(list)
    for one in shown:
        by_class[one.group.category_id].append(one)
    rows = []
    for category_id, name in names.items():
        mine = by_class[category_id]
        found = counts(mine)
        objects = sum(int((~one.group.ignored).sum()) for one in mine)
        ap = [curves.mean("precision", at=at, category_id=category_id) for at in (None, 0.5)]
        ap.append(curves.mean("recall", category_id=category_id))
        rows.append([name, objects, *ap, *(found[kind] for kind in KINDS)])
    rows.sort(key=lambda row: (np.isnan(row[2]), row[2], -row[1]))
    note = f"The weakest first. AP, AP50 and AR100 of all detections; errors among those with a score of {threshold:.3f} or more. {_PAPER}"
    return Table("Classes", ("class", "objects", "AP", "AP50", "AR100", *KINDS), rows, note)


def _confusions(shown: Sequence[Judged]) -> Confusions:
    """Return the confusion counts: numbers of detections by category ids of the object and of the detection.

    Detections away from all objects count as ``background``, objects without a detection as ``missed``.
    """
    cells, touched = Counter(), set()
    for one in shown:
        for record, kind, meant in zip(one.group.results, one.kinds, one.meant):
            if kind in (RIGHT, "class"):
                cells[meant["category_id"], record["category_id"]] += 1
                touched.add(id(meant))
            elif kind == "background":
                cells[_BACKGROUND, record["category_id"]] += 1
    for one in shown:
        lost = [record for record, gone in zip(one.group.truth, one.missed) if gone and id(record) not in touched]
        cells[one.group.category_id, _MISSED] += len(lost)
    return cells


def _wrong(cells: Confusions, names: Dict[int, str]) -> Confusions:
    """Return the confused pairs of classes, the most frequent first."""
    wrong = {pair: count for pair, count in cells.items() if count and pair[0] != pair[1] and set(pair) <= names.keys()}
    return dict(sorted(wrong.items(), key=lambda item: -item[1]))


def _pair_table(cells: Confusions, names: Dict[int, str]) -> Table:
    wrong = _wrong(cells, names)
    on = Counter()
    for (there, found), count in cells.items():
        if found != _MISSED:
            on[there] += count
    rows = [[names[there], names[found], count, count / on[there]] for (there, found), count in wrong.items()][:_MOST_PAIRS]
    note = (
        f"Detections of another class than the object that they lie on (IoU of {FOREGROUND} or more), the most frequent pairs first. "
        "share: of all detections on objects of the annotated class." + " All have the right class." * (not rows)
    )
    return Table("Confused pairs", ("annotated as", "found as", "detections", "share"), rows, note)


def _confusion_table(cells: Confusions, names: Dict[int, str], threshold: float) -> Table:
    """Return the confusion matrix, with annotated classes as rows and detected ones as columns. If there are many classes, it shows the
    most confused ones."""
    confused = Counter(dict.fromkeys(names, 0))
    for pair, count in _wrong(cells, names).items():
        confused.update(dict.fromkeys(pair, count))
    chosen = [key for key, _ in confused.most_common(_MOST_CLASSES)]
    rows = [[names[key], *(cells[key, other] for other in chosen), cells[key, _MISSED]] for key in chosen]
    rows.append([_BACKGROUND, *(cells[_BACKGROUND, other] for other in chosen), ""])
    note = (
        f"Detections with a score of {threshold:.3f} or more, by the class of the object that they lie on (rows, IoU of {FOREGROUND} or "
        "more) and their own (columns); an object may have several. missed: objects without any detection on them. background: detections "
        "away from all objects." + (f" Only the {len(chosen)} most confused classes." if len(chosen) < len(names) else "")
    )
    return Table("Confused classes", ("annotated as", *(names[key] for key in chosen), _MISSED), rows, note)


def _images(task: Task, shown: Sequence[Judged], names: Dict[int, str]) -> Dict[int, ImageFindings]:
    """Return the findings by image; the error is ``1 - 2 S / (annotated + found)`` with S the sum of the IoU of matched pairs, over objects
    and detections that count."""
    by_image: Dict[int, List[Judged]] = defaultdict(list)
    for one in shown:
        by_image[one.group.image_id].append(one)
    images = {}
    for image_id in task.image_ids:
        truth, found, similar, total = [], [], 0.0, 0
        for one in by_image[image_id]:
            right = np.array([kind == RIGHT for kind in one.kinds], bool)
            similar += float(one.group.similarity[right, one.taken[right]].sum())
            total += int((~one.group.ignored).sum()) + sum(kind != UNCOUNTED for kind in one.kinds)
            truth += _truth_findings(one)
            found += _found_findings(one, names)
        found.sort(key=lambda finding: -finding.record["score"])
        images[image_id] = ImageFindings(1 - 2 * similar / total if total else 0.0, truth, found)
    return images


def _truth_findings(one: Judged) -> List[Finding]:
    findings, missed = [], one.missed
    for place, record in enumerate(one.group.truth):
        if one.group.ignored[place]:
            findings.append(Finding(record, "crowd, not counted"))
        elif missed[place]:
            findings.append(Finding(record, "not found", "missed"))
        else:
            overlap = one.group.similarity[np.flatnonzero(one.taken == place)[0], place]
            findings.append(Finding(record, f"found, IoU {overlap:.2f}"))
    return findings


def _found_findings(one: Judged, names: Dict[int, str]) -> List[Finding]:
    findings = []
    for row, (record, kind, meant) in enumerate(zip(one.group.results, one.kinds, one.meant)):
        if kind == RIGHT:
            findings.append(Finding(record, f"IoU {one.group.similarity[row, one.taken[row]]:.2f}"))
        elif kind == UNCOUNTED:
            findings.append(Finding(record, "on a crowd, not counted"))
        else:
            text = f"the object is annotated as {names[meant['category_id']]}" if kind in ("class", "both") else KINDS[kind].definition
            findings.append(Finding(record, text, kind))
    return findings
