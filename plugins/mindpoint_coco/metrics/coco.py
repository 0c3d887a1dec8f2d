"""Average precision and recall by COCO's rules."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Sequence, Tuple, get_args

import numpy as np
from mindpoint.contracts.analysis import Analysis
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.metric import Metric
from mindpoint.contracts.records import to_coco
from mindpoint.errors import ConfigError, DataError

from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics import diagnosis, result_file
from mindpoint_coco.metrics.analysis import analyse
from mindpoint_coco.metrics.box_analysis import analyse_boxes
from mindpoint_coco.metrics.box_errors import MOST
from mindpoint_coco.metrics.evaluator import NAMES, Engine, Task, statistics
from mindpoint_coco.metrics.matching import box_groups, pose_groups

_OF_CLASSES = {"AP": "precision", "AR": "recall"}


class CocoMetric(Metric):
    """COCO's twelve box statistics and, with joints, its ten keypoint statistics, with the tolerances (sigmas) of the configured keypoints.

    ``keypoints/``: AP, AP50, AP75, APm, APl, AR, AR50, AR75, ARm, ARl, where AP and AR are means over object keypoint similarities of
    0.50 to 0.95 and m and l are objects of 32 to 96, and over 96, pixels squared. ``bbox/``: AP, AP50, AP75, APs, APm, APl, AR1, AR10,
    AR100, ARs, ARm, ARl, the same over intersection over union, with 1, 10 and 100 detections per image. All in 0..1. Several classes
    are averaged. The main statistic is AP of the first type.

    Args:
        classes: class names; provided by the run.
        keypoints: the joints; provided by the run if the configuration has them.
        types: which statistics, of ``keypoints`` and ``bbox``, the main one first. By default all possible ones, keypoints first.
        max_detections: maximum number of detections per image in the keypoint statistics, best first.
        round_results: write numbers with two decimals, as the official implementation does. Scores then tie, which changes the statistics.
        per_class: also AP and AR of each class, as ``bbox/AP/dog`` and ``bbox/AR/dog``; for boxes AR is AR100.
        engine: the evaluation library: ``faster`` (faster-coco-eval) or ``pycocotools``, with the same results; ``auto`` is the former.
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
    ) -> None:
        there = [name for name in NAMES if name == "bbox" or keypoints is not None and len(keypoints)]
        types = there if types is None else types
        unknown = [name for name in types if name not in there]
        if unknown or not types:
            hint = "; for keypoints the configuration needs a section 'keypoints'" if "keypoints" in unknown else ""
            raise ConfigError(f"CocoMetric.types: {', '.join(map(repr, unknown)) or 'empty'}; there are {', '.join(there)}{hint}")
        if engine not in get_args(Engine):
            raise ConfigError(f"CocoMetric.engine: '{engine}' is not one of {', '.join(get_args(Engine))}")
        if max_detections < 1:
            raise ConfigError(f"CocoMetric.max_detections is {max_detections}; it must be at least 1")
        self._keypoints, self._classes, self._types = keypoints, list(classes), list(types)
        self._max_detections, self._round, self._per_class, self._engine = max_detections, round_results, per_class, engine
        self._joints = len(keypoints) if "keypoints" in self._types else 0
        of_classes = [f"{what}/{name}" for name in classes for what in _OF_CLASSES] if per_class else []
        self.statistics = [f"{kind}/{name}" for kind in self._types for name in (*NAMES[kind], *of_classes)]
        self.main = f"{self._types[0]}/AP"

    def results(self, detections: Mapping[int, Detections], ground_truth: Optional[dict] = None) -> List[dict]:
        """See :class:`Metric`. A record has ``image_id``, ``category_id``, ``bbox`` (left, top, width, height), ``score`` and the values of
        the detections' fields, such as ``keypoints`` (x, y, 1 per joint), in image pixels. All detections are written, even the weakest."""
        category_ids = self._category_ids(ground_truth) if ground_truth is not None else list(range(1, len(self._classes) + 1))
        decimals = 2 if self._round else None
        return [record for image_id, found in detections.items() for record in to_coco(found, int(image_id), category_ids, decimals)]

    def evaluate(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> Dict[str, float]:
        """See :class:`Metric`. Results of images or categories that the ground truth does not have do not count.

        The arguments are not changed. An object without ``area`` has its box's, one without ``iscrowd`` is not a crowd, one
        without ``keypoints`` has no labelled joint.

        Raises:
            DataError: a keypoint list whose length does not fit the configured joints, or a class that is not among the categories.
        """
        task = self._task(ground_truth, image_ids)
        known = self._known(task, results)
        values: Dict[str, float] = dict.fromkeys(self.statistics, float("nan"))
        for kind in self._kinds(known):
            curves = task.curves(kind, known)
            values.update(statistics(kind, curves))
            if self._per_class:
                values.update(
                    (f"{kind}/{short}/{name}", curves.mean(what, category_id=key))
                    for key, name in zip(task.category_ids, self._classes)
                    for short, what in _OF_CLASSES.items()
                )
        return values

    def table(self, stats: Mapping[str, float]) -> str:
        """See :class:`Metric`. Two lines per type, names and values, then AP and AR of each class, a line per class."""
        lines = []
        for kind in dict.fromkeys(name.split("/")[0] for name in stats):
            row = {name.split("/", 1)[1]: _said(value) for name, value in stats.items() if name.startswith(kind + "/")}
            whole = {name: value for name, value in row.items() if "/" not in name}
            lines.append(f"{kind:<10}" + "".join(f"{name:>7}" for name in whole))
            lines.append(" " * 10 + "".join(f"{value:>7}" for value in whole.values()))
            names = dict.fromkeys(name.split("/", 1)[1] for name in row if "/" in name)
            lines += [" " * 10 + "".join(f"{what:>7}" for what in _OF_CLASSES) + "  class"] if names else []
            lines += [" " * 10 + "".join(f"{row[f'{what}/{name}']:>7}" for what in _OF_CLASSES) + f"  {name}" for name in names]
        return "\n".join(lines)

    def diagnose(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> List[str]:
        """See :class:`Metric`."""
        wanted, categories = set(image_ids), self._category_ids(ground_truth)
        annotations = [a for a in ground_truth["annotations"] if a["image_id"] in wanted and a["category_id"] in set(categories)]
        keypoints = "keypoints" in self._types
        notes = diagnosis.of_truth(annotations, len(ground_truth["annotations"]), len(wanted), self._classes, keypoints)
        notes += diagnosis.of_sigmas(self._keypoints, annotations) if keypoints else []
        found = diagnosis.of_results(results, image_ids, categories)
        if not found:
            task = self._task(ground_truth, image_ids)
            known = self._known(task, results)
            if keypoints:
                poses = pose_groups(task.truth, known, image_ids, categories, task.sigmas, self._max_detections)
                found += diagnosis.of_places("keypoint similarity", poses)
            if "bbox" in self._kinds(known):
                found += diagnosis.of_places("box overlap", box_groups(task.truth, known, image_ids, categories, MOST))
        return notes + found

    def analyse(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> Analysis:
        """See :class:`Metric`. With keypoints curves, tables by error and joint (:mod:`mindpoint_coco.metrics.errors`), otherwise by error
        and class (:mod:`mindpoint_coco.metrics.box_errors`)."""
        task = self._task(ground_truth, image_ids)
        known = self._known(task, results)
        curves = {kind: task.curves(kind, known) for kind in self._kinds(known)}
        if "keypoints" in curves:
            return analyse(task, known, curves, self._keypoints)
        return analyse_boxes(task, known, curves["bbox"], self._classes) if curves else Analysis()

    def read_results(self, path: str, ground_truth: dict) -> List[dict]:
        """See :class:`Metric`. Every record must have a box or, if keypoints are evaluated, the configured joints, and ids that the ground
        truth's file has. Those of images and classes that the configuration leaves out are read, but do not count, see :meth:`diagnose`."""
        records = result_file.read_results(path)
        known = {kind: [record["id"] for record in ground_truth[kind]] for kind in ("images", "categories")}
        known.update(ground_truth.get("listed", {}))
        result_file.check_results(records, path, self._joints, known["images"], known["categories"])
        return records

    def submission(self, results: Sequence[dict], data: str) -> Tuple[str, List[dict]]:
        """See :class:`Metric`. COCO's keypoint server, or its detection server without keypoints: the best results of an image and class
        (``max_detections``, or 100 boxes), in hundredths of a pixel."""
        name = result_file.submission_name(data, bool(self._joints))
        records = result_file.for_server(results, self._max_detections if self._joints else MOST)
        result_file.check_results(records, name, self._joints)
        return name, records

    def _category_ids(self, ground_truth: dict) -> List[int]:
        """Return the category id by label."""
        by_name = {category["name"]: category["id"] for category in ground_truth["categories"]}
        missing = [name for name in self._classes if name not in by_name]
        if missing:
            raise DataError(
                f"The ground truth has no category {', '.join(map(repr, missing))}; "
                f"it has {', '.join(map(repr, by_name)) or 'no categories'}. "
                "Let 'classes' of the configuration name the categories of the annotation file."
            )
        return [by_name[name] for name in self._classes]

    def _task(self, ground_truth: dict, image_ids: Sequence[int]) -> Task:
        """Return the task around completed copies: the evaluation writes into the annotations, and takes id 0 for unmatched."""
        annotations = []
        for number, original in enumerate(ground_truth["annotations"], start=1):
            annotation = {"iscrowd": 0, **original, "id": number}
            annotation.setdefault("area", annotation["bbox"][2] * annotation["bbox"][3])
            if self._joints:
                annotation["keypoints"] = original.get("keypoints") or [0] * 3 * self._joints
                annotation.setdefault("num_keypoints", diagnosis.labelled(annotation))
                self._check_length(annotation, f"annotation {original.get('id', number)}")
            annotations.append(annotation)
        truth = {"images": list(ground_truth["images"]), "annotations": annotations, "categories": list(ground_truth["categories"])}
        sigmas = self._keypoints.sigmas if self._joints else None
        return Task(truth, list(image_ids), self._category_ids(ground_truth), sigmas, self._max_detections, self._engine)

    def _known(self, task: Task, results: Sequence[dict]) -> List[dict]:
        images, classes = {image["id"] for image in task.truth["images"]}, set(task.category_ids)
        known = [result for result in results if result["image_id"] in images and result["category_id"] in classes]
        if self._joints:
            for result in known:
                self._check_length(result, f"a result of image {result['image_id']}")
        return known

    def _kinds(self, results: Sequence[dict]) -> List[str]:
        """Return the types of statistics that these results allow: results of keypoints alone have no boxes to be measured."""
        return [kind for kind in self._types if kind != "bbox" or not results or "bbox" in results[0]]

    def _check_length(self, record: dict, name: str) -> None:
        if len(record["keypoints"]) != 3 * self._joints:
            raise DataError(
                f"{name} has {len(record['keypoints'])} keypoint numbers; the {self._joints} joints of the configuration need "
                f"{3 * self._joints} (x, y, v each). Let 'keypoints.names' name the joints of the annotation file."
            )


def _said(value: float) -> str:
    return "n/a" if np.isnan(value) else format(value, ".3f")
