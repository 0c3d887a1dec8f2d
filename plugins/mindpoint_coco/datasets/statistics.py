"""Statistics of a data set: sizes of images and objects, objects per image and per class, labelled joints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional, Sequence

import numpy as np
from mindpoint.contracts.fields import Field
from mindpoint.errors import DataError

from mindpoint_coco.datasets.coco_check import joints_of
from mindpoint_coco.datasets.coco_mend import mended, without_hopeless
from mindpoint_coco.datasets.naming import Naming
from mindpoint_coco.datasets.rules import missing_list

_LARGE, _MEDIUM = 96, 32  # pixels squared that bound COCO's area ranges


@dataclass(frozen=True)
class Statistics:
    """The content of a COCO dictionary; N images, M objects that are not crowds.

    Attributes:
        classes: names by label.
        joints: names of the joints; may be empty.
        widths, heights: ``(N,)`` pixels.
        per_image: ``(N,)`` objects per image.
        images: ``(M,)`` number of each object's image, 0 to N - 1.
        labels: ``(M,)`` index into the classes.
        sides: ``(M,)`` square roots of the areas, pixels.
        shares: ``(M,)`` longer side of the box as a share of the image's longer side.
        ratios: ``(M,)`` width / height of the box.
        visibility: ``(M, J)`` of the joints: 0 not labelled, 1 hidden, 2 visible.
        owned: ``(M, J)`` bool, whether the object's class has the joint.
        crowds: boxes that hold a group.
        left_out: images and annotations that cannot be counted.
    """

    classes: Sequence[str]
    joints: Sequence[str]
    widths: np.ndarray
    heights: np.ndarray
    per_image: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    sides: np.ndarray
    shares: np.ndarray
    ratios: np.ndarray
    visibility: np.ndarray
    owned: np.ndarray
    crowds: int
    left_out: int

    @property
    def labelled(self) -> np.ndarray:
        """Return the number of labelled joints of each object, ``(M,)``."""
        return (self.visibility > 0).sum(axis=1)

    def summary(self) -> dict:
        """Return a summary for JSON."""
        return {
            "images": len(self.widths),
            "images_without_objects": int((self.per_image == 0).sum()),
            "objects": len(self.sides),
            "crowds": self.crowds,
            "left_out": self.left_out,
            "width": _five(self.widths),
            "height": _five(self.heights),
            "objects_an_image": _five(self.per_image),
            "side": _five(self.sides),
            "share_of_image": _five(self.shares),
            "width_to_height": _five(self.ratios),
            "areas": {
                "small": int((self.sides < _MEDIUM).sum()),
                "medium": int(((self.sides >= _MEDIUM) & (self.sides < _LARGE)).sum()),
                "large": int((self.sides >= _LARGE).sum()),
            },
            "classes": {name: self._of_class(label) for label, name in enumerate(self.classes)},
            **(self._of_joints() if self.joints else {}),
        }

    def _of_class(self, label: int) -> dict:
        mine = self.labels == label
        return {
            "objects": int(mine.sum()),
            "images": len(np.unique(self.images[mine])),
            "side": _five(self.sides[mine]),
            "width_to_height": _five(self.ratios[mine]),
        }

    def _of_joints(self) -> dict:
        labelled = self.labelled > 0
        columns = [column[own] for column, own in zip(self.visibility[labelled].T, self.owned[labelled].T)]
        return {
            "objects_without_joints": int((~labelled & self.owned.any(axis=1)).sum()),
            "joints_labelled": _five(self.labelled[labelled]),
            "joints": {
                name: {"visible": int((column == 2).sum()), "hidden": int((column == 1).sum()), "not_labelled": int((column <= 0).sum())}
                for name, column in zip(self.joints, columns)
            },
        }


def statistics(content: dict, naming: Naming, fields: Sequence[Field] = ()) -> Statistics:
    """Count the records as ``data check --fix`` would write them; those with a problem that cannot be fixed are left out.

    Args:
        naming: the classes, and the categories that have them.

    Raises:
        DataError: a list of images, annotations or categories is missing.
    """
    missing = missing_list(content)
    if missing:
        raise DataError(missing)
    all_records = mended(content, naming.names, fields, 1.0)
    content = without_hopeless(all_records, naming.names, fields)
    images = {record["id"]: record for record in content["images"]}
    labels = naming.labels(content["categories"])
    records = [record for record in content["annotations"] if record["category_id"] in labels]
    objects = [record for record in records if not record["iscrowd"]]
    boxes = np.array([record["bbox"] for record in objects], np.float64).reshape(-1, 4)
    longer = np.array([max(images[record["image_id"]][side] for side in ("width", "height")) for record in objects])
    number = {image_id: place for place, image_id in enumerate(images)}
    where = np.array([number[record["image_id"]] for record in objects], np.int64)
    joints, kinds = joints_of(fields), [labels[record["category_id"]] for record in objects]
    visibility = _visibility(objects, joints)
    own = joints.owned if joints is not None else None
    return Statistics(
        classes=naming.classes,
        joints=joints.names if joints is not None else (),
        widths=np.array([record["width"] for record in images.values()]),
        heights=np.array([record["height"] for record in images.values()]),
        per_image=np.bincount(where, minlength=len(images)),
        images=where,
        labels=np.array(kinds, np.int64),
        sides=np.sqrt(np.array([record["area"] for record in objects], np.float64)),
        shares=boxes[:, 2:].max(axis=1, initial=0) / longer,
        ratios=boxes[:, 2] / boxes[:, 3],
        visibility=visibility,
        owned=np.ones(visibility.shape, bool) if own is None else own[np.array(kinds, np.int64)],
        crowds=len(records) - len(objects),
        left_out=sum(len(all_records[kind]) - len(content[kind]) for kind in ("images", "annotations")),
    )


def _visibility(objects: Sequence[dict], joints: Optional[Field]) -> np.ndarray:
    if joints is None:
        return np.zeros((len(objects), 0))
    return np.array([joints.from_coco(record)[:, 2] for record in objects]).reshape(len(objects), len(joints.names))


def _five(values: np.ndarray) -> Dict[str, float]:
    """Return minimum, 5th percentile, median, 95th percentile and maximum; an empty dictionary without values."""
    if not len(values):
        return {}
    least, low, median, high, most = np.percentile(values, [0, 5, 50, 95, 100]).round(3).tolist()
    return {"min": least, "p5": low, "median": median, "p95": high, "max": most}
