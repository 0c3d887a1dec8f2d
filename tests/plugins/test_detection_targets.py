"""Tests of the detection encoder beyond the official rules: crowds, sizes per class, pictures."""

import numpy as np
import pytest
from mindpoint.contracts.image import InputSpec, Sample, View
from mindpoint.contracts.instances import Objects
from mindpoint.errors import ConfigError
from mindpoint_centernet.targets.detection import DetectionTargets

SPEC = InputSpec(size=(64, 96), mean=[0.4, 0.4, 0.4], std=[0.3, 0.3, 0.3])
CLASSES = ["cup", "dog"]


def sample_of(boxes, labels, crowd):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    objects = Objects(boxes, np.array(labels, int), crowd=np.array(crowd, bool))
    return Sample(1, "a", np.full((64, 96, 3), 90, np.uint8), objects, View(crop_center=(48.0, 32.0), crop_size=96.0))


def test_crowds_take_no_slot_and_do_not_train_but_for_peaks():
    sample = sample_of([[8, 8, 40, 40], [20, 20, 28, 28]], [1, 0], [True, False])
    ignoring, official = DetectionTargets(CLASSES, SPEC)(sample), DetectionTargets(CLASSES, SPEC, crowds="objects")(sample)
    assert ignoring["reg_mask"].tolist()[:2] == [1, 0] and official["reg_mask"].tolist()[:3] == [1, 1, 0]
    np.testing.assert_array_equal(ignoring["wh"][0], [2, 2])
    assert "hm_weight" not in official and official["hm"][1, 6, 6] == 1 and not ignoring["hm"][1].any()
    weight = ignoring["hm_weight"][0]
    assert weight[6, 6] == 1 and weight[3, 3] == 0 and weight[9, 9] == 0 and weight[12, 12] == 1
    assert weight.sum() == 16 * 24 - 9 * 9 + (ignoring["hm"][0][2:11, 2:11] > 0).sum()


def test_sizes_by_class_lie_in_the_columns_of_the_class():
    found = DetectionTargets(CLASSES, SPEC, class_sizes=True)(sample_of([[8, 8, 40, 24], [48, 16, 56, 48]], [1, 0], [False] * 2))
    np.testing.assert_array_equal(found["wh"][:3], [[0, 0, 8, 4], [2, 8, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(found["wh_mask"][:3], [[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]])


def test_dense_sizes_are_those_of_the_highest_peak():
    """A peak of radius 3 at pixel (12, 7) of a box of 20 x 10 and, of the other class, one of radius 0 beside it, at (13, 7)."""
    sample = sample_of([[8, 8, 88, 48], [50, 26, 54, 30]], [1, 0], [False] * 2)
    found = DetectionTargets(CLASSES, SPEC, dense_sizes="whole")(sample)
    assert "wh" not in found and found["dense_wh"].shape == found["dense_wh_mask"].shape == (2, 16, 24)
    peak = found["hm"].max(axis=0)
    np.testing.assert_array_equal(found["dense_wh_mask"], [peak, peak])
    inside = np.zeros((16, 24), bool)
    inside[4:11, 9:16] = True
    np.testing.assert_array_equal(peak > 0, inside)
    wide = inside.copy()
    wide[7, 13] = False
    sizes = np.array([[20, 10], [1, 1]])[:, :, None, None]
    np.testing.assert_array_equal(found["dense_wh"], sizes[0] * wide + sizes[1] * (inside & ~wide))


def test_official_dense_sizes_have_holes_where_rounding_went_up():
    sample = sample_of([[8, 8, 88, 48]], [1], [False])
    whole, official = (DetectionTargets(CLASSES, SPEC, dense_sizes=which)(sample) for which in ("whole", "official"))
    np.testing.assert_array_equal(whole["hm"], official["hm"])
    exact = np.exp(-((np.arange(24) - 12.0) ** 2 + (np.arange(16)[:, None] - 7.0) ** 2) / (2 * (7 / 6) ** 2))
    written = (official["hm"][1] > 0) & (exact >= exact.astype(np.float32))
    np.testing.assert_array_equal(official["dense_wh"][0] > 0, written)
    assert 0.3 < written.sum() / (whole["dense_wh"][0] > 0).sum() < 0.7 and written[7, 12]


def test_peaks_of_fixed_width_end_at_three_deviations():
    found = DetectionTargets(CLASSES, SPEC, center_sigma=1.5)(sample_of([[32, 24, 36, 28]], [0], [False]))["hm"][0]
    np.testing.assert_array_equal(np.flatnonzero(found.any(axis=0)), np.arange(8 - 4, 8 + 5))
    np.testing.assert_allclose(found[6, 4:9], np.exp(-(np.arange(-4, 1.0) ** 2) / 4.5), rtol=1e-6)


def test_without_offsets():
    encode = DetectionTargets(CLASSES, SPEC, reg=False)
    sample = sample_of([[8, 8, 40, 24]], [1], [False])
    assert set(encode(sample)) == {"hm", "wh", "ind", "reg_mask", "hm_weight"} and set(encode.perfect_outputs(sample)) == {"hm", "wh"}
    assert encode.pictures(sample, encode(sample))


@pytest.mark.parametrize("options", [{}, {"class_sizes": True}, {"dense_sizes": "whole"}])
def test_pictures(options):
    encode = DetectionTargets(CLASSES, SPEC, **options)
    sample = sample_of([[8, 8, 40, 24]], [1], [False])
    pictures = encode.pictures(sample, encode(sample))
    assert list(pictures) == ["boxes to regress", "centre heatmap", "ignored: grey"]
    plain = encode.pictures(sample_of([], [], []), encode(sample_of([], [], [])))
    drawn = np.nonzero((pictures["boxes to regress"] != plain["boxes to regress"]).any(axis=2))
    for edge, wanted in ((drawn[1].min(), 8), (drawn[1].max(), 40), (drawn[0].max(), 24)):
        assert abs(edge - 7.5 * wanted) <= 5  # 480 pixels for 64
    green = pictures["centre heatmap"][..., 1].astype(int) - pictures["centre heatmap"][..., 2]
    assert np.unravel_index(green.argmax(), green.shape)[0] // 30 == 4 and green[400, 600] == 0


def test_arguments():
    with pytest.raises(ConfigError, match="crowds: 'drop' is not one of ignore, objects"):
        DetectionTargets(CLASSES, SPEC, crowds="drop")
    with pytest.raises(ConfigError, match="max_objects 0 must be at least 1"):
        DetectionTargets(CLASSES, SPEC, max_objects=0)
    with pytest.raises(ConfigError, match="set only one of class_sizes .* and dense_sizes"):
        DetectionTargets(CLASSES, SPEC, class_sizes=True, dense_sizes="official")
    with pytest.raises(ConfigError, match="dense_sizes: 'torn' is not one of whole, official"):
        DetectionTargets(CLASSES, SPEC, dense_sizes="torn")
    with pytest.raises(ConfigError, match="center_sigma: 0 is not allowed; it must be positive"):
        DetectionTargets(CLASSES, SPEC, center_sigma=0)
    with pytest.raises(ConfigError, match="not a multiple of the targets' stride 7"):
        DetectionTargets(CLASSES, SPEC, stride=7)
