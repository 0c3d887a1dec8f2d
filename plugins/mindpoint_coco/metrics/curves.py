"""Curves of a report, for boxes and joints."""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

import numpy as np
from mindpoint.contracts.analysis import Chart, Line

from mindpoint_coco.metrics.evaluator import Curves
from mindpoint_coco.metrics.matching import Group, match

AT = 0.5
"""Minimum similarity of a correct detection, for charts with a single threshold."""
MEASURES = {"keypoints": ("object keypoint similarity", "OKS"), "bbox": ("intersection over union", "IoU")}
"""By type: name and abbreviation of the similarity."""


def over_recall(kind: str, curves: Curves) -> Chart:
    """Return the chart of precision over recall at several similarities; ``kind`` is ``keypoints`` or ``bbox``."""
    measure, word = MEASURES[kind]
    lines = [line(f"{word} {at:.2f}: AP {curves.mean('precision', at=at):.3f}", curves, at) for at in (0.5, 0.75, 0.9)]
    lines.append(line(f"mean of 0.50 to 0.95: AP {curves.mean('precision'):.3f}", curves, None))
    return Chart(f"Precision over recall, {kind}", "recall", "precision", lines, f"One curve per threshold of {measure}.")


def line(name: str, curves: Curves, at: Optional[float]) -> Line:
    """Return the curve of precision over recall at the threshold ``at``, or if it is None, the mean of the curves of all thresholds."""
    return Line(name.replace("nan", "n/a"), curves.recall_levels.tolist(), curves.over_recall(at).tolist())


def by_score(kind: str, all_groups: Sequence[Group]) -> Tuple[float, Chart]:
    """Return the score threshold with the best F1 (0 if no detection is correct), and the chart of precision, recall and F1."""
    scores, right = [], []
    for group in all_groups:
        taken = match(group, AT)
        counted = (taken < 0) | ~np.append(group.ignored, False)[taken]
        scores += group.scores[counted].tolist()
        right += (taken[counted] >= 0).tolist()
    order = np.argsort([-score for score in scores], kind="stable")
    sorted_scores, found = np.array(scores)[order], np.cumsum(np.array(right, bool)[order])
    wanted = sum(int((~group.ignored).sum()) for group in all_groups)
    precision = found / np.arange(1, len(found) + 1)
    recall = found / max(wanted, 1)
    f1 = 2 * found / (np.arange(1, len(found) + 1) + max(wanted, 1))
    threshold = float(sorted_scores[f1.argmax()]) if len(f1) and f1.max() > 0 else 0.0
    shown = np.unique(np.linspace(0, len(order) - 1, min(200, len(order))).astype(int)) if len(order) else np.zeros(0, int)
    x = sorted_scores[shown].tolist()
    lines = [Line(name, x, values[shown].tolist()) for name, values in (("precision", precision), ("recall", recall), ("F1", f1))]
    best = f"The best F1, {f1.max():.3f}, is at a score of {threshold:.3f}." if threshold else "No detection is correct."
    return threshold, Chart("Quality over score threshold", "score", "share", lines, f"At {MEASURES[kind][0]} {AT}. {best}")
