"""COCO's evaluation by faster-coco-eval or pycocotools. Both agree to 1e-15; the former is several times faster."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, replace
from typing import Dict, Literal, Optional, Sequence, Tuple

import numpy as np

Engine = Literal["auto", "faster", "pycocotools"]


@dataclass(frozen=True)
class Curves:
    """Precision and recall as COCO defines them; -1 where undefined.

    Attributes:
        precision: ``(thresholds, recall levels, classes, areas, detections)``.
        recall: ``(thresholds, classes, areas, detections)``.
        thresholds: similarities (OKS or IoU) that a correct detection needs, 0.50 to 0.95.
        recall_levels: 0.00, 0.01, ..., 1.00.
        areas: names of the ranges of area.
        detections: maximum numbers of detections per image.
        category_ids: category ids of the classes.
    """

    precision: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray
    recall_levels: np.ndarray
    areas: Sequence[str]
    detections: Sequence[int]
    category_ids: Sequence[int]

    def mean(
        self, what: str, area: str = "all", at: Optional[float] = None, detections: int = -1, category_id: Optional[int] = None
    ) -> float:
        """Return the mean of ``precision`` (AP) or ``recall`` (AR) where defined; NaN if undefined everywhere.

        Args:
            category_id: one class; ``None``: all.
            area: one of ``areas``.
            at: one threshold; ``None``: all.
            detections: position in ``detections``.
        """
        values = getattr(self, what)
        values = values if at is None else values[np.isclose(self.thresholds, at)]
        values = values[..., self.areas.index(area), detections]
        values = values if category_id is None else values[..., self.category_ids.index(category_id)]
        defined = values[values > -1]
        return float(defined.mean()) if defined.size else float("nan")

    def over_recall(self, at: Optional[float] = None) -> np.ndarray:
        """Return the precision at each recall level, averaged over the classes and, without ``at``, over the thresholds; NaN where
        undefined."""
        values = self.precision if at is None else self.precision[np.isclose(self.thresholds, at)]
        values = np.where(values[..., 0, -1] > -1, values[..., 0, -1], np.nan)
        values = values.transpose(1, 0, 2).reshape(len(self.recall_levels), -1)
        defined = values[:, ~np.isnan(values).all(axis=0)]
        return np.nanmean(defined, axis=1) if defined.size else np.full(len(values), np.nan)


def joined(parts: Sequence[Curves]) -> Curves:
    """Concatenate the classes of several evaluations, which otherwise agree."""
    first, *others = parts
    if not others:
        return first
    return replace(
        first,
        precision=np.concatenate([part.precision for part in parts], axis=2),
        recall=np.concatenate([part.recall for part in parts], axis=1),
        category_ids=[category_id for part in parts for category_id in part.category_ids],
    )


@dataclass(frozen=True)
class Task:
    """The ground truth of an evaluation, and what to evaluate.

    Attributes:
        truth: a COCO dictionary whose annotations are complete (area, iscrowd, keypoints, num_keypoints, ids from 1); the evaluation
            changes them.
        image_ids, category_ids: the evaluated images and categories.
        sigmas: ``(J,)`` tolerances of the joints of these categories; None without joints.
        max_detections: maximum number of detections per image for keypoints, best first.
        engine: the evaluation library, see :class:`~mindpoint_coco.metrics.coco.CocoMetric`.
    """

    truth: dict
    image_ids: Sequence[int]
    category_ids: Sequence[int]
    sigmas: Optional[np.ndarray]
    max_detections: int
    engine: Engine = "auto"

    def curves(self, kind: str, results: Sequence[dict], truth: Optional[dict] = None) -> Curves:
        """Evaluate result records without changing them. They must belong to known images.

        Args:
            kind: ``keypoints`` or ``bbox``.
            truth: replaces the ground truth of the task. Records of other classes are ignored.
        """
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
            run = self._run(kind, results, truth or self.truth, self.engine)
            run.accumulate()
        params = run.params
        return Curves(
            np.asarray(run.eval["precision"]), np.asarray(run.eval["recall"]), params.iouThrs, params.recThrs, params.areaRngLbl,
            params.maxDets, [int(category_id) for category_id in params.catIds],
        )  # fmt: skip

    def matched(self, kind: str, results: Sequence[dict]):
        """Return pycocotools' evaluation with the outcome of each class, range of area and image in ``evalImgs``. The arguments are
        those of :meth:`curves`."""
        with contextlib.redirect_stdout(io.StringIO()):
            return self._run(kind, results, self.truth, "pycocotools")

    def _run(self, kind: str, results: Sequence[dict], truth: dict, engine: Engine):
        dataset, evaluation = _library(engine)
        classes = set(self.category_ids)
        index = _index(dataset, {**truth, "annotations": [record for record in truth["annotations"] if record["category_id"] in classes]})
        found = [dict(result) for result in results if result["category_id"] in classes]
        run = evaluation(index, index.loadRes(found) if found else _index(dataset, {**index.dataset, "annotations": []}), kind)
        run.params.imgIds, run.params.catIds = list(self.image_ids), list(self.category_ids)
        if kind == "keypoints":
            run.params.kpt_oks_sigmas = self.sigmas
            run.params.maxDets = [self.max_detections]
        run.evaluate()
        return run


def _library(engine: Engine) -> Tuple[type, type]:
    """Return the library's classes for annotations and for their evaluation."""
    if engine == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        return COCO, COCOeval
    from faster_coco_eval import COCO, COCOeval_faster

    return COCO, COCOeval_faster


def _index(dataset: type, content: dict) -> object:
    index = dataset()
    index.dataset = content
    index.createIndex()
    return index


NAMES = {
    "keypoints": ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl"),
    "bbox": ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
}
"""COCO's statistics by type, in its order."""


def statistics(kind: str, curves: Curves) -> Dict[str, float]:
    """Return COCO's ten keypoint or twelve box statistics in its order, as ``keypoints/AP`` etc.; NaN where undefined."""
    stats = {"AP": curves.mean("precision"), "AP50": curves.mean("precision", at=0.5), "AP75": curves.mean("precision", at=0.75)}
    sizes = [name for name in ("small", "medium", "large") if name in curves.areas]
    stats.update({f"AP{size[0]}": curves.mean("precision", size) for size in sizes})
    if kind == "keypoints":
        stats.update({"AR": curves.mean("recall"), "AR50": curves.mean("recall", at=0.5), "AR75": curves.mean("recall", at=0.75)})
    else:
        stats.update({f"AR{count}": curves.mean("recall", detections=place) for place, count in enumerate(curves.detections)})
    stats.update({f"AR{size[0]}": curves.mean("recall", size) for size in sizes})
    return {f"{kind}/{name}": value for name, value in stats.items()}
