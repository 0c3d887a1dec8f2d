"""Suppression by keypoint similarity."""

import numpy as np
import pytest
from joints import detected
from mindpoint.errors import ConfigError
from mindpoint_centernet.decoders.multi_pose import MultiPoseDecoder
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.nms import oks_nms

SIGMA = 0.05
BOX = [0.0, 0.0, 100.0, 100.0]
AT_HALF = 2 * SIGMA * 100 * np.sqrt(2 * np.log(2))  # exp(-d^2 / (2 * 100^2 * (2 sigma)^2)) = 0.5


def detections(points, scores, labels=None):
    count = len(scores)
    points = np.array(points, np.float32)
    labels = np.zeros(count, int) if labels is None else np.array(labels)
    return detected(np.array([BOX] * count, np.float32).reshape(-1, 4), np.array(scores, np.float32), labels, points)


@pytest.mark.parametrize("threshold, kept", [(0.49, [1, 2]), (0.51, [1, 0, 2])])
def test_the_weaker_of_two_alike_goes(threshold, kept):
    """Rows 0 and 1 have a similarity of one half, row 2 is far from both."""
    points = np.array([[[AT_HALF, 0]], [[0, 0]], [[60, 0]]])
    rows = oks_nms(points, np.array([BOX] * 3), np.array([0.6, 0.9, 0.5]), np.array([SIGMA]), threshold)
    assert rows.tolist() == kept


def test_one_that_went_suppresses_nothing():
    """Neighbours are alike, the outer two are not: the middle one goes, the last one stays."""
    points = np.array([[[0, 0]], [[AT_HALF, 0]], [[2 * AT_HALF, 0]]])
    assert oks_nms(points, np.array([BOX] * 3), np.array([0.9, 0.8, 0.7]), np.array([SIGMA]), 0.4).tolist() == [0, 2]


def test_merge_keeps_scores_and_classes_apart():
    decoder = MultiPoseDecoder(Keypoints(["a"], sigmas=[SIGMA]), ["x", "y"], suppression="oks", oks_threshold=0.5)
    first = detections([[[0, 0]], [[1, 0]]], [0.9, 0.8], [0, 1])
    second = detections([[[1, 0]]], [0.7], [0])
    merged = decoder.merge([first, second])
    assert merged.scores.tolist() == np.array([0.9, 0.8], np.float32).tolist() and merged.labels.tolist() == [0, 1]
    assert len(decoder.merge([detections(np.zeros((0, 1, 2)), [])])) == 0


@pytest.mark.parametrize("change", [dict(suppression="hard"), dict(oks_threshold=0.0)])
def test_bad_settings(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        MultiPoseDecoder(Keypoints(["a"]), ["x"], **change)
