"""Tables, curves and findings around COCO's keypoint statistics."""

from __future__ import annotations

from collections import defaultdict
from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np
from mindpoint.contracts.analysis import Analysis, Chart, Finding, ImageFindings, Table

from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics.curves import by_score, line, over_recall
from mindpoint_coco.metrics.errors import JOINT_KINDS, KINDS, LOCALIZED, UNCOMPARED, Diagnosed, counts, diagnose, impact
from mindpoint_coco.metrics.evaluator import Curves, Task
from mindpoint_coco.metrics.joint_sets import PoseTask
from mindpoint_coco.metrics.matching import pose_groups
from mindpoint_coco.similarity import joint_similarity

_PAPER = 'Definitions: Ronchi and Perona 2017, "Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation".'


def analyse(parts: Sequence[PoseTask], results: Sequence[dict], curves: Mapping[str, Curves]) -> Analysis:
    """Return all parts of a report except the statistics.

    Args:
        parts: ground truth, and evaluated images and classes, of each set of joints.
        results: result records of known images.
        curves: ``keypoints`` and perhaps ``bbox``, of these results.
    """
    found = [(task, _diagnosed(task, results, keypoints), keypoints) for task, keypoints, _ in parts]
    diagnosed = [one for _, some, _ in found for one in some]
    threshold, quality = by_score("keypoints", [one.group for one in diagnosed])
    put_right = impact([(task, some) for task, some, _ in found])
    charts = [over_recall(kind, own) for kind, own in curves.items()]
    return Analysis(
        tables=[_impact_table(put_right, counts(diagnosed), curves["keypoints"]), *(_joint_table(*one, len(found) > 1) for one in found)],
        charts=[*charts, quality, _impact_chart(put_right, curves["keypoints"])],
        kinds=dict(KINDS),
        images=_images(found[0][0].image_ids, diagnosed, threshold),
        threshold=threshold,
    )


def _diagnosed(task: Task, results: Sequence[dict], keypoints: Keypoints) -> List[Diagnosed]:
    groups = pose_groups(task.truth, results, task.image_ids, task.category_ids, task.sigmas, task.max_detections)
    return [diagnose(group, task.sigmas, keypoints.flip_index) for group in groups]


def _impact_table(put_right: List[Tuple[str, Curves, Curves]], found: Dict[str, int], as_is: Curves) -> Table:
    def ap(curves: Curves) -> List[float]:
        return [curves.mean("precision"), curves.mean("precision", at=0.5), curves.mean("precision", at=0.75)]

    rows = [["as it is", "", *ap(as_is), as_is.mean("precision")]]
    rows += [[kind, found[kind], *ap(alone), so_far.mean("precision")] for kind, alone, so_far in put_right]
    note = (
        "Average precision if only this kind of error were corrected, and (last column) this one and all above it. "
        f"{_PAPER} Joints: {', '.join(JOINT_KINDS)}; the others are objects. Corrections: a jitter is moved to a similarity of 0.85, "
        "a miss to 0.5, inversions and swaps as near to the right joint as they are to the wrong one. Scores are set to the similarity, "
        "which also puts unmatched detections last. Unmatched detections and annotations are removed."
    )
    return Table("Cost of errors", ("error", "count", "AP", "AP50", "AP75", "AP so far"), rows, note)


def _impact_chart(put_right: List[Tuple[str, Curves, Curves]], as_is: Curves) -> Chart:
    lines = [line("as it is", as_is, 0.75)] + [line(f"+ {kind}", so_far, 0.75) for kind, _, so_far in put_right]
    return Chart("Precision over recall, with errors corrected one after the other", "recall", "precision", lines, "At OKS 0.75.")


def _joint_table(task: Task, diagnosed: Sequence[Diagnosed], keypoints: Keypoints, several: bool) -> Table:
    """Return the table of the joints of one set; if ``several`` is set, its title names the class."""
    results = [record for one in diagnosed for record in one.group.results]  # other results do not change the table
    kinds, similar = _compared(diagnosed, task.sigmas)
    labelled = sum((one.group.truth_points[~one.group.ignored, :, 2] > 0).sum(axis=0) for one in diagnosed)
    labelled = np.zeros(len(keypoints), int) if not len(diagnosed) else labelled
    rows = []
    for joint, name in enumerate(keypoints.names):
        here = kinds[:, joint] != UNCOMPARED
        share = [float((kinds[here, joint] == kind).mean()) if here.any() else float("nan") for kind in range(1 + len(JOINT_KINDS))]
        mean = float(similar[here, joint].mean()) if here.any() else float("nan")
        alone = task.curves("keypoints", results, _only_joint(task.truth, task.category_ids, joint)).mean("precision")
        rows.append([name, int(labelled[joint]), int(here.sum()), mean, alone, *share])
    note = (
        f"compared: labelled joints of objects matched by a detection (object keypoint similarity {LOCALIZED}). similarity: mean "
        "keypoint similarity of these. AP: average precision if this were the only joint. The rest: shares of the compared joints. "
        + _PAPER
    )
    columns = ("joint", "labelled", "compared", "similarity", "AP", "good", *JOINT_KINDS)
    names = {record["id"]: record["name"] for record in task.truth["categories"]}
    return Table(f"Joints of {names[task.category_ids[0]]}" if several else "Joints", columns, rows, note)


def _compared(diagnosed: Sequence[Diagnosed], sigmas: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Return the kinds of error, and the similarities to the object's own joints, ``(K, J)`` each, of all compared detections."""
    kinds, similar = [np.zeros((0, len(sigmas)), int)], [np.zeros((0, len(sigmas)))]
    for one in diagnosed:
        rows = np.flatnonzero(one.compared)
        own = one.taken[rows]
        kinds.append(one.kinds[rows])
        similar.append(joint_similarity(one.group.points[rows], one.group.truth_points[own, :, :2], one.group.areas[own], sigmas))
    return np.concatenate(kinds), np.concatenate(similar)


def _only_joint(truth: dict, category_ids: Sequence[int], joint: int) -> dict:
    """Return the ground truth of these categories with only this joint labelled."""
    annotations = []
    for record in truth["annotations"]:
        if record["category_id"] not in category_ids:
            continue
        points = [0] * len(record["keypoints"])
        points[3 * joint : 3 * joint + 3] = record["keypoints"][3 * joint : 3 * joint + 3]
        annotations.append({**record, "keypoints": points, "num_keypoints": int(points[3 * joint + 2] > 0)})
    return {**truth, "annotations": annotations}


def _images(image_ids: Sequence[int], diagnosed: Sequence[Diagnosed], threshold: float) -> Dict[int, ImageFindings]:
    """Return the findings by image. The error is ``1 - 2 S / (annotated + found)`` with S the sum of the similarities of matched pairs,
    over objects that are not ignored and detections whose score reaches the threshold."""
    by_image = defaultdict(list)
    for one in diagnosed:
        by_image[one.group.image_id].append(one)
    images = {}
    for image_id in image_ids:
        truth, found, similar, wanted, given = [], [], 0.0, 0, 0
        for one in by_image[image_id]:
            count = int((one.group.scores >= threshold).sum())
            taken = one.taken[:count]
            good = one.compared[:count]
            similar += float(one.group.similarity[:count][good, taken[good]].sum())
            wanted += int((~one.group.ignored).sum())
            given += int((good | (taken < 0)).sum())
            truth += _truth_findings(one, taken)
            found += _found_findings(one, count)
        images[image_id] = ImageFindings(1 - 2 * similar / (wanted + given) if wanted + given else 0.0, truth, found)
    return images


def _truth_findings(one: Diagnosed, taken: np.ndarray) -> List[Finding]:
    findings, misordered = [], one.misordered()
    for place, record in enumerate(one.group.truth):
        if one.group.ignored[place]:
            findings.append(Finding(record, "crowd, not counted" if one.group.crowd[place] else "no joint labelled, not counted"))
        elif place in taken:
            similarity = one.group.similarity[np.flatnonzero(taken == place)[0], place]
            findings.append(Finding(record, f"found, similarity {similarity:.2f}", "score" if misordered[place] else ""))
        else:
            findings.append(Finding(record, "not found", "missed"))
    return findings


def _found_findings(one: Diagnosed, count: int) -> List[Finding]:
    findings = []
    for row, record in enumerate(one.group.results[:count]):
        own = one.taken[row]
        if own < 0:
            findings.append(Finding(record, "matches no annotated object", "background"))
        elif one.group.ignored[own]:
            findings.append(Finding(record, "on an ignored object"))
        else:
            parts = [JOINT_KINDS[kind - 1] if kind > 0 else "" for kind in one.kinds[row]]
            findings.append(Finding(record, f"similarity {one.group.similarity[row, own]:.2f}", "", parts))
    return findings
