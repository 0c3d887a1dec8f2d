"""Objects and detections with joints, made from arrays."""

import numpy as np
from mindpoint.contracts.instances import Detections, Objects
from mindpoint_coco.keypoints import Keypoints


def _set_of(joints):
    return Keypoints([f"joint{number}" for number in range(joints)])


def annotated(boxes, joints, keypoints=None, **arguments):
    """Objects of class 0 with joints ``(N, J, 3)``; ``keypoints`` says what the joints are, if that matters."""
    joints = np.array(joints, np.float32)
    fields = ((keypoints or _set_of(joints.shape[1])).annotated(),)
    boxes = np.array(boxes, np.float32)
    return Objects(boxes, np.zeros(len(boxes), np.int64), fields=fields, values={"keypoints": joints}, **arguments)


def detected(boxes, scores, labels, points, keypoints=None):
    """Detections with joints ``(N, J, 2)`` that are all sure and all from heatmaps."""
    rows, joints = points.shape[:2]
    values = {"keypoints": points, "keypoint_scores": np.ones((rows, joints), np.float32), "from_heatmap": np.ones((rows, joints), bool)}
    fields = (keypoints or _set_of(joints)).found()
    return Detections(boxes, scores, labels, fields, values)
