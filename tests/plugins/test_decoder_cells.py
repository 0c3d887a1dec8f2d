"""Decoding as a MindSpore cell, as a MINDIR file holds it, against the decoders in numpy."""

import contextlib

import mindspore as ms
import numpy as np
import pytest
from mindpoint.contracts.image import Sample, View
from mindpoint.contracts.instances import Objects
from mindpoint.inference.detect import FileDetection
from mindpoint.runtime import device
from mindpoint_centernet.decoders.detection import DetectionDecoder
from mindpoint_centernet.decoders.multi_pose import MultiPoseDecoder
from mindpoint_coco.keypoints import Keypoints

HEIGHT, WIDTH, STRIDE = 12, 20, 4
VIEW = View(crop_center=(2.0 * WIDTH, 2.0 * HEIGHT), crop_size=float(STRIDE * WIDTH))


@pytest.fixture(scope="module", autouse=True)
def graph_mode():
    device.setup("CPU", seed=0)


def random_maps(channels, batch=2):
    rng = np.random.default_rng(4)
    maps = {name: rng.normal(0, 2, (batch, count, HEIGHT, WIDTH)).astype(np.float32) for name, count in channels.items()}
    return {**maps, "wh": np.abs(maps["wh"]) * 4}


def compare(decoder, maps, compiled=False):
    """Both decode the same; rows with score 0 of the cell go, as those of a file do."""
    with contextlib.nullcontext() if compiled else device.operator_by_operator():
        outputs = decoder.cell(tuple(maps), dict.fromkeys(maps, STRIDE))(*map(ms.Tensor, maps.values()))
    names = ["boxes", "scores", "labels", *(field.name for field in decoder.fields)]
    found = dict(zip(names, (output.asnumpy() for output in outputs)))
    assert found["labels"].dtype == np.int64 and len(outputs) == len(names)
    image = np.zeros((STRIDE * HEIGHT, STRIDE * WIDTH, 3), np.uint8)
    samples = [Sample(number, "x", image, Objects.none(), view=VIEW) for number in range(2)]
    inputs = {"image": np.zeros((2, 3, STRIDE * HEIGHT, STRIDE * WIDTH), np.float32)}
    ours = FileDetection(lambda _: found, decoder.fields)(inputs, samples)
    for mine, theirs in zip(ours, decoder(maps, [VIEW, VIEW])):
        assert len(mine) == len(theirs) > 5
        for name in names:
            np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), atol=1e-3, err_msg=name)


@pytest.mark.parametrize("optional", [(), ("reg",), ("hm_hp",), ("reg", "hm_hp", "hp_offset")], ids=" ".join)
@pytest.mark.parametrize(
    "classes, options",
    [(1, {}), (3, {"top_k": 7, "box_margin": 0.5, "distance_factor": 0.8}), (2, {"joint_choice": "likely", "joint_threshold": 0.6})],
)
def test_poses(optional, classes, options):
    joints = 5
    channels = {"hm": classes, "wh": 2, "hps": 2 * joints, "reg": 2, "hm_hp": joints, "hp_offset": 2}
    maps = random_maps({name: count for name, count in channels.items() if name in ("hm", "wh", "hps", *optional)})
    keypoints = Keypoints([f"joint{number}" for number in range(joints)])
    compare(MultiPoseDecoder(keypoints, ["x"] * classes, **options), maps)


@pytest.mark.parametrize("factor", [0.0, 1e6])
def test_the_likely_peak_with_extreme_distance_factors(factor):
    """Costs may be very large, and a large factor must not make peaks below the threshold cheap."""
    maps = random_maps({"hm": 1, "wh": 2, "hps": 6, "hm_hp": 3, "hp_offset": 2})
    compare(MultiPoseDecoder(Keypoints(["a", "b", "c"]), ["x"], joint_choice="likely", distance_factor=factor), maps)


@pytest.mark.slow
def test_poses_with_joint_heatmaps_of_a_squared_error():
    maps = random_maps({"hm": 1, "wh": 2, "hps": 6, "hm_hp": 3})
    compare(MultiPoseDecoder(Keypoints(["a", "b", "c"]), ["x"], joint_activation="none"), maps, compiled=True)


@pytest.mark.parametrize("class_sizes", [False, True])
def test_boxes(class_sizes):
    maps = random_maps({"hm": 4, "wh": 8 if class_sizes else 2, "reg": 2})
    compare(DetectionDecoder(list("abcd"), top_k=30, class_sizes=class_sizes), maps)


@pytest.mark.slow
def test_scores_of_a_centre_heatmap_of_a_squared_error_end_at_one():
    maps = random_maps({"hm": 4, "wh": 2, "reg": 2})
    assert maps["hm"].max() > 1
    compare(DetectionDecoder(list("abcd"), center_activation="none"), maps, compiled=True)


def test_fewer_pixels_than_detections():
    compare(DetectionDecoder(["a"], top_k=1000), random_maps({"hm": 1, "wh": 2}))


def test_equal_scores_keep_the_order_of_the_decoder():
    maps = random_maps({"hm": 2, "wh": 2, "reg": 2})
    peaks = np.zeros_like(maps["hm"])
    peaks[:, :, 1::3, 1::3] = np.round(maps["hm"][:, :, 1::3, 1::3])  # 56 isolated ones, many of the same height
    maps["hm"] = np.where(peaks > 0, peaks, -9 - np.abs(maps["hm"]))
    decoder = DetectionDecoder(["a", "b"], top_k=60)  # which of equal ones are the last of the best is open
    assert all(len(np.unique(found.scores[:20])) < 10 for found in decoder(maps, [VIEW, VIEW]))
    compare(decoder, maps)
