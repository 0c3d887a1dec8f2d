"""Average precision and recall by COCO's rules."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple, get_args

import numpy as np
from mindpoint.contracts.analysis import Analysis
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.metric import Metric
from mindpoint.contracts.records import to_coco
from mindpoint.errors import ConfigError, DataError

from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics import diagnosis, resample, result_file, text
from mindpoint_coco.metrics.analysis import analyse
from mindpoint_coco.metrics.box_analysis import analyse_boxes
from mindpoint_coco.metrics.box_errors import MOST
from mindpoint_coco.metrics.crowding import LEVELS, levels
from mindpoint_coco.metrics.distances import JointErrors, Measures
from mindpoint_coco.metrics.evaluator import NAMES, Curves, Engine, Task, joined, statistics
from mindpoint_coco.metrics.joint_sets import PoseTask, check_length, joint_sets, pose_tasks
from mindpoint_coco.metrics.lengths import Length, Said
from mindpoint_coco.metrics.matching import box_groups, pose_groups

_OF_CLASSES = {"AP": "precision", "AR": "recall"}
_TYPES = ("keypoints", "joints", "bbox")
_PCK, _PCKH = (0.2,), (0.5,)


class CocoMetric(Metric):
    """COCO's twelve box statistics and, with joints, its ten keypoint statistics, with the sigmas of the configured keypoints,
    and measures of joint distances. If classes have joints of their own, each is evaluated by these; classes without joints have
    box statistics only.

    - ``keypoints/``: AP, AP50, AP75, APm, APl, AR, AR50, AR75, ARm, ARl. AP and AR are means over ten thresholds of the object keypoint
      similarity, 0.50, 0.55, ..., 0.95. AP50 and AP75 use the threshold 0.50 or 0.75. APm counts objects with an area of 32x32 to 96x96
      pixels, APl larger ones.
    - ``bbox/``: AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl. These are defined in the same way, with thresholds of the
      intersection over union. APs counts objects below 32x32 pixels. AR1, AR10 and AR100 use the best 1, 10 and 100 detections per image.
    - ``joints/``: PCK@0.2, AUC, mean_error, median_error, normalised_error, found, see
      :class:`~mindpoint_coco.metrics.distances.Measures`; mean_error and median_error are in pixels of the image.

    AP and AR are in 0..1 and averaged over the classes. The main statistic is the first one of the first type.

    Args:
        classes: class names; provided by the run.
        keypoints: the joints; provided by the run if the configuration has them.
        types: groups of statistics among ``keypoints``, ``joints`` and ``bbox``, the main one first. By default all possible ones, in this
            order.
        max_detections: maximum number of detections per image in the keypoint statistics, best first.
        round_results: write numbers with two decimals, as the official implementation does. Rounding makes some scores equal, which changes
            the statistics.
        per_class: add AP and AR of each class, as ``bbox/AP/dog`` and ``bbox/AR/dog``; for boxes AR is AR100.
        engine: the evaluation library: ``faster`` (faster-coco-eval) or ``pycocotools``, with the same results; ``auto``: the first that is
            installed.
        length: the length of an object in PCK, AUC and normalised_error, see :class:`~mindpoint_coco.metrics.lengths.Length`. By default
            ``torso`` if the joints have shoulders and hips, otherwise ``box``.
        pck: shares of that length within which a joint is correct, positive. By default 0.5 for ``head`` (PCKh), 0.2 for other lengths.
        per_joint: add the measures of each joint, as ``joints/mean_error/nose``.
        crowding: add AP of easy, medium and hard images as in CrowdPose's evaluation, as ``keypoints/AP(E)``, ``AP(M)``, ``AP(H)``;
            see :mod:`mindpoint_coco.metrics.crowding`.
    """

    def __init__(
        self,
        classes: Sequence[str],
        keypoints: Optional[Keypoints] = None,
        types: Optional[Sequence[str]] = None,
        max_detections: int = 20,
        round_results: bool = False,
        per_class: bool = False,
        engine: Engine = "auto",
        length: Optional[Said] = None,
        pck: Optional[Sequence[float]] = None,
        per_joint: bool = False,
        crowding: bool = False,
    ) -> None:
        self._sets = joint_sets(keypoints, classes)
        there = [name for name in _TYPES if name == "bbox" or self._sets]
        types = there if types is None else types
        unknown = [name for name in types if name not in there]
        if unknown or not types:
            hint = "" if set(unknown).isdisjoint(_TYPES) else "; keypoint statistics need the section 'keypoints'"
            raise ConfigError(f"CocoMetric.types: {', '.join(map(repr, unknown)) or 'empty'}; choose among {', '.join(there)}{hint}")
        if engine not in get_args(Engine):
            raise ConfigError(f"CocoMetric.engine: '{engine}' is not one of {', '.join(get_args(Engine))}")
        if max_detections < 1:
            raise ConfigError(f"CocoMetric.max_detections is {max_detections}; it must be at least 1")
        self._keypoints, self._classes, self._types = keypoints, list(classes), list(types)
        self._max_detections, self._round, self._engine = max_detections, round_results, engine
        self._per_class, self._per_joint, self._crowding = per_class, per_joint, crowding and "keypoints" in self._types
        self._sets = [] if self._types == ["bbox"] else self._sets
        self._joints = {name: len(each.joints) for each in self._sets for name in each.classes}
        self._measures = self._measured(length, pck) if "joints" in self._types else None
        self._name_statistics()

    def _measured(self, length: Optional[Said], pck: Optional[Sequence[float]]) -> Measures:
        chosen = [Length(length, each.joints) for each in self._sets]
        shares = sorted(pck if pck is not None else _PCKH if chosen[0].said == "head" else _PCK)
        if not shares or not shares[0] > 0:
            raise ConfigError(f"CocoMetric.pck: {list(shares)} is not allowed; it must contain positive numbers, such as [0.2]")
        return Measures(chosen, shares, self._keypoints.names)

    def _name_statistics(self) -> None:
        of_levels = [f"AP({level})" for level in LEVELS] if self._crowding else []
        names = {"keypoints": [*NAMES["keypoints"], *of_levels], "bbox": [*NAMES["bbox"]]}
        for kind, classes in (("keypoints", self._joints), ("bbox", self._classes)) if self._per_class else ():
            names[kind] += [f"{what}/{name}" for name in classes for what in _OF_CLASSES]
        if self._measures is not None:
            each = self._keypoints.names if self._per_joint else ()
            names["joints"] = [*self._measures.statistics, *(f"{what}/{name}" for name in each for what in self._measures.statistics)]
        self.statistics = [f"{kind}/{name}" for kind in self._types for name in names[kind]]
        self.main = self.statistics[0]

    def detailed(self) -> "CocoMetric":
        """See :class:`Metric`. Includes the statistics of each joint and, if there are several, of each class."""
        other = copy.copy(self)
        other._per_joint, other._per_class = True, self._per_class or len(self._classes) > 1
        other._name_statistics()
        return other

    def results(self, detections: Mapping[int, Detections], ground_truth: Optional[dict] = None) -> List[dict]:
        """See :class:`Metric`. A record has ``image_id``, ``category_id``, ``bbox`` (left, top, width, height), ``score`` and the values of
        the detections' fields, such as ``keypoints`` (x, y, 1 per joint), in image pixels. All detections are written, even the weakest."""
        category_ids = self._category_ids(ground_truth) if ground_truth is not None else list(range(1, len(self._classes) + 1))
        decimals = 2 if self._round else None
        return [record for image_id, found in detections.items() for record in to_coco(found, int(image_id), category_ids, decimals)]

    def evaluate(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> Dict[str, float]:
        """See :class:`Metric`. Results of images or categories that the ground truth lacks are ignored.

        The arguments are not changed. The area of the box replaces a missing ``area``. An object without ``iscrowd`` is not a crowd, and an
        object without ``keypoints`` has no labelled joint.

        Raises:
            DataError: a keypoint list has the wrong length for the configured joints, or a class is not among the categories.
        """
        task = self._task(ground_truth, image_ids)
        known = self._known(task, results)

        def curves(kind: str, counts: np.ndarray) -> Curves:
            chosen = [image_id for image_id, count in zip(task.image_ids, counts) if count]
            return self._curves(kind, replace(task, image_ids=chosen), known)

        return self._values(task, known, curves)(np.ones(len(task.image_ids), int))

    def resampler(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> Callable[[np.ndarray], Dict[str, float]]:
        """See :class:`Metric`. Objects are matched once, by pycocotools."""
        task = self._task(ground_truth, image_ids)
        known = self._known(task, results)
        drawn = {kind: [resample.resampler(part, kind, known) for part in self._tasks(kind, task)] for kind in self._kinds(known)}
        return self._values(task, known, lambda kind, counts: joined([part(counts) for part in drawn[kind]]))

    def _tasks(self, kind: str, task: Task) -> List[Task]:
        """Return the tasks of a kind of statistics: keypoints are compared with the joints and tolerances of each set."""
        return [task] if kind == "bbox" else [part.task for part in self._pose_tasks(task)]

    def _pose_tasks(self, task: Task) -> List[PoseTask]:
        return pose_tasks(task, self._sets, self._classes)

    def _curves(self, kind: str, task: Task, results: Sequence[dict]) -> Curves:
        return joined([part.curves(kind, results) for part in self._tasks(kind, task)])

    def _values(
        self, task: Task, results: Sequence[dict], curves: Callable[[str, np.ndarray], Curves]
    ) -> Callable[[np.ndarray], Dict[str, float]]:
        """Return a function that computes all statistics, given how often each image counts.

        Args:
            curves: function that returns the curves of ``keypoints`` or ``bbox``.
        """
        kinds = self._kinds(results)
        crowded = levels(task.truth, task.image_ids) if self._crowding else {}
        parts: Dict[str, JointErrors] = {}
        if self._measures is not None:
            parts = {"": self._measures.errors(self._pose_tasks(task), results)}
            each = self._measures.of_each(parts[""]) if self._per_joint else {}
            parts.update((f"/{name}", joints) for name, joints in each.items())

        def values(counts: np.ndarray) -> Dict[str, float]:
            found = dict.fromkeys(self.statistics, float("nan"))
            for kind in kinds:
                found.update(self._of_kind(kind, curves(kind, counts), task.category_ids))
            for level, inside in crowded.items():
                found[f"keypoints/AP({level})"] = curves("keypoints", counts * inside).mean("precision")
            for part, joints in parts.items():
                found.update((f"joints/{name}{part}", value) for name, value in self._measures.values(joints, counts).items())
            return found

        return values

    def _of_kind(self, kind: str, curves: Curves, category_ids: Sequence[int]) -> Dict[str, float]:
        values = statistics(kind, curves)
        for key, name in zip(category_ids, self._classes) if self._per_class else ():
            if key not in curves.category_ids:
                continue
            values.update((f"{kind}/{short}/{name}", curves.mean(what, category_id=key)) for short, what in _OF_CLASSES.items())
        return values

    def table(self, stats: Mapping[str, float]) -> str:
        """See :class:`Metric`. Two lines per type, names and values, then a line for each class or joint."""
        return text.table(stats, {"joints": self._measures.text} if self._measures is not None else {})

    def diagnose(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> List[str]:
        """See :class:`Metric`."""
        wanted, categories = set(image_ids), self._category_ids(ground_truth)
        annotations = [a for a in ground_truth["annotations"] if a["image_id"] in wanted and a["category_id"] in set(categories)]
        keypoints = "keypoints" in self._types
        notes = diagnosis.of_truth(annotations, len(ground_truth["annotations"]), len(wanted), self._classes, keypoints)
        ids = dict(zip(self._classes, categories))
        for each in self._sets if keypoints else ():
            own = {ids[name] for name in each.classes}
            notes += diagnosis.of_sigmas(each.joints, [record for record in annotations if record["category_id"] in own])
        found = diagnosis.of_results(results, image_ids, categories)
        if not found:
            task = self._task(ground_truth, image_ids)
            known = self._known(task, results)
            if keypoints:
                parts = [
                    pose_groups(part.truth, known, image_ids, part.category_ids, part.sigmas, self._max_detections)
                    for part in self._tasks("keypoints", task)
                ]
                found += diagnosis.of_places("keypoint similarity", itertools.chain(*parts))
            if "bbox" in self._kinds(known):
                found += diagnosis.of_places("box overlap", box_groups(task.truth, known, image_ids, categories, MOST))
        return notes + found

    def analyse(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> Analysis:
        """See :class:`Metric`. With keypoints: curves and tables by error and joint (:mod:`mindpoint_coco.metrics.errors`), otherwise by
        error and class (:mod:`mindpoint_coco.metrics.box_errors`); distances of joints."""
        task = self._task(ground_truth, image_ids)
        known = self._known(task, results)
        curves = {kind: self._curves(kind, task, known) for kind in self._kinds(known)}
        if "keypoints" in curves:
            analysis = analyse(self._pose_tasks(task), known, curves)
        else:
            analysis = analyse_boxes(task, known, curves["bbox"], self._classes) if curves else Analysis()
        return self._with_distances(analysis, task, known)

    def _with_distances(self, analysis: Analysis, task: Task, results: Sequence[dict]) -> Analysis:
        if self._measures is None:
            return analysis
        errors, images = self._measures.errors(self._pose_tasks(task), results), len(task.image_ids)
        tables = [*analysis.tables, self._measures.table(errors, images)]
        return replace(analysis, tables=tables, charts=[*analysis.charts, self._measures.chart(errors, images)])

    def read_results(self, path: str, ground_truth: dict) -> List[dict]:
        """See :class:`Metric`. Every record must have a box or, if keypoints are evaluated, the configured joints, and ids that the ground
        truth's file has. Results of other images and classes than the configuration's are read, but do not count, see :meth:`diagnose`."""
        records = result_file.read_results(path)
        known = {kind: [record["id"] for record in ground_truth[kind]] for kind in ("images", "categories")}
        known.update(ground_truth.get("listed", {}))
        joints = {**dict.fromkeys(known["categories"], self._common()), **self._joints_of(self._category_ids(ground_truth))}
        result_file.check_results(records, path, joints, known["images"], known["categories"])
        return records

    def submission(self, results: Sequence[dict], data: str) -> Tuple[str, List[dict]]:
        """See :class:`Metric`. COCO's keypoint server, or its detection server without keypoints: the best results of an image and class
        (``max_detections``, or 100 boxes), in hundredths of a pixel."""
        name = result_file.submission_name(data, bool(self._joints))
        records = result_file.for_server(results, self._max_detections if self._joints else MOST)
        result_file.check_results(records, name, dict.fromkeys((record["category_id"] for record in records), self._common()))
        return name, records

    def _category_ids(self, ground_truth: dict) -> List[int]:
        """Return the category id by label."""
        by_name = {category["name"]: category["id"] for category in ground_truth["categories"]}
        missing = [name for name in self._classes if name not in by_name]
        if missing:
            raise DataError(
                f"The ground truth has no category {', '.join(map(repr, missing))}; "
                f"it has {', '.join(map(repr, by_name)) or 'no categories'}. "
                "Set 'classes' to names of categories in the annotation file."
            )
        return [by_name[name] for name in self._classes]

    def _task(self, ground_truth: dict, image_ids: Sequence[int]) -> Task:
        """Return the task on completed copies: the evaluation changes the annotations, and treats id 0 as unmatched."""
        annotations, joints = [], self._joints_of(self._category_ids(ground_truth))
        for number, original in enumerate(ground_truth["annotations"], start=1):
            annotation = {"iscrowd": 0, **original, "id": number}
            annotation.setdefault("area", annotation["bbox"][2] * annotation["bbox"][3])
            count = joints.get(original["category_id"])
            if count:
                annotation["keypoints"] = original.get("keypoints") or [0] * 3 * count
                annotation.setdefault("num_keypoints", diagnosis.labelled(annotation))
                check_length(annotation, count, f"annotation {original.get('id', number)}")
            annotations.append(annotation)
        truth = {"images": list(ground_truth["images"]), "annotations": annotations, "categories": list(ground_truth["categories"])}
        return Task(truth, list(image_ids), self._category_ids(ground_truth), None, self._max_detections, self._engine)

    def _common(self) -> int:
        """Return the number of joints of every class, 0 where classes have joints of their own."""
        return len(self._sets[0].joints) if len(self._sets) == 1 else 0

    def _joints_of(self, category_ids: Sequence[int]) -> Dict[int, int]:
        """Return the number of joints by category id, of the classes that have joints."""
        return {number: self._joints[name] for number, name in zip(category_ids, self._classes) if name in self._joints}

    def _known(self, task: Task, results: Sequence[dict]) -> List[dict]:
        images, classes = {image["id"] for image in task.truth["images"]}, set(task.category_ids)
        known = [result for result in results if result["image_id"] in images and result["category_id"] in classes]
        joints = self._joints_of(task.category_ids)
        for result in known:
            if result["category_id"] in joints:
                check_length(result, joints[result["category_id"]], f"a result of image {result['image_id']}")
        return known

    def _kinds(self, results: Sequence[dict]) -> List[str]:
        """Return the types of statistics that these results allow: results without boxes have no box statistics."""
        return [kind for kind in self._types if kind in NAMES and (kind != "bbox" or not results or "bbox" in results[0])]
