"""Numbers on a keypoint data set: sizes of images and people, people an image, which joints are labelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Sequence

import numpy as np

from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.datasets.coco_check import check_content, mended

_LARGE, _MEDIUM = 96, 32  # pixels squared that bound COCO's area ranges


@dataclass(frozen=True)
class Statistics:
    """What a COCO dictionary holds; N images, M objects that are no crowds.

    Attributes:
        widths, heights: ``(N,)`` pixels.
        people: ``(N,)`` objects an image.
        sides: ``(M,)`` square roots of the areas, pixels.
        shares: ``(M,)`` longer side of the box as a share of the image's longer side.
        visibility: ``(M, J)`` of the joints: 0 not labelled, 1 hidden, 2 visible.
        crowds: boxes that hold a group.
        left_out: problems that keep records from being counted.
    """

    widths: np.ndarray
    heights: np.ndarray
    people: np.ndarray
    sides: np.ndarray
    shares: np.ndarray
    visibility: np.ndarray
    crowds: int
    left_out: int

    @property
    def labelled(self) -> np.ndarray:
        """``(M,)`` labelled joints an object."""
        return (self.visibility > 0).sum(axis=1)

    def summary(self, keypoints: Keypoints) -> dict:
        """The same in a few numbers, for JSON."""
        with_joints = self.visibility[self.labelled > 0]
        return {
            "images": len(self.widths),
            "images_without_people": int((self.people == 0).sum()),
            "people": len(self.sides),
            "people_without_joints": int((self.labelled == 0).sum()),
            "crowds": self.crowds,
            "left_out": self.left_out,
            "width": _five(self.widths),
            "height": _five(self.heights),
            "people_an_image": _five(self.people),
            "side": _five(self.sides),
            "share_of_image": _five(self.shares),
            "areas": {
                "small": int((self.sides < _MEDIUM).sum()),
                "medium": int(((self.sides >= _MEDIUM) & (self.sides < _LARGE)).sum()),
                "large": int((self.sides >= _LARGE).sum()),
            },
            "joints_labelled": _five(self.labelled[self.labelled > 0]),
            "joints": {
                name: {"visible": int((column == 2).sum()), "hidden": int((column == 1).sum()), "not_labelled": int((column == 0).sum())}
                for name, column in zip(keypoints.names, with_joints.T)
            },
        }


def statistics(content: dict, classes: Sequence[str], keypoints: Keypoints) -> Statistics:
    """Count what ``data check --fix`` would make of the records; those with a problem that cannot be mended are left out.

    Raises:
        DataError: there are no lists of images, annotations and categories at all.
    """
    problems = check_content(content, classes, keypoints.names)
    hopeless = {problem.where for problem in problems if not problem.mendable}
    content = mended(content, classes, len(keypoints), 1.0)
    images = {record["id"]: record for record in _sound(content["images"], "image", hopeless)}
    wanted = {record["id"] for record in _sound(content["categories"], "category", set()) if record.get("name") in classes}
    records = [
        record
        for record in _sound(content["annotations"], "annotation", hopeless)
        if record["category_id"] in wanted and record["image_id"] in images
    ]
    objects = [record for record in records if not record["iscrowd"]]
    boxes = np.array([record["bbox"] for record in objects], np.float64).reshape(-1, 4)
    longer = np.array([max(images[record["image_id"]][side] for side in ("width", "height")) for record in objects])
    people: Dict[int, int] = dict.fromkeys(images, 0)
    for record in objects:
        people[record["image_id"]] += 1
    return Statistics(
        widths=np.array([record["width"] for record in images.values()]),
        heights=np.array([record["height"] for record in images.values()]),
        people=np.array(list(people.values())),
        sides=np.sqrt(np.array([record["area"] for record in objects], np.float64)),
        shares=boxes[:, 2:].max(axis=1, initial=0) / longer,
        visibility=np.array([record["keypoints"][2::3] for record in objects]).reshape(-1, len(keypoints)),
        crowds=len(records) - len(objects),
        left_out=len(hopeless),
    )


def _sound(records: list, kind: str, hopeless: set) -> List[dict]:
    """Records that no hopeless problem names; a problem begins with the kind and id of its record."""
    lost = {where.partition(" (")[0] for where in hopeless}
    return [record for record in records if isinstance(record, dict) and f"{kind} {record.get('id')}" not in lost]


def _five(values: np.ndarray) -> Dict[str, float]:
    """Least, 5th percentile, median, 95th percentile and most; nothing where there are no values."""
    if not len(values):
        return {}
    least, low, median, high, most = np.percentile(values, [0, 5, 50, 95, 100]).round(3).tolist()
    return {"min": least, "p5": low, "median": median, "p95": high, "max": most}
