"""Object detection against numbers of the official implementation: targets, decoding, suppression, merging of scales."""

import json

import numpy as np
import pytest
from mindpoint.contracts.image import InputSpec, View, letterbox_size
from mindpoint.contracts.instances import Detections
from mindpoint_centernet.decoders.centers import NO_JOINTS, average_mirrored, decode_centers
from mindpoint_centernet.decoders.detection import DetectionDecoder
from mindpoint_centernet.targets.detection import DetectionTargets
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.nms import soft_nms
from mindpoint_coco.transforms.view import apply_view, window_view

CLASSES = [str(number) for number in range(80)]
ALL = 100


@pytest.fixture(scope="module")
def decoding(golden_ctdet):
    with np.load(golden_ctdet / "decode.npz") as arrays:
        return dict(arrays)


def test_targets(golden_ctdet, coco_mini):
    """All cases but those of dense sizes and squared error, which there is nothing for, and of made-up boxes."""
    file = coco_mini / "annotations" / "instances_train2017.json"
    names = [record["name"] for record in sorted(json.loads(file.read_text())["categories"], key=lambda record: record["id"])]
    dataset = CocoDataset(str(file), str(coco_mini / "train2017"), names)
    seen = 0
    with np.load(golden_ctdet / "targets.npz") as expected:
        for case in json.loads((golden_ctdet / "targets.json").read_text()):
            options = case["options"]
            if options["dense_wh"] or options["mse_loss"] or "annotations" in case:
                continue
            wanted = {key.partition("/")[2]: expected[key] for key in expected.files if key.startswith(case["key"] + "/")}
            _compare(case, dataset, wanted)
            seen += 1
    assert seen >= 15


def _compare(case, dataset, wanted):
    options, change = case["options"], case["aug"]
    spec = InputSpec(size=tuple(case["input_hw"]), mean=[0.40789654, 0.44719302, 0.47026115], std=[0.28863828, 0.27408164, 0.27809835])
    sample = dataset[dataset.image_ids.tolist().index(case["image_id"])]
    height, width = sample.image.shape[:2]
    extent = spec.size[1] if options["keep_res"] else letterbox_size(width, height, spec.size)
    if change is None:
        view = window_view(width, (width / 2, height / 2), extent)
    else:
        view = window_view(width, change["c"], extent * change["s_factor"], change["rot"], change["flip"])
    sample = apply_view(sample, view, spec)
    by_class = options["cat_spec_wh"]
    encode = DetectionTargets(dataset.classes, spec, max_objects=options["max_objs"], crowds="objects", class_sizes=by_class)
    found = encode(sample)
    assert found["hm"].shape == (80, *case["output_hw"])
    np.testing.assert_array_equal(np.flatnonzero(found["hm"]), wanted["hm_index"], case["key"])
    np.testing.assert_allclose(found["hm"].ravel()[wanted["hm_index"]], wanted["hm_value"], atol=1e-5)
    np.testing.assert_array_equal(found["ind"], wanted["ind"])
    np.testing.assert_array_equal(found["reg_mask"], wanted["reg_mask"])
    for name in ("wh", "reg") if not by_class else ("reg",):
        if name in wanted:
            np.testing.assert_allclose(found[name], wanted[name], atol=1e-5)
    if by_class:
        np.testing.assert_array_equal(np.flatnonzero(found["wh_mask"]), wanted["cat_spec_mask_index"])
        np.testing.assert_allclose(found["wh"].ravel()[wanted["cat_spec_wh_index"]], wanted["cat_spec_wh_value"], atol=1e-5)
        assert np.count_nonzero(found["wh"]) == len(wanted["cat_spec_wh_index"])


def _rows(maps, count=ALL):
    found = decode_centers(maps, count)
    return np.concatenate([found.boxes, found.scores[:, None], found.labels[:, None]], axis=1)


@pytest.mark.parametrize("case", [0, 1, 2])
def test_decoding(decoding, case):
    def arrays(prefix=""):
        return {name: decoding[f"case{case}/{prefix}{name}"].astype(np.float32) for name in ("hm", "wh", "reg")}

    maps, batch = arrays(), lambda maps: {name: values[None] for name, values in maps.items()}
    np.testing.assert_allclose(_rows(maps), decoding[f"case{case}/dets"][0], atol=1e-4)
    np.testing.assert_allclose(_rows(maps, 20), decoding[f"case{case}/dets_k20"][0], atol=1e-4)
    np.testing.assert_allclose(_rows({name: maps[name] for name in ("hm", "wh")}), decoding[f"case{case}/dets_no_reg"][0], atol=1e-4)
    mean = {name: values[0] for name, values in average_mirrored(batch(maps), batch(arrays("flipped_")), NO_JOINTS).items()}
    np.testing.assert_allclose(mean["hm"], decoding[f"case{case}/flipmerged_hm"], atol=1e-6)
    np.testing.assert_allclose(mean["wh"], decoding[f"case{case}/flipmerged_wh"], atol=1e-6)
    np.testing.assert_allclose(_rows(mean), decoding[f"case{case}/dets_flip"][0], atol=1e-4)


def test_suppression_with_the_rows_that_are_left_over(decoding):
    live = []
    for key in sorted(key for key in decoding if key.startswith("softnms") and key.endswith("/in")):
        rows = decoding[key].astype(np.float32)
        found = soft_nms(rows[:, :4], rows[:, 4])
        ours = np.concatenate([rows[found.rows, :4], found.scores[:, None]], axis=1)
        np.testing.assert_allclose(ours, decoding[key.replace("/in", "/out")], atol=1e-4)
        live.append(len(rows) - found.live)
    assert max(live) > 50


@pytest.mark.parametrize("name", ["merge_nms", "merge_scales", "merge_stale"])
def test_merging(decoding, name):
    parts = []
    for number in range(len(decoding[f"{name}/scales"])):
        rows = decoding[f"{name}/in{number}_rows"].astype(np.float32)
        parts.append(Detections(rows[:, :4], rows[:, 4], decoding[f"{name}/in{number}_class"] - 1))
    found = DetectionDecoder(CLASSES, stale_tail=True).merge(parts)
    assert len(found) == len(decoding[f"{name}/rows"])
    for label in np.unique(decoding[f"{name}/class"]):
        ours = np.concatenate([found.boxes, found.scores[:, None]], axis=1)[found.labels == label - 1]
        theirs = decoding[f"{name}/rows"][decoding[f"{name}/class"] == label]
        np.testing.assert_allclose(ours[np.lexsort(ours.round(4).T)], theirs[np.lexsort(theirs.round(4).T)], atol=1e-4)


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
