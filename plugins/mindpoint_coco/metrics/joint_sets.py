"""The sets of joints of an evaluation: one for all classes, or one per class."""

from __future__ import annotations

from dataclasses import replace
from typing import List, NamedTuple, Optional, Sequence

from mindpoint.errors import DataError

from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics.evaluator import Task


class JointSet(NamedTuple):
    """Joints, and the classes that have them.

    Attributes:
        classes: names of the classes.
        joints: the joints of these classes.
        places: index of each joint among the joints of all classes.
    """

    classes: Sequence[str]
    joints: Keypoints
    places: Sequence[int]


class PoseTask(NamedTuple):
    """The evaluation of the classes of one set.

    Attributes:
        task: a task with only these classes, and the sigmas of their joints.
        joints, places: see :class:`JointSet`.
    """

    task: Task
    joints: Keypoints
    places: Sequence[int]


def joint_sets(keypoints: Optional[Keypoints], classes: Sequence[str]) -> List[JointSet]:
    """Return all sets in the order of the classes; classes without joints are in no set."""
    if keypoints is None or not len(keypoints):
        return []
    if keypoints.classes is None:
        return [JointSet(list(classes), keypoints, range(len(keypoints)))]
    return [JointSet([name], keypoints.of(name), keypoints.places[name]) for name in classes if len(keypoints.of(name))]


def pose_tasks(task: Task, sets: Sequence[JointSet], classes: Sequence[str]) -> List[PoseTask]:
    """Return the task of each set.

    Args:
        task: the task of all classes.
        classes: names of its categories, in their order.
    """
    ids = dict(zip(classes, task.category_ids))
    return [
        PoseTask(replace(task, category_ids=[ids[name] for name in each.classes], sigmas=each.joints.sigmas), each.joints, each.places)
        for each in sets
    ]


def check_length(record: dict, joints: int, name: str) -> None:
    """Raise DataError unless a record has as many joints as its class."""
    if len(record["keypoints"]) != 3 * joints:
        raise DataError(
            f"{name} has {len(record['keypoints'])} keypoint numbers, but the configuration's {joints} joints need "
            f"{3 * joints} (x, y, v each). Set 'keypoints.names' to the joints of the annotation file."
        )
