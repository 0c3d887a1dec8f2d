import numpy as np
import pytest
from mindpoint.contracts.image import InputSpec, Sample, View
from mindpoint.contracts.instances import Objects
from mindpoint.errors import ConfigError
from mindpoint_centernet.decoders.centers import average_mirrored
from mindpoint_centernet.decoders.multi_pose import MultiPoseDecoder, decode_maps
from mindpoint_centernet.targets.multi_pose import MultiPoseTargets
from mindpoint_coco.keypoints import Keypoints
from mindpoint_parity import decode as parity

SIZE = 32
WHOLE = View(crop_center=(2.0 * SIZE, 2.0 * SIZE), crop_size=4.0 * SIZE)  # a 128x128 image; maps of stride 4


def keypoints(count):
    return Keypoints([f"joint{number}" for number in range(count)], flip_pairs=[(0, 1)] if count > 1 else [])


def one_object(center=(10, 12), wh=(8, 16), joint=(2.0, 3.0), reg=None):
    """Activated maps ``(channels, 32, 32)`` of one object with one joint, which is relative to the centre's pixel."""
    maps = {name: np.zeros((channels, SIZE, SIZE), np.float32) for name, channels in (("hm", 1), ("wh", 2), ("hps", 2), ("hm_hp", 1))}
    x, y = center
    maps["hm"][0, y, x] = 0.8
    maps["wh"][:, y, x] = wh
    maps["hps"][:, y, x] = joint
    if reg is not None:
        maps["reg"] = np.zeros((2, SIZE, SIZE), np.float32)
        maps["reg"][:, y, x] = reg
    return maps


def random_maps(rng, batch, joints, classes=1, height=24, width=40):
    channels = {"hm": classes, "wh": 2, "hps": 2 * joints, "reg": 2, "hm_hp": joints, "hp_offset": 2}
    maps = {name: rng.normal(0, 2, (batch, count, height, width)).astype(np.float32) for name, count in channels.items()}
    maps["wh"] = np.abs(maps["wh"]) * 6
    return maps


def assert_same(first, second):
    for name in ("boxes", "scores", "labels", "keypoints", "keypoint_scores", "from_heatmap"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_detections_of_the_reference(reference):
    rows = parity.check(reference)
    assert len(rows) >= 24
    assert [row for row in rows if not row.error <= 1e-4] == []


def test_table_comparison_sees_what_differs():
    table = np.random.default_rng(0).random((5, 39))
    table[:, 4] = [0.9, 0.8, 0.8, 0.7, 0.6]
    assert parity.row_error(table[[0, 2, 1, 3, 4]], table) == 0
    moved = table.copy()
    moved[3, 30] += 0.5
    assert parity.row_error(moved, table) == pytest.approx(0.5)
    moved[3, 30] = np.nan
    assert np.isnan(parity.row_error(moved, table)) and np.isnan(parity.row_error(table[:4], table))
    assert np.isnan(parity.row_error(table * [1] * 39 + 0.01, table))


def test_box_is_about_the_centre_and_joints_about_its_pixel():
    half = decode_maps(one_object())
    np.testing.assert_allclose(half.boxes, [[6.5, 4.5, 14.5, 20.5]])
    exact = decode_maps(one_object(reg=(0.25, 0.75)))
    np.testing.assert_allclose(exact.boxes, [[6.25, 4.75, 14.25, 20.75]])
    np.testing.assert_allclose(exact.keypoints, [[[12, 15]]])
    np.testing.assert_allclose([half.scores[0], half.keypoint_scores[0, 0]], 0.8)
    assert not half.from_heatmap.any()


@pytest.mark.parametrize(
    "peak, score, margin, taken",
    [
        ((13, 16), 0.5, 0.0, True),  # near the regressed (12, 15)
        ((13, 16), 0.1, 0.0, False),  # a score of 0.1 is not above the threshold
        ((12, 18), 0.5, 0.0, True),  # 3.54 away with the half-pixel offset; 0.3 of the longer side, 16, is 4.8
        ((12, 20), 0.5, 0.0, False),  # 5.52 away
        ((14, 15), 0.5, 0.0, True),  # at 14.5, just on the box's right side
        ((15, 15), 0.5, 0.0, False),  # outside the box
        ((15, 15), 0.5, 0.2, True),  # inside the widened box
    ],
)
def test_when_a_joint_moves_to_a_peak(peak, score, margin, taken):
    maps = one_object()
    maps["hm_hp"][0, peak[1], peak[0]] = score
    found = decode_maps(maps, box_margin=margin)
    assert found.from_heatmap[0, 0] == taken
    np.testing.assert_allclose(found.keypoints[0, 0], (peak[0] + 0.5, peak[1] + 0.5) if taken else (12, 15))
    np.testing.assert_allclose(found.keypoint_scores[0, 0], score if taken else 0.8)


@pytest.mark.parametrize("peak, out", [((6, 12), (5, 12)), ((14, 12), (15, 12)), ((10, 4), (10, 3)), ((10, 20), (10, 21))])
def test_the_sides_of_the_box_belong_to_it(peak, out):
    """The box is 6.5 to 14.5 and 4.5 to 20.5; peaks are at half pixels."""
    for place, taken in ((peak, True), (out, False)):
        maps = one_object(joint=(place[0] - 10.0, place[1] - 12.0))
        maps["hm_hp"][0, place[1], place[0]] = 0.5
        assert decode_maps(maps).from_heatmap[0, 0] == taken


def test_the_nearest_peak_counts_even_if_it_is_not_usable():
    maps = one_object(joint=(4.0, 0.0))  # at (14, 12), near the right side
    maps["hm_hp"][0, 12, 15] = 0.5  # 1.6 away, outside the box
    maps["hm_hp"][0, 12, 11] = 0.9  # 2.5 away, inside
    assert not decode_maps(maps).from_heatmap.any()


@pytest.mark.parametrize(
    "near, far, factor, chosen",
    [
        # The joint is regressed to (12, 15), the longer side is 16. Peaks at (13.5, 15.5) and (8.5, 15.5) have squared distances 2.5
        # and 12.5; with a deviation of 0.25 * 16 = 4 the costs are 2.5 / 32 - ln(near) and 12.5 / 32 - ln(far), which are equal
        # where far / near = exp(10 / 32) = 1.367.
        (0.5, 0.67, 0.25, 13.5),
        (0.5, 0.70, 0.25, 8.5),
        (0.5, 0.70, 0.20, 13.5),  # exp(10 / 20.48) = 1.629
        (0.1, 0.20, 0.01, 8.5),  # a score of 0.1 is not above the threshold; there is no largest distance
        (0.1, 0.10, 0.25, None),
    ],
)
def test_the_likely_peak_weighs_distance_against_score(near, far, factor, chosen):
    maps = one_object()
    maps["hm_hp"][0, 15, [13, 8]] = near, far
    maps["hm_hp"][0, 15, 16] = 0.99  # outside the box
    found = decode_maps(maps, distance_factor=factor, likely=True)
    assert found.from_heatmap[0, 0] == (chosen is not None)
    np.testing.assert_allclose(found.keypoints[0, 0], (chosen, 15.5) if chosen else (12, 15))


def test_two_objects_may_share_a_peak():
    maps = one_object()
    second = one_object(center=(13, 12), joint=(-1.0, 3.0))
    maps = {name: values + second[name] for name, values in maps.items()}
    maps["hm_hp"][0, 15, 12] = 0.6
    found = decode_maps(maps)
    np.testing.assert_allclose(found.keypoints[:, 0], [(12.5, 15.5)] * 2)


def test_classes_compete_and_ties_are_in_map_order():
    maps = one_object()
    maps["hm"] = np.zeros((3, 8, 8), np.float32)
    maps = {name: values[:, :8, :8] for name, values in maps.items()}
    maps["hm"][2, 4, 4], maps["hm"][0, 6, 1], maps["hm"][0, 6, 6], maps["hm"][0, 1, 1] = 0.9, 0.5, 0.5, 0.2
    found = decode_maps(maps, top_k=3)
    assert found.labels.tolist() == [2, 0, 0]
    np.testing.assert_allclose(found.boxes[:, :2], [[4.5, 4.5], [1.5, 6.5], [6.5, 6.5]])


def test_many_equal_scores_come_row_by_row():
    maps = one_object()
    maps["wh"][:] = 0
    maps["hm"] = np.zeros_like(maps["hm"])
    maps["hm"][0, ::2, ::2] = 0.5
    expected = [(x + 0.5, y + 0.5) for y in (0, 2) for x in range(0, SIZE, 2)][:20]
    np.testing.assert_allclose(decode_maps(maps, top_k=20).boxes[:, :2], expected)


def test_no_peak_no_detection():
    found = decode_maps({name: values * 0 for name, values in one_object().items()})
    assert len(found) == 0 and found.keypoints.shape == (0, 1, 2) and found.boxes.shape == (0, 4)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("joints", [1, 2, 5, 17, 21, 133])
def test_perfect_maps_give_the_objects_back(joints, dense):
    """The decoder recovers boxes and joints of the target encoder to a hundredth of an image pixel."""
    rng = np.random.default_rng(joints)
    view = View(crop_center=(130.0, 120.0), crop_size=256.0)
    spec = InputSpec((384, 384), [0, 0, 0], [1, 1, 1])
    centers = np.array([[24, 24], [72, 26], [25, 70], [70, 71]]) + rng.uniform(-2, 2, (4, 2))  # in map pixels, 96 x 96
    sides = rng.uniform(26, 40, (4, 2))
    boxes = view.to_image(np.stack([centers - sides / 2, centers + sides / 2], axis=1), 96, 96).reshape(4, 4).astype(np.float32)
    # All joints share one offset map, so two in the same pixel cannot both come back exactly: each has a pixel of its own.
    cells = np.stack([rng.choice(24 * 24, joints, replace=False) for _ in range(4)])
    points = (centers - 12).astype(int)[:, None] + np.stack([cells % 24, cells // 24], axis=2) + rng.uniform(0.05, 0.95, (4, joints, 2))
    points = view.to_image(points, 96, 96).astype(np.float32)
    labelled = np.concatenate([points, np.full((4, joints, 1), 2, np.float32)], axis=2)
    labels = np.array([0, 1, 1, 0])
    fields = (keypoints(joints).annotated(),)
    objects = Objects(boxes, labels, sides.prod(axis=1).astype(np.float32), fields=fields, values={"keypoints": labelled})
    encoder = MultiPoseTargets(keypoints(joints), ["a", "b"], spec, dense=dense)
    targets = encoder(Sample(1, "drawn", np.zeros((384, 384, 3), np.uint8), objects, view))
    found = MultiPoseDecoder(keypoints(joints), ["a", "b"], top_k=20)(_perfect_maps(targets, joints, dense), [view])[0]
    found = found.select(found.scores > 0.99)
    assert len(found) == 4
    order = [int(np.abs(found.boxes - box).sum(axis=1).argmin()) for box in boxes]
    np.testing.assert_allclose(found.boxes[order], boxes, atol=0.01)
    np.testing.assert_allclose(found.keypoints[order], points, atol=0.01)
    assert found.labels[order].tolist() == labels.tolist()
    assert found.from_heatmap.all()
    np.testing.assert_allclose(found.keypoint_scores, 1, atol=1e-4)


def _perfect_maps(targets, joints, dense):
    """Raw maps of a network that has learnt these targets by heart."""
    height, width = targets["hm"].shape[1:]

    def placed(values, index, used):
        plane = np.zeros((values.shape[1], height * width), np.float32)
        plane[:, index[used > 0]] = values[used > 0].T
        return plane.reshape(1, -1, height, width)

    def logit(heat):
        heat = np.clip(heat.astype(np.float64), 1e-6, 1 - 1e-6)
        return np.log(heat / (1 - heat)).astype(np.float32)[None]

    mask = targets["reg_mask"]
    return {
        "hm": logit(targets["hm"]),
        "hm_hp": logit(targets["hm_hp"]),
        "wh": placed(targets["wh"], targets["ind"], mask),
        "reg": placed(targets["reg"], targets["ind"], mask),
        "hps": targets["dense_hps"][None] if dense else placed(targets["hps"], targets["ind"], mask),
        "hp_offset": placed(targets["hp_offset"], targets["hp_ind"], targets["hp_mask"]),
    }


@pytest.mark.parametrize("joints", [1, 2, 5, 133])
def test_batch_gives_what_single_images_give(joints):
    maps = random_maps(np.random.default_rng(joints), 3, joints, classes=2)
    views = [View((50.0, 40.0), 100.0), View((10.0, 90.0), 250.0), View((80.0, 48.0), 160.0, scale=0.5)]
    before = {name: values.copy() for name, values in maps.items()}
    decoder = MultiPoseDecoder(keypoints(joints), ["a", "b"], top_k=30)
    together = decoder(maps, views, maps)
    for row, view in enumerate(views):
        alone = {name: values[row : row + 1] for name, values in maps.items()}
        assert_same(together[row], decoder(alone, [view], alone)[0])
        assert (np.diff(together[row].scores) <= 0).all() and len(together[row]) == 30
    for name in maps:
        np.testing.assert_array_equal(maps[name], before[name])


def test_mirrored_maps_of_the_same_scene_change_nothing():
    """Maps that show the mirrored scene, written down by hand: x turned round, left and right exchanged."""
    joints = keypoints(3)  # 0 and 1 are a pair
    maps = random_maps(np.random.default_rng(0), 2, 3)
    mirrored = {name: values[..., ::-1].copy() for name, values in maps.items()}
    mirrored["hm_hp"] = mirrored["hm_hp"][:, [1, 0, 2]]
    mirrored["hps"] = mirrored["hps"][:, [2, 3, 0, 1, 4, 5]] * np.array([-1, 1, -1, 1, -1, 1], np.float32)[:, None, None]
    mirrored["reg"], mirrored["hp_offset"] = mirrored["reg"] + 7, mirrored["hp_offset"] + 7  # not looked at
    for name, values in average_mirrored(maps, mirrored, joints.flip_index).items():
        np.testing.assert_array_equal(values, maps[name])


def test_mirrored_heatmaps_are_averaged_after_the_sigmoid():
    maps = {name: values[None] for name, values in one_object().items()}
    maps["hm"] = np.full((1, 1, SIZE, SIZE), -9, np.float32)
    maps["hm"][0, 0, 12, 10] = 4
    mirrored = {name: values[..., ::-1].copy() for name, values in maps.items()}
    mirrored["hm"][0, 0, 12, SIZE - 1 - 10] = -4
    found = MultiPoseDecoder(keypoints(1), ["a"])(maps, [WHOLE], mirrored)[0]
    assert found.scores[0] == pytest.approx(0.5)


def test_unclamped_sigmoid_and_linear_joints():
    maps = {name: values[None] for name, values in one_object().items()}
    maps["hm"] = np.full((1, 1, SIZE, SIZE), -400, np.float32)  # a sigmoid of exp(400) would overflow
    maps["hm"][0, 0, 12, 10] = -12
    maps["hm_hp"][0, 0, 15, 12] = 0.7
    with np.errstate(over="raise"):
        found = MultiPoseDecoder(keypoints(1), ["a"], joint_activation="none")(maps, [WHOLE])[0]
    assert found.scores[0] == pytest.approx(1 / (1 + np.exp(12.0)), rel=1e-5)
    assert found.keypoint_scores[0, 0] == pytest.approx(0.7)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(hps=None), "needs the map 'hps'"),
        (dict(hm_hp=(1, 4, 8, 8)), "'hm_hp' has 4 channels"),
        (dict(hm=(1, 2, 8, 8)), "'hm' has 2 channels"),
    ],
)
def test_maps_that_do_not_fit(change, message):
    maps = random_maps(np.random.default_rng(0), 1, 3, height=8, width=8)
    for name, shape in change.items():
        if shape is None:
            del maps[name]
        else:
            maps[name] = np.zeros(shape, np.float32)
    with pytest.raises(ConfigError, match=message):
        MultiPoseDecoder(keypoints(3), ["a"])(maps, [WHOLE])


@pytest.mark.parametrize("change", [dict(top_k=0), dict(nms_sigma=0.0), dict(joint_activation="softmax")])
def test_bad_settings(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        MultiPoseDecoder(keypoints(2), ["a"], **change)
