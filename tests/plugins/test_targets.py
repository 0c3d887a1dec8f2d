"""Training targets against the official implementation's numbers and worked examples."""

import math

import numpy as np
import pytest
from mindpoint.contracts.image import InputSpec, Sample, View
from mindpoint.contracts.instances import Objects
from mindpoint.errors import ConfigError
from mindpoint_centernet.decoders.multi_pose import MultiPoseDecoder
from mindpoint_centernet.heatmaps import gaussian, gaussian_radius, peaks, stamp
from mindpoint_centernet.targets.multi_pose import MultiPoseTargets
from mindpoint_coco.keypoints import Keypoints
from mindpoint_parity import targets as parity

ARRAYS = {"hm", "wh", "reg", "ind", "reg_mask", "hps", "hps_mask", "hm_hp", "hp_offset", "hp_ind", "hp_mask"}
SPEC = InputSpec(size=(64, 96), mean=[0, 0, 0], std=[1, 1, 1])  # maps of 16 rows and 24 columns
WHOLE = View(crop_center=(48, 32), crop_size=96)  # one image pixel is one input pixel
TWO = Keypoints(names=["left_eye", "right_eye"])


def test_official_numbers(reference):
    rows = parity.check(reference)
    assert len({row.case.split("/")[0] for row in rows}) >= 22
    assert {row.case.split("/")[1] for row in rows} == ARRAYS | {"dense_hps", "dense_hps_mask", "input_mean_std"}
    limits = {"input_mean_std": 1e-4}
    assert [row for row in rows if not row.error <= limits.get(row.case.split("/")[1], 1e-5)] == []


@pytest.mark.parametrize(
    "height, width, official, model_zoo, corrected",
    [
        (2, 2, 0, 1, 0),
        (5, 3, 1, 1, 0),
        (10, 5, 1, 1, 0),
        (20, 10, 3, 2, 1),
        (40, 20, 7, 3, 2),
        (64, 64, 17, 7, 5),
        (128, 128, 34, 13, 10),
        (100, 30, 12, 5, 3),
    ],
)
def test_radius(height, width, official, model_zoo, corrected):
    assert gaussian_radius(height, width) == gaussian_radius(height, width, "official") == official
    assert gaussian_radius(height, width, "model_zoo") == model_zoo
    assert gaussian_radius(height, width, "corrected") == corrected


def test_radius_of_nothing():
    assert [gaussian_radius(0, width) for width in (0, 7)] == [0, 0]


@pytest.mark.parametrize("x, y", [(0, 0), (11, 6), (5, 3), (11, 0), (2, 6)])
def test_stamp_is_the_formula_wherever_it_lies(x, y):
    heatmap = np.full((7, 12), 0.25, np.float32)
    stamp(heatmap, x, y, gaussian(3, 7 / 6))
    rows, columns = np.mgrid[:7, :12]
    peak = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * (7 / 6) ** 2))
    peak[(abs(rows - y) > 3) | (abs(columns - x) > 3)] = 0
    np.testing.assert_allclose(heatmap, np.maximum(peak, 0.25), rtol=1e-6)


def sample_of(boxes, keypoints, view=WHOLE, labels=None, crowd=None):
    count = len(boxes)
    keypoints = np.array(keypoints, np.float32)
    objects = Objects(
        boxes=np.array(boxes, np.float32).reshape(count, 4),
        labels=np.array(labels or [0] * count, np.int64),
        crowd=np.array(crowd or [False] * count, bool),
        fields=[Keypoints([f"joint {number}" for number in range(keypoints.shape[1])]).annotated()],
        values={"keypoints": keypoints},
    )
    return Sample(image_id=1, name="x", image=np.zeros((*SPEC.size, 3), np.uint8), objects=objects, view=view)


def test_one_person_by_hand():
    """Box 10..51 x 6..48 is 2.5..12.75 x 1.5..12 on the map: size 10.25 x 10.5, centre (7.625, 6.75), radius of
    (11, 11): int((-30.8 + sqrt(30.8^2 + 4 * 2.8 * 36.3)) / 2) = int(3.006) = 3."""
    sample = sample_of([[10, 6, 51, 48]], [[[14, 10, 2], [50, 45, 1]]])
    targets = MultiPoseTargets(TWO, ["person", "ape"], SPEC, max_objects=3)(sample)
    assert set(targets) == ARRAYS
    np.testing.assert_allclose(targets["wh"], [[10.25, 10.5], [0, 0], [0, 0]])
    np.testing.assert_allclose(targets["reg"], [[0.625, 0.75], [0, 0], [0, 0]])
    assert targets["ind"].tolist() == [6 * 24 + 7, 0, 0] and targets["reg_mask"].tolist() == [1, 0, 0]
    np.testing.assert_allclose(targets["hps"][0], [3.5 - 7, 2.5 - 6, 12.5 - 7, 11.25 - 6])
    assert targets["hps_mask"].tolist() == [[1] * 4, [0] * 4, [0] * 4] and not targets["hps"][1:].any()
    np.testing.assert_allclose(targets["hp_offset"], [[0.5, 0.5], [0.5, 0.25]] + [[0, 0]] * 4)
    assert targets["hp_ind"].tolist() == [2 * 24 + 3, 11 * 24 + 12, 0, 0, 0, 0] and targets["hp_mask"].tolist() == [1, 1, 0, 0, 0, 0]
    assert targets["hm"].shape == (2, 16, 24) and not targets["hm"][1].any()
    assert np.count_nonzero(targets["hm"][0]) == 49 and targets["hm"][0, 6, 7] == 1
    assert targets["hm"][0, 8, 9] == pytest.approx(math.exp(-8 / (2 * (7 / 6) ** 2)), rel=1e-6)
    assert [np.unravel_index(joint.argmax(), joint.shape) for joint in targets["hm_hp"]] == [(2, 3), (11, 12)]
    assert targets["hm_hp"][0, 2, 4] == pytest.approx(math.exp(-1 / (2 * (7 / 6) ** 2)), rel=1e-6)
    assert {name: array.dtype for name, array in targets.items() if array.dtype != np.float32} == {"ind": np.int32, "hp_ind": np.int32}


def test_what_is_left_out():
    """Boxes outside take a slot and stay empty; joints outside or unlabelled are dropped; without joints a centre has no size."""
    boxes = [[-40, 5, -20, 20], [80, 40, 120, 70], [20, 20, 40, 40]]
    points = [[[-30, 10, 2], [-25, 10, 2]], [[95.9, 50, 2], [96, 50, 2]], [[25, 25, 0], [30, 30, 0]]]
    targets = MultiPoseTargets(TWO, ["person"], SPEC, max_objects=3)(sample_of(boxes, points))
    assert targets["reg_mask"].tolist() == [0, 1, 0]
    np.testing.assert_allclose(targets["wh"], [[0, 0], [3, 5], [5, 5]])  # the second one is clipped to 20..23 x 10..15
    assert targets["hp_mask"].tolist() == [0, 0, 1, 0, 0, 0]
    assert sorted(zip(*np.nonzero(targets["hm"][0] == 1))) == [(7, 7), (12, 21)]


def test_only_the_first_objects_count():
    boxes = [[0, 0, 8, 8], [16, 16, 32, 32], [40, 40, 60, 60]]
    targets = MultiPoseTargets(TWO, ["person"], SPEC, max_objects=2)(sample_of(boxes, np.full((3, 2, 3), 2)))
    assert targets["wh"].shape == (2, 2) and (targets["hm"] == 1).sum() == 2 and targets["hm"][0, 12, 12] < 1


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("count", [1, 2, 5, 17, 21, 133])
def test_any_number_of_joints_and_of_objects(count, dense):
    keypoints = Keypoints(names=[f"joint {index}" for index in range(count)])
    encode = MultiPoseTargets(keypoints, ["a", "b"], SPEC, max_objects=4, dense=dense, unlabelled="ignore")
    rng = np.random.default_rng(count)
    points = np.concatenate([rng.uniform(0, [95, 63], (3, count, 2)), np.full((3, count, 1), 2)], 2)
    some = encode(sample_of([[5, 5, 45, 45], [30, 10, 90, 60], [3, 30, 20, 50]], points, labels=[0, 1, 1]))
    none = encode(sample_of([], np.zeros((0, count, 3))))
    assert {name: (a.shape, a.dtype) for name, a in some.items()} == {name: (a.shape, a.dtype) for name, a in none.items()}
    assert some["hm_hp"].shape == (count, 16, 24) and some["hps"].shape == (4, 2 * count) and some["hp_offset"].shape == (4 * count, 2)
    assert all(not array.any() for name, array in none.items() if not name.endswith("_weight"))
    # the lists lead back to where the joints are
    centers = np.stack([some["ind"][:3] % 24, some["ind"][:3] // 24], 1)
    np.testing.assert_allclose(4 * (centers[:, None] + some["hps"][:3].reshape(3, count, 2)), points[..., :2], atol=1e-4)
    pixels = np.stack([some["hp_ind"] % 24, some["hp_ind"] // 24], 1)[: 3 * count]
    np.testing.assert_allclose(4 * (pixels + some["hp_offset"][: 3 * count]), points[..., :2].reshape(-1, 2), atol=1e-4)


def test_dense_regression_by_definition():
    """Around a centre every pixel tells where the joint is from itself; the nearer of two equal centres wins."""
    sample = sample_of([[8, 8, 48, 48], [24, 8, 64, 48]], [[[10, 20, 2], [30, 30, 0]], [[50, 20, 2], [40, 44, 1]]])
    targets = MultiPoseTargets(TWO, ["person"], SPEC, dense=True)(sample)
    assert targets["dense_hps"].shape == targets["dense_hps_mask"].shape == (4, 16, 24)
    for x, y, joint in ((6, 7, (2.5, 5)), (7, 6, (2.5, 5)), (11, 8, (12.5, 5)), (10, 6, (12.5, 5)), (8, 7, (2.5, 5))):
        np.testing.assert_allclose(targets["dense_hps"][:2, y, x], [joint[0] - x, joint[1] - y])
    np.testing.assert_allclose(targets["dense_hps"][2:, 7, 12], [10 - 12, 11 - 7])
    np.testing.assert_array_equal(targets["dense_hps_mask"][0], targets["hm"][0])
    np.testing.assert_array_equal(targets["dense_hps_mask"][0], targets["dense_hps_mask"][1])
    assert targets["dense_hps_mask"][2, 7, 7] == 0 and targets["dense_hps_mask"][2, 7, 11] == 1


def test_ignored_regions():
    """A crowd and a person without joints take no slot and silence the heatmaps in their boxes, but not on a labelled person's peaks."""
    boxes = [[0, 0, 40, 40], [44, 20, 92, 60], [50, 24, 66, 40], [-30, 0, -10, 20]]
    points = np.zeros((4, 2, 3))
    points[2] = [[54, 30, 2], [60, 30, 0]]
    sample = sample_of(boxes, points, crowd=[False, True, False, True])
    targets = MultiPoseTargets(TWO, ["person"], SPEC, max_objects=1, unlabelled="ignore")(sample)
    assert set(targets) == ARRAYS | {"hm_weight", "hm_hp_weight"}
    assert targets["reg_mask"].tolist() == [1] and targets["ind"].tolist() == [8 * 24 + 14]
    assert np.argwhere(targets["hm"] == 1).tolist() == [[0, 8, 14]]
    expected = np.ones((16, 24), np.float32)
    expected[:11, :11] = 0
    expected[5:16, 11:24] = 0
    for name, heatmap in (("hm_weight", targets["hm"]), ("hm_hp_weight", targets["hm_hp"])):
        assert targets[name].dtype == np.float32
        np.testing.assert_array_equal(targets[name][0], np.where((heatmap > 0).any(0), 1, expected))


def test_a_joint_that_a_data_set_lacks():
    """A second person whose left eye was never annotated: the left eye's heatmap trains only on the first person's peak at (3, 4), whose
    radius is 2 (of a box of 10 x 10 on the map); that of the right eye trains everywhere."""
    boxes, points = [[0, 0, 40, 40], [50, 10, 90, 50]], [[[12, 16, 2], [30, 10, 1]], [[0, 0, -1], [60, 20, 2]]]
    targets = MultiPoseTargets(TWO, ["person"], SPEC, unlabelled="ignore")(sample_of(boxes, points))
    peak = np.zeros((16, 24), np.float32)
    peak[2:7, 1:6] = 1
    np.testing.assert_array_equal(targets["hm_hp_weight"], [peak, np.ones((16, 24))])
    assert targets["hm_weight"].min() == 1 and targets["hm_hp"][0].max() == 1
    assert targets["hps_mask"][:2].tolist() == [[1, 1, 1, 1], [0, 0, 1, 1]]


def test_unlabelled_in_parity_mode():
    sample = sample_of([[0, 0, 40, 40], [44, 20, 92, 60]], np.zeros((2, 2, 3)), crowd=[False, True])
    targets = MultiPoseTargets(TWO, ["person"], SPEC)(sample)
    assert set(targets) == ARRAYS
    assert (targets["hm"] == 1).sum() == 2 and not targets["reg_mask"].any() and targets["wh"][:2].all()


def test_turned_boxes():
    """By 90 degrees about the centre of the view the upright box around the turned one has width and height exchanged."""
    view = View(crop_center=(48, 32), crop_size=96, rotation=90)
    sample = sample_of([[38, 12, 58, 52]], [[[48, 16, 2], [48, 60, 1]]], view=view)
    official = MultiPoseTargets(TWO, ["person"], SPEC)(sample)
    assert (official["hm"] == np.float32(0.9999)).all() and not official["reg_mask"].any() and not official["hps_mask"].any()
    assert official["hp_mask"][:2].tolist() == [1, 1] and (official["hm_hp"] == 1).sum() == 2
    np.testing.assert_allclose(official["wh"][0], [5, 10], atol=1e-5)
    turned = MultiPoseTargets(TWO, ["person"], SPEC, rotated_boxes="rotate")(sample)
    np.testing.assert_allclose(turned["wh"][0], [10, 5], atol=1e-5)
    assert turned["reg_mask"][0] == 1 and turned["hps_mask"][0].all() and (turned["hm"] == 1).sum() == 1
    np.testing.assert_array_equal(turned["hm_hp"], official["hm_hp"])
    same = MultiPoseTargets(TWO, ["person"], SPEC, rotated_boxes="rotate")(sample_of([[38, 12, 58, 52]], [[[48, 16, 2], [48, 60, 1]]]))
    np.testing.assert_allclose(same["wh"][0], [5, 10])


def test_turned_ellipses():
    """A box of 5 x 10 map pixels has its sides exchanged at 90 degrees; at 45 degrees it is a square of sqrt(5**2 / 2 + 10**2 / 2)."""
    encode = MultiPoseTargets(TWO, ["person"], SPEC, rotated_boxes="ellipse")
    for rotation, size in ((0, [5, 10]), (90, [10, 5]), (45, [7.9057, 7.9057]), (30, [6.6144, 9.0139])):
        view = View(crop_center=(48, 32), crop_size=96, rotation=rotation)
        targets = encode(sample_of([[38, 12, 58, 52]], [[[48, 16, 2], [48, 60, 1]]], view=view))
        np.testing.assert_allclose(targets["wh"][0], size, atol=1e-4)
        assert targets["reg_mask"][0] == 1 and targets["hps_mask"][0].all() and (targets["hm"] == 1).sum() == 1
        assert targets["ind"][0] == 8 * 24 + 12


def test_degenerate_boxes_in_a_turned_view_do_no_harm():
    view = View(crop_center=(48, 32), crop_size=96, rotation=10)
    for box in ([50, 20, 40, 60], [300, 300, 310, 310], [10, 10, 10, 10]):
        for rotated_boxes in ("ignore", "rotate", "ellipse"):
            sample = sample_of([box], [[[48, 30, 2], [48, 40, 1]]], view=view)
            targets = MultiPoseTargets(TWO, ["person"], SPEC, rotated_boxes=rotated_boxes)(sample)
            assert all(np.isfinite(array).all() for array in targets.values())


def test_fixed_joint_width():
    targets = MultiPoseTargets(TWO, ["person"], SPEC, joint_sigma=1.5)(sample_of([[10, 6, 51, 48]], [[[14, 10, 2], [50, 45, 1]]]))
    rows, columns = np.mgrid[:16, :24]
    peak = np.exp(-((rows - 2) ** 2 + (columns - 3) ** 2) / (2 * 1.5**2))
    peak[(abs(rows - 2) > 4) | (abs(columns - 3) > 4)] = 0
    np.testing.assert_allclose(targets["hm_hp"][0], peak, atol=1e-7)
    assert np.count_nonzero(targets["hm"]) == 49  # the centre's peak still follows the box


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"radius": "zoo"}, "radius: 'zoo' is not one of official, model_zoo, corrected"),
        ({"unlabelled": "drop"}, "unlabelled"),
        ({"rotated_boxes": "no"}, "rotated_boxes"),
        ({"stride": 0}, "at least 1"),
        ({"max_objects": 0}, "at least 1"),
        ({"joint_sigma": 0}, "joint_sigma"),
        ({"stride": 10}, r"\[64, 96\] is not a multiple of the targets' stride 10"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ConfigError, match=message):
        MultiPoseTargets(TWO, ["person"], SPEC, **arguments)


def test_numpy_parts_import_no_mindspore():
    import subprocess
    import sys

    modules = (
        "mindpoint_parity.targets, mindpoint_centernet.targets.pictures, mindpoint_centernet.heatmaps, mindpoint_coco.transforms.color"
    )
    code = f"import sys, {modules}; sys.exit('mindspore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("flip", [False, True])
def test_ideal_maps_decode_to_the_objects(flip):
    """Two people and a joint of one not labelled, through the decoder, also with the maps of the mirrored image."""
    people = Keypoints(["nose", "left_hand", "right_hand"])
    boxes = [[8, 6, 50, 60], [52, 20, 92, 58]]
    points = [[[20, 10, 2], [14, 41, 1], [44, 30, 2]], [[70, 25, 2], [60, 40, 2], [0, 0, 0]]]
    sample = sample_of(boxes, points)
    encoder, decoder = MultiPoseTargets(people, ["person"], SPEC, max_objects=1), MultiPoseDecoder(people, ["person"])
    raw = {name: values[None] for name, values in decoder.to_logits(encoder.perfect_outputs(sample)).items()}
    raw = {name: np.nan_to_num(values, nan=5.0) for name, values in raw.items()}
    (found,) = decoder(raw, [WHOLE], decoder.mirror(raw) if flip else None)
    found = found.select(found.scores > 0.9)
    order = np.argsort(found.boxes[:, 0])
    np.testing.assert_allclose(found.boxes[order], boxes, atol=1e-3)
    np.testing.assert_allclose(found.keypoints[order][0], np.array(points[0])[:, :2], atol=1e-3)
    np.testing.assert_allclose(found.keypoints[order][1][:2], np.array(points[1])[:2, :2], atol=1e-3)


def test_ideal_maps_say_nothing_where_the_truth_does_not():
    maps = MultiPoseTargets(TWO, ["a"], SPEC).perfect_outputs(sample_of([], np.zeros((0, 2, 3))))
    assert not maps["hm"].any() and not maps["hm_hp"].any()
    assert all(np.isnan(maps[name]).all() for name in ("wh", "reg", "hps", "hp_offset"))
    one = MultiPoseTargets(TWO, ["a"], SPEC).perfect_outputs(
        sample_of([[8, 6, 50, 60], [60, 6, 90, 60]], np.zeros((2, 2, 3)), crowd=[0, 1])
    )
    np.testing.assert_allclose(one["wh"][:, 3, 20], [10.5, 13.5])  # of the only object that is no crowd, wherever one looks
    assert np.isnan(one["hps"]).all() and (one["hm"] == 1).sum() == 1


def near(picture, place, color, radius=4, tolerance=60):
    """Return whether a pixel of about that colour is near a position."""
    x, y = map(int, place)
    part = picture[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1].astype(int)
    return (np.abs(part - color).max(axis=2) < tolerance).any()


def test_pictures_show_the_targets():
    """A picture of 480 rows has 7.5 pixels for each of the 64 rows of the input; everything is drawn from the targets."""
    sample = sample_of([[10, 6, 50, 46], [60, 30, 90, 60]], [[[14, 10, 2], [40, 40, 0]], [[66, 34, 2], [80, 54, 1]]], labels=[0, 1])
    encode = MultiPoseTargets(TWO, ["person", "ape"], SPEC, max_objects=3)
    pictures = encode.pictures(sample, encode(sample))
    assert list(pictures) == ["boxes and joints to regress", "centre heatmap", "joint heatmaps and offsets"]
    assert {(picture.shape, picture.dtype) for picture in pictures.values()} == {((480, 720, 3), np.dtype(np.uint8))}
    boxes, centers, joints = pictures.values()
    assert near(boxes, (14 * 7.5, 10 * 7.5), TWO.colors[0]) and near(boxes, (80 * 7.5, 54 * 7.5), TWO.colors[1])
    assert not near(boxes, (40 * 7.5, 40 * 7.5), TWO.colors[1]), "not labelled"
    sides = [boxes[26 * 60 // 8, x] for x in (75, 375)]  # left and right of the first box, half way down
    assert all(side.any() for side in sides) and (sides[0] == sides[1]).all()
    assert near(centers, (32 * 7.5, 28 * 7.5), (80, 220, 80)) and not near(centers, (85 * 7.5, 8 * 7.5), (80, 220, 80))
    assert near(joints, (14 * 7.5, 10 * 7.5), (255, 255, 255)) and not near(joints, (40 * 7.5, 40 * 7.5), (255, 255, 255))
    moved = {**encode(sample), "hp_offset": np.full((6, 2), 2.5, np.float32)}
    assert near(encode.pictures(sample, moved)["joint heatmaps and offsets"], ((12 + 10) * 7.5, (8 + 10) * 7.5), (255, 255, 255))


def test_pictures_in_detail_and_of_ignored_areas():
    sample = sample_of([[10, 6, 50, 46], [60, 30, 90, 60]], [[[14, 10, 2], [40, 40, 1]], [[0, 0, 0]] * 2])
    encode = MultiPoseTargets(TWO, ["person"], SPEC, unlabelled="ignore")
    pictures = encode.pictures(sample, encode(sample), details=True)
    assert list(pictures)[3:] == ["ignored: grey", "left_eye", "right_eye"]
    assert near(pictures["ignored: grey"], (75 * 7.5, 45 * 7.5), (160, 160, 160)) and not pictures["ignored: grey"][60:300, 60:300].any()
    assert pictures["left_eye"].shape == (160, 240, 3)
    assert near(pictures["left_eye"], (14 * 2.5, 10 * 2.5), (0, 255, 255)) and not near(pictures["left_eye"], (100, 100), (0, 255, 255))
    nobody = sample_of([], np.zeros((0, 2, 3)))
    assert len(encode.pictures(nobody, encode(nobody), details=True)) == 6


@pytest.mark.parametrize("count", [2, 9])
def test_peaks_of_heatmaps(count):
    """Neighbours of a peak and what is not above the threshold are left out; of equal scores the lower channel comes first."""
    heat = np.zeros((2, 5, 4), np.float32)
    heat[0, 0, 3] = heat[1, 0, 0] = 0.5
    heat[1, 3, 2], heat[1, 2, 1], heat[0, 4, 0] = 0.75, 0.7, 0.25
    found = peaks(heat, count, above=0.25)
    rows = [(0.75, 1, 3, 2), (0.5, 0, 0, 3), (0.5, 1, 0, 0)]
    assert list(zip(found.scores.tolist(), *(axis.tolist() for axis in found[1:]))) == rows[:count]
