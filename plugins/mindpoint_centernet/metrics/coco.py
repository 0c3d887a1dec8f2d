"""Average precision and recall by COCO's rules, computed by pycocotools."""

from __future__ import annotations

import contextlib
import io
from typing import Dict, List, Mapping, Optional, Sequence

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mindpoint.contracts.data import Metric
from mindpoint.contracts.detections import Detections
from mindpoint.contracts.keypoints import Keypoints
from mindpoint.errors import ConfigError, DataError

_TYPES = ("keypoints", "bbox")


class CocoMetric(Metric):
    """COCO's ten keypoint and twelve box statistics, with the tolerances (sigmas) of the configured keypoints.

    ``keypoints/``: AP, AP50, AP75, APm, APl, AR, AR50, AR75, ARm, ARl, where AP and AR are means over object keypoint similarities of
    0.50 to 0.95 and m and l are objects of 32 to 96, and over 96, pixels squared. ``bbox/``: AP, AP50, AP75, APs, APm, APl, AR1, AR10,
    AR100, ARs, ARm, ARl, the same over intersection over union, with 1, 10 and 100 detections an image. All in 0..1. Several classes
    are averaged.

    Args:
        keypoints: the joints; provided by the run.
        classes: class names; provided by the run.
        types: which statistics, of ``keypoints`` and ``bbox``.
        max_detections: best detections of an image that count for the keypoint statistics.
        round_results: write numbers with two decimals, as the official implementation does. Scores then tie, which changes the statistics.
    """

    def __init__(
        self,
        keypoints: Keypoints,
        classes: Sequence[str],
        types: Sequence[str] = _TYPES,
        max_detections: int = 20,
        round_results: bool = False,
    ) -> None:
        unknown = [name for name in types if name not in _TYPES]
        if unknown or not types:
            raise ConfigError(f"CocoMetric.types: {', '.join(map(repr, unknown)) or 'empty'}; there are {', '.join(_TYPES)}")
        if max_detections < 1:
            raise ConfigError(f"CocoMetric.max_detections is {max_detections}; it must be at least 1")
        self._keypoints, self._classes, self._types = keypoints, list(classes), list(types)
        self._max_detections, self._round = max_detections, round_results

    def results(self, detections: Mapping[int, Detections], ground_truth: Optional[dict] = None) -> List[dict]:
        """See :class:`Metric`. A record has ``image_id``, ``category_id``, ``bbox`` (left, top, width, height), ``score`` and ``keypoints``
        (x, y, 1 a joint), in image pixels; every detection is written, the weakest too."""
        category_ids = self._category_ids(ground_truth) if ground_truth is not None else list(range(1, len(self._classes) + 1))
        decimals = 2 if self._round else None
        return [record for image_id, found in detections.items() for record in found.to_coco(int(image_id), category_ids, decimals)]

    def evaluate(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> Dict[str, float]:
        """See :class:`Metric`. Results of images or categories that the ground truth does not have do not count.

        The arguments are not changed. An object without ``area`` has its box's, one without ``iscrowd`` is no crowd, one without
        ``keypoints`` has none labelled.

        Raises:
            DataError: a keypoint list whose length does not fit the configured joints, or a class that is none of the categories.
        """
        category_ids = self._category_ids(ground_truth)
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
            truth = self._truth(ground_truth)
            found = self._found(truth, results)
            stats: Dict[str, float] = {}
            for kind in self._types:
                stats.update(_statistics(kind, self._run(kind, truth, found, category_ids, image_ids)))
        return stats

    def table(self, stats: Mapping[str, float]) -> str:
        """See :class:`Metric`. Two lines a type: names and values."""
        lines = []
        for kind in dict.fromkeys(name.split("/")[0] for name in stats):
            row = {name.split("/")[1]: value for name, value in stats.items() if name.startswith(kind + "/")}
            lines.append(f"{kind:<10}" + "".join(f"{name:>7}" for name in row))
            lines.append(" " * 10 + "".join(f"{'n/a' if np.isnan(value) else format(value, '.3f'):>7}" for value in row.values()))
        return "\n".join(lines)

    def diagnose(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> List[str]:
        """See :class:`Metric`."""
        wanted, categories = set(image_ids), set(self._category_ids(ground_truth))
        annotations = [a for a in ground_truth["annotations"] if a["image_id"] in wanted and a["category_id"] in categories]
        notes = []
        if not annotations:
            notes.append(
                f"None of the {len(ground_truth['annotations'])} annotations belongs to the {len(wanted)} evaluated images and the classes "
                f"{', '.join(self._classes)}: everything is undefined. Compare their image_id and category_id with images and categories."
            )
        elif "keypoints" in self._types and not any(_labelled(a) and not a.get("iscrowd") for a in annotations):
            notes.append(
                f"None of the {len(annotations)} annotations has a labelled keypoint (v > 0) and is no crowd: "
                "keypoint statistics are undefined."
            )
        unsized = sum("area" not in a for a in annotations)
        if unsized:
            notes.append(
                f"{unsized} of {len(annotations)} annotations have no 'area': their box's is used, "
                "which makes keypoint tolerances larger than COCO's."
            )
        if not results:
            notes.append("There is not a single detection: all is zero or undefined. Train longer, or check that the weights were loaded.")
        elif not any(r["image_id"] in wanted for r in results):
            notes.append(
                f"No result belongs to an evaluated image: results have image_id {results[0]['image_id']}, ..., "
                f"images {min(wanted, default='-')}, ..."
            )
        elif not any(r["category_id"] in categories for r in results):
            notes.append(
                f"No result has a category of an evaluated class: results have category_id {results[0]['category_id']}, ..., "
                f"classes {sorted(categories)}."
            )
        return notes

    def _category_ids(self, ground_truth: dict) -> List[int]:
        """Category id by label."""
        by_name = {category["name"]: category["id"] for category in ground_truth["categories"]}
        missing = [name for name in self._classes if name not in by_name]
        if missing:
            raise DataError(
                f"The ground truth has no category {', '.join(map(repr, missing))}; it has {', '.join(map(repr, by_name)) or 'none'}. "
                "Let 'classes' of the configuration name the categories of the annotation file."
            )
        return [by_name[name] for name in self._classes]

    def _truth(self, ground_truth: dict) -> COCO:
        """An index over completed copies: pycocotools writes into the annotations, and takes an object with id 0 for unmatched."""
        annotations = []
        for number, original in enumerate(ground_truth["annotations"], start=1):
            annotation = {"iscrowd": 0, "keypoints": [0] * 3 * len(self._keypoints), **original, "id": number}
            annotation.setdefault("area", annotation["bbox"][2] * annotation["bbox"][3])
            annotation.setdefault("num_keypoints", _labelled(annotation))
            self._check_length(annotation, f"annotation {original.get('id', number)}")
            annotations.append(annotation)
        coco = COCO()
        coco.dataset = {"images": list(ground_truth["images"]), "annotations": annotations, "categories": list(ground_truth["categories"])}
        coco.createIndex()
        return coco

    def _found(self, truth: COCO, results: Sequence[dict]) -> COCO:
        images = set(truth.getImgIds())
        known = [dict(result) for result in results if result["image_id"] in images]
        if "keypoints" in self._types:
            for result in known:
                self._check_length(result, f"a result of image {result['image_id']}")
        if known:
            return truth.loadRes(known)
        empty = COCO()
        empty.dataset = {**truth.dataset, "annotations": []}
        empty.createIndex()
        return empty

    def _check_length(self, record: dict, name: str) -> None:
        if len(record["keypoints"]) != 3 * len(self._keypoints):
            raise DataError(
                f"{name} has {len(record['keypoints'])} keypoint numbers; the {len(self._keypoints)} joints of the configuration need "
                f"{3 * len(self._keypoints)} (x, y, v each). Let 'keypoints.names' name the joints of the annotation file."
            )

    def _run(self, kind: str, truth: COCO, found: COCO, category_ids: Sequence[int], image_ids: Sequence[int]) -> COCOeval:
        run = COCOeval(truth, found, kind)
        run.params.imgIds, run.params.catIds = list(image_ids), list(category_ids)
        if kind == "keypoints":
            run.params.kpt_oks_sigmas = self._keypoints.sigmas
            run.params.maxDets = [self._max_detections]
        run.evaluate()
        run.accumulate()
        return run


def _labelled(annotation: dict) -> int:
    return sum(v > 0 for v in annotation.get("keypoints", [])[2::3])


def _statistics(kind: str, run: COCOeval) -> Dict[str, float]:
    """The statistics in pycocotools' order; its own summary knows no other number of detections than COCO's."""
    params = run.params
    areas = {name: place for place, name in enumerate(params.areaRngLbl)}
    # thresholds x recalls x classes x areas x detections, the second without recalls
    precision, recall = run.eval["precision"], run.eval["recall"]

    def mean(values: np.ndarray, area: str = "all", at: Optional[float] = None, detections: int = -1) -> float:
        chosen = values if at is None else values[np.isclose(params.iouThrs, at)]
        chosen = chosen[..., areas[area], detections]
        defined = chosen[chosen > -1]
        return float(defined.mean()) if defined.size else float("nan")

    stats = {"AP": mean(precision), "AP50": mean(precision, at=0.5), "AP75": mean(precision, at=0.75)}
    sizes = [name for name in ("small", "medium", "large") if name in areas]
    stats.update({f"AP{size[0]}": mean(precision, size) for size in sizes})
    if kind == "keypoints":
        stats.update({"AR": mean(recall), "AR50": mean(recall, at=0.5), "AR75": mean(recall, at=0.75)})
    else:
        stats.update({f"AR{count}": mean(recall, detections=place) for place, count in enumerate(params.maxDets)})
    stats.update({f"AR{size[0]}": mean(recall, size) for size in sizes})
    return {f"{kind}/{name}": value for name, value in stats.items()}
