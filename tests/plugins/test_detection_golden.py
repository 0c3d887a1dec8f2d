"""Object detection against numbers of the official implementation: targets, decoding, suppression, merging of scales."""

import numpy as np
import pytest
from mindpoint.contracts.image import View
from mindpoint.contracts.instances import Detections
from mindpoint_centernet.decoders.detection import DetectionDecoder
from mindpoint_parity import decode, merge, soft_nms, targets

CLASSES = [str(number) for number in range(80)]


@pytest.fixture(scope="module")
def decoding(golden_ctdet):
    with np.load(golden_ctdet / "decode.npz") as arrays:
        return dict(arrays)


def test_targets(reference_ctdet):
    """All 18 cases: kept resolution, made-up boxes, dense and class-wise sizes, squared error, no offsets. Non-zero cells are the same."""
    rows = targets.check(reference_ctdet)
    names = {row.case.split("/")[1] for row in rows}
    assert len({row.case.split("/")[0] for row in rows}) == 18
    assert {"gt_det", "input_mean_std", "dense_wh_index", "dense_wh_mask_index", "cat_spec_wh_index", "cat_spec_mask_index"} < names
    assert [row for row in rows if not row.error <= (1e-4 if row.case.endswith("/input_mean_std") else 1e-5)] == []


def test_decoding_and_mapping_to_the_image(reference_ctdet):
    rows = decode.check(reference_ctdet)
    wanted = {"dets", "dets_no_reg", "dets_k20", "post", "maps", "dets_flip"}
    assert {row.case for row in rows} == {f"case{case}/{name}" for case in range(3) for name in wanted}
    assert [row for row in rows if not row.error <= 1e-4] == []


def test_suppression_with_the_rows_that_are_left_over(reference_ctdet):
    rows = soft_nms.check(reference_ctdet)
    assert len(rows) == 8 and [row for row in rows if not row.error <= 1e-4] == []


def test_merging(reference_ctdet):
    rows = merge.check(reference_ctdet)
    cases = {f"merge_{name}/rows" for name in ("scales", "nms", "plain", "stale", "ties")}
    assert {row.case for row in rows} == cases | {f"merge_{name}/live rows" for name in ("scales", "nms", "stale")}
    assert [row for row in rows if not row.error <= 1e-4] == []


@pytest.mark.parametrize("official, scores", [(False, [0.9, 0.7, 0.4]), (True, [0.9, 0.7, 0.4, 0.4])])
def test_equal_scores_at_the_limit_stay_in_the_official_result_alone(official, scores):
    boxes = 100.0 * np.arange(5)[:, None] + np.array([0, 0, 10, 10])
    parts = [Detections(boxes, np.array([0.9, 0.4, 0.7, 0.4, 0.2]), np.zeros(5, int))]
    np.testing.assert_allclose(DetectionDecoder(CLASSES, limit=3, stale_tail=official).merge(parts).scores, scores, atol=1e-6)


def test_the_limit_holds_for_one_scale_too(decoding):
    maps = {name: decoding[f"case0/{name}"][None].astype(np.float32) for name in ("hm", "wh", "reg")}
    view = View(crop_center=(24.0, 16.0), crop_size=48.0)
    logits = DetectionDecoder(CLASSES).to_logits(maps)
    counts = [len(DetectionDecoder(CLASSES, **sizes)(logits, [view])[0]) for sizes in ({"top_k": 300}, {"limit": 7}, {"limit": 300})]
    assert counts == [100, 7, 100]


def test_raw_values_as_scores():
    """A network of squared error: a peak above 1, one of 0.25, and background around 0, where a sigmoid would find 0.5."""
    hm = np.full((1, 80, 8, 8), -0.01, np.float32)
    hm[0, 3, 2, 2], hm[0, 5, 6, 4] = 1.2, 0.25
    maps = {"hm": hm, "wh": np.full((1, 2, 8, 8), 2, np.float32)}
    (found,) = DetectionDecoder(CLASSES, center_activation="none")(maps, [View(crop_center=(16.0, 16.0), crop_size=32.0)])
    np.testing.assert_array_equal(found.scores, np.float32([1, 0.25]))
    np.testing.assert_array_equal(found.labels, [3, 5])
