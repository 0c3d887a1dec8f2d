import numpy as np
import pytest
from joints import detected
from mindpoint_centernet.decoders.multi_pose import MultiPoseDecoder
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.nms import soft_nms
from mindpoint_parity import soft_nms as parity

# 10 pixels wide and high where a pixel counts whole; the second is moved by 5: overlap 50 of 150 pixels; the third is far away
BOXES = np.array([[0, 0, 9, 9], [5, 0, 14, 9], [100, 0, 109, 9]], np.float32)
DECAY = np.exp(-((1 / 3) ** 2) / 0.5)


def detections(boxes, scores, labels=None):
    count = len(scores)
    joints = np.arange(count, dtype=np.float32).repeat(4).reshape(count, 2, 2)  # tells which row it was
    labels = np.zeros(count, int) if labels is None else np.array(labels)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return detected(boxes, np.array(scores, np.float32), labels, joints)


def decoder(**settings):
    return MultiPoseDecoder(Keypoints(["a", "b"]), ["x", "y"], **settings)


def test_order_and_leftovers_of_the_reference(reference):
    rows = parity.check(reference)
    assert rows
    assert [row for row in rows if not row.error <= 1e-4] == []


def test_overlap_costs_score():
    result = soft_nms(BOXES, np.array([0.8, 0.9, 0.5]))
    assert result.rows.tolist() == [1, 0, 2] and result.live == 3
    assert result.scores == pytest.approx([0.9, 0.8 * DECAY, 0.5], rel=1e-5)


def test_a_row_without_overlap_stays_however_weak():
    assert soft_nms(BOXES, np.array([0.9, 1e-6, 1e-7])).live == 2


def test_arguments_stay_as_they_are():
    boxes, scores = BOXES.copy(), np.array([0.8, 0.9, 0.5], np.float32)
    soft_nms(boxes, scores)
    assert (boxes == BOXES).all() and scores == pytest.approx([0.8, 0.9, 0.5])


def test_merge_returns_live_rows_best_first_and_their_own_joints():
    first = detections(BOXES[[2]], [0.5])
    second = detections(BOXES[[0, 0, 1]], [0.9, 0.005, 0.8])  # the copy of a box keeps exp(-2) of its score
    merged = decoder().merge([first, second])
    assert merged.scores == pytest.approx([0.9, 0.8 * DECAY, 0.5], rel=1e-5)
    np.testing.assert_array_equal(merged.boxes, BOXES)
    assert merged.keypoints[:, 0, 0].tolist() == [0, 2, 0]  # rows of their parts


def test_stale_tail_holds_a_good_box_with_dropped_joints():
    parts = [detections(BOXES[[0, 0, 2]], [0.9, 0.005, 0.5])]
    merged = decoder(stale_tail=True).merge(parts)
    assert merged.scores == pytest.approx([0.9, 0.5, 0.5])
    np.testing.assert_array_equal(merged.boxes, BOXES[[0, 2, 2]])
    assert merged.keypoints[:, 0, 0].tolist() == [0, 2, 1]


def test_classes_do_not_suppress_each_other():
    merged = decoder().merge([detections(BOXES[[0, 0]], [0.9, 0.005], [0, 1])])
    assert merged.labels.tolist() == [0, 1] and merged.scores == pytest.approx([0.9, 0.005])


def test_nothing_to_merge():
    empty = detections(np.zeros((0, 4)), [])
    assert len(decoder().merge([empty, empty])) == 0
    assert len(decoder().merge([empty, detections(BOXES, [0.9, 0.8, 0.5])])) == 3
