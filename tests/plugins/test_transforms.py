"""Augmentation: windows, mirroring and colours against worked values, stated distributions and step-by-step formulas."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from joints import annotated
from mindpoint.contracts.image import InputSpec, Sample, letterbox_size, transform_points
from mindpoint.errors import ConfigError
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.transforms.color import ColorAugment, color_map, hue_map
from mindpoint_coco.transforms.view import RandomView, apply_view, crop_border, window_view

KEYPOINTS = Keypoints(names=["nose", "left_hand", "right_hand"])
SQUARE = InputSpec(size=(512, 512), mean=[0, 0, 0], std=[1, 1, 1])


def a_sample(height=48, width=64):
    rng = np.random.default_rng(4)
    joints = [[[12, 8, 2], [14, 20, 1], [28, 22, 0]]]
    objects = annotated([[10, 5, 30, 40]], joints, KEYPOINTS, areas=np.array([700], np.float32))
    return Sample(image_id=1, name="x", image=rng.integers(0, 256, (height, width, 3), np.uint8), objects=objects)


def test_mirrored_objects_by_hand():
    mirrored = a_sample().objects.mirror(64)
    np.testing.assert_array_equal(mirrored.boxes, [[33, 5, 53, 40]])
    np.testing.assert_array_equal(mirrored.keypoints, [[[51, 8, 2], [35, 22, 0], [49, 20, 1]]])


def test_mirroring_twice_changes_nothing():
    spec = InputSpec(size=(64, 64), mean=[0, 0, 0], std=[1, 1, 1])
    start = apply_view(a_sample(64, 64), window_view(64, (32, 32), 64), spec)
    whole_pixels = window_view(64, (31, 32), 64, mirror=True)  # centre 32 after mirroring: raster = mirrored image
    once = apply_view(start, whole_pixels, spec)
    np.testing.assert_array_equal(once.image, start.image[:, ::-1])
    twice = apply_view(once, whole_pixels, spec)
    np.testing.assert_array_equal(twice.image, start.image)
    np.testing.assert_array_equal(twice.objects.boxes, start.objects.boxes)
    np.testing.assert_array_equal(twice.objects.keypoints, start.objects.keypoints)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("rotation", [0.0, 30.0])
def test_pixels_and_points_move_together(mirror, rotation):
    """A dot drawn at a joint is found where the view says the joint is."""
    spec = InputSpec(size=(96, 160), mean=[0, 0, 0], std=[1, 1, 1])
    sample = a_sample(200, 300)
    sample.image[:] = 0
    sample.objects.keypoints[0, :, :2] = [[120, 90], [170, 110], [150, 130]]
    cv2.circle(sample.image, (170, 110), 4, (255, 255, 255), -1)
    seen = apply_view(sample, window_view(300, (150, 105), 200, rotation, mirror), spec)
    at = transform_points(seen.objects.keypoints[0, :, :2], seen.view.affine(160, 96))[2 if mirror else 1]
    weights = seen.image[..., 0].astype(float)
    rows, columns = np.mgrid[:96, :160]
    np.testing.assert_allclose([(weights * columns).sum(), (weights * rows).sum()] / weights.sum(), at, atol=0.3)
    assert sample.objects.keypoints[0, 1, 0] == 170  # the sample that went in is untouched


def test_whole_view_holds_the_image():
    assert letterbox_size(640, 427, SQUARE.size) == 640 and letterbox_size(427, 640, SQUARE.size) == 640
    for size in ((256, 512), (512, 256)):
        spec = InputSpec(size=size, mean=[0, 0, 0], std=[1, 1, 1])
        for width, height in ((640, 427), (427, 640)):
            view = RandomView(spec, mode="none").draw(a_sample(height, width), np.random.default_rng(0))
            corners = transform_points(np.array([[0, 0], [width, height]], float), view.affine(size[1], size[0]))
            assert (corners > -1e-6).all() and (corners <= np.array([size[1], size[0]]) + 1e-6).all()
            assert np.isclose(corners[1] - corners[0], (size[1], size[0])).any()


@pytest.mark.parametrize("size, border", [(640, 128), (427, 128), (257, 128), (256, 64), (129, 64), (128, 32), (2, 0), (1, 0)])
def test_crop_border(size, border):
    assert crop_border(128, size) == border


def draws(count=4000, width=640, height=200, **arguments):
    view, rng = RandomView(SQUARE, **arguments), np.random.default_rng(11)
    sample = a_sample(height, width)
    return [view.draw(sample, rng) for _ in range(count)]


def test_crop_distribution():
    views = draws(flip=0.5)
    factors, counts = np.unique([round(view.crop_size / 640, 6) for view in views], return_counts=True)
    np.testing.assert_allclose(factors, [0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3])
    assert (np.abs(counts - 500) < 4 * np.sqrt(500 * 7 / 8)).all()
    x = np.array([640 - view.crop_center[0] - 1 if view.mirror else view.crop_center[0] for view in views])
    y = np.array([view.crop_center[1] for view in views])
    assert (x.min(), x.max(), y.min(), y.max()) == (128, 511, 64, 135)
    assert abs(x.mean() - 319.5) < 4 * 384 / np.sqrt(12 * 4000)
    assert abs(np.mean([view.mirror for view in views]) - 0.5) < 4 * 0.5 / np.sqrt(4000)
    assert all(view.rotation == 0 and view.scale == 1 for view in views)


def test_shift_distribution():
    views = draws(mode="shift", flip=0.0)
    factor = np.array([view.crop_size / 640 for view in views])
    x = np.array([view.crop_center[0] - 320 for view in views]) / 640
    assert factor.min() == pytest.approx(0.6) and factor.max() == pytest.approx(1.4)
    # a normal deviate clipped at one standard deviation sits at each end with probability 0.1587
    assert abs((factor > 1.4 - 1e-9).mean() - 0.1587) < 4 * np.sqrt(0.1587 * 0.8413 / 4000)
    assert np.abs(x).max() == pytest.approx(0.2)
    assert abs((x > 0.2 - 1e-9).mean() - 0.0228) < 4 * np.sqrt(0.0228 * 0.9772 / 4000)
    assert not any(view.mirror for view in views)


def test_object_distribution():
    """Four of five windows lie around the one object, whose box's centre is (20, 22.5); the others lie anywhere."""
    views = draws(mode="object", crop_scales=[0.2, 0.4], shift=0.1, flip=0.0)
    x, y = np.array([view.crop_center for view in views]).T
    extent = np.array([view.crop_size for view in views])
    assert set(extent) == {128, 256}
    around = (np.abs(x - 20) <= 0.2 * extent + 1e-9) & (np.abs(y - 22.5) <= 0.2 * extent + 1e-9)
    assert abs(around.mean() - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 4000)  # crops keep 128 pixels from the left edge: none is around it by chance
    moved = (x[around] - 20) / extent[around]
    assert abs(moved.mean()) < 4 * 0.1 / np.sqrt(3200) and abs(moved.std() - 0.0960) < 0.005  # 0.0960: clipped at two deviations
    assert (x[~around].min(), x[~around].max()) == (128, 511)


def test_windows_without_objects_lie_anywhere():
    sample = a_sample(200, 640)
    sample = replace(sample, objects=sample.objects.select(np.zeros(1, bool)))
    view, rng = RandomView(SQUARE, mode="object", crop_scales=[0.2], flip=0.0), np.random.default_rng(3)
    x = [view.draw(sample, rng).crop_center[0] for _ in range(400)]
    assert min(x) < 140 and max(x) > 500


def test_rotation_distribution():
    angles = np.array([view.rotation for view in draws(rotation=15.0, rotation_probability=0.25)])
    assert abs((angles != 0).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4000)
    assert np.abs(angles).max() == 30 and abs(angles[angles != 0].mean()) < 4 * 15 / np.sqrt(1000)


def test_none_is_never_random():
    first, *others = draws(count=50, mode="none", rotation=20.0, rotation_probability=1.0, flip=1.0)
    assert all(view == first for view in others)


@pytest.mark.parametrize(
    "arguments",
    [{"mode": "zoom"}, {"crop_scales": []}, {"crop_scales": [0.0]}, {"scale": 1.0}, {"shift": -1}, {"flip": 1.5}, {"crop_border": -1}],
)
def test_wrong_view_arguments(arguments):
    with pytest.raises(ConfigError, match=f"RandomView.{next(iter(arguments))}"):
        RandomView(SQUARE, **arguments)


def step_by_step(image, steps, noise):
    """The augmentation as the formulas say it, one after the other; ``image`` float in 0..1."""
    grey = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_BGR2GRAY).astype(np.float64)
    out = image.astype(np.float64)
    for name, alpha in steps:
        other = {"brightness": 0.0, "contrast": grey.mean(), "saturation": grey[:, :, None]}[name]
        out = alpha * out + (1 - alpha) * other
    return out + noise


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_color_map_is_the_steps_one_after_the_other(order):
    image = np.random.default_rng(2).random((9, 13, 3))
    steps = [[("brightness", 1.37), ("contrast", 0.63), ("saturation", 1.21)][index] for index in order]
    noise = np.array([0.02, -0.03, 0.01])
    grey_mean = float(image.mean((0, 1)) @ [0.114, 0.587, 0.299])
    actual = cv2.transform(image, color_map(steps, noise, grey_mean))
    np.testing.assert_allclose(actual, step_by_step(image, steps, noise), atol=2e-6)


class Recorded:
    """A generator whose draws are fixed."""

    def __init__(self, uniforms, normals):
        self.uniforms, self.normals = list(uniforms), normals

    def uniform(self, low, high):
        return self.uniforms.pop(0)

    def shuffle(self, steps):
        steps.reverse()

    def normal(self, mean, deviation, size):
        return deviation * self.normals


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_color_augment_of_a_sample(kind):
    sample = a_sample()
    image = sample.image / 255.0
    if kind == np.float32:
        sample.image = image.astype(np.float32)
    deviates = np.array([1.0, -2.0, 0.5])
    out = ColorAugment()(sample, Recorded([0.3, -0.2, 0.4], deviates)).pixels()
    vectors = np.array(
        [[-0.58752847, -0.69563484, 0.41340352], [-0.5832747, 0.00994535, -0.81221408], [-0.56089297, 0.71832671, 0.41158938]]
    )
    noise = vectors @ (np.array([0.2141788, 0.01817699, 0.00341571]) * 0.1 * deviates)
    expected = step_by_step(image, [("saturation", 1.4), ("contrast", 0.8), ("brightness", 1.3)], noise)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, expected, atol=3e-6)
    assert out.max() > 1  # not clipped


def test_two_color_changes_one_after_the_other():
    sample = a_sample()
    alphas, deviates = ([0.3, -0.2, 0.4], [-0.1, 0.2, 0.3]), (np.array([1.0, -2.0, 0.5]), np.array([0.2, 0.1, -1.0]))
    once = ColorAugment()(sample, Recorded(alphas[0], deviates[0]))
    repainted = a_sample()
    repainted.image = once.pixels()
    expected = ColorAugment()(repainted, Recorded(alphas[1], deviates[1])).pixels()
    np.testing.assert_allclose(ColorAugment()(once, Recorded(alphas[1], deviates[1])).pixels(), expected, atol=3e-6)


@pytest.mark.parametrize("step", ["brightness", "contrast", "saturation"])
def test_color_distribution(step):
    """One step alone, seen at a pixel where it blends with black."""
    sample, rng = a_sample(), np.random.default_rng(5)
    sample.image = np.zeros((100, 100, 3), np.float32)
    sample.image[0, 0] = 1.0 if step != "saturation" else (1.0, -0.114 / 0.587, 0.0)
    color = ColorAugment(**{**dict(brightness=0.0, contrast=0.0, saturation=0.0, lighting=0.0), step: 0.4})
    alphas = np.array([color(sample, rng).pixels()[0, 0, 0] for _ in range(3000)])
    assert 0.6 - 1e-4 <= alphas.min() < 0.61 and 1.39 < alphas.max() <= 1.4 + 1e-4
    assert abs(alphas.mean() - 1) < 4 * 0.8 / np.sqrt(12 * 3000)


ONLY_HUE = dict(brightness=0.0, contrast=0.0, saturation=0.0, lighting=0.0)


def test_hue_keeps_brightness_and_grey_and_turns_the_colour_circle():
    red, grey = np.array([0.0, 0.0, 1.0]), np.full(3, 0.4)  # blue, green, red
    weights = np.array([0.114, 0.587, 0.299])
    for degrees in (-180, -30, 0, 75):
        matrix = hue_map(degrees)
        np.testing.assert_allclose(matrix @ [*grey, 1], grey, atol=2e-4)
        assert weights @ (matrix @ [*red, 1]) == pytest.approx(0.299)
    opposite = hue_map(180) @ [*red, 1]  # the colour's distance from grey with the other sign
    np.testing.assert_allclose(opposite, 2 * 0.299 - red, atol=2e-3)
    np.testing.assert_allclose(hue_map(40)[:, :3] @ hue_map(-40)[:, :3], np.eye(3), atol=1e-12)


def test_hue_is_drawn_within_its_range_and_greyscale_as_often_as_it_says():
    sample, rng = a_sample(), np.random.default_rng(5)
    sample.image = np.zeros((4, 4, 3), np.float32)
    sample.image[..., 2] = 1
    turned = np.array([ColorAugment(hue=60, **ONLY_HUE)(sample, rng).pixels()[0, 0] for _ in range(600)]) @ np.array(
        [[-0.3213, 0.3112], [-0.2746, -0.5227], [0.5959, 0.2115]]
    )
    angles = np.degrees(np.arctan2(turned[:, 1], turned[:, 0])) - np.degrees(np.arctan2(0.2115, 0.5959))
    assert -60 <= angles.min() < -55 and 55 < angles.max() <= 60.01 and abs(angles.mean()) < 4 * 120 / np.sqrt(12 * 600)
    grey = [np.ptp(ColorAugment(greyscale=0.3, **ONLY_HUE)(a_sample(), rng).pixels(), axis=2).max() < 1e-6 for _ in range(600)]
    assert abs(np.mean(grey) - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 600)


def test_official_colours_do_not_depend_on_the_options_beyond_them():
    plain = ColorAugment()(a_sample(), np.random.default_rng(3)).color_matrix
    np.testing.assert_array_equal(plain, ColorAugment(hue=0.0, greyscale=0.0)(a_sample(), np.random.default_rng(3)).color_matrix)
    drawn = np.random.default_rng(3)
    steps = [(name, 1 + drawn.uniform(-0.4, 0.4)) for name in ("brightness", "contrast", "saturation")]
    drawn.shuffle(steps)
    augment = ColorAugment()
    noise = augment.eigenvectors @ (augment.eigenvalues * drawn.normal(0.0, 0.1, 3))
    mean = float(np.array([0.114, 0.587, 0.299]) @ (np.array(cv2.mean(a_sample().image)[:3]) / 255.0))
    np.testing.assert_array_equal(plain, color_map(steps, noise, mean))


@pytest.mark.parametrize(
    "arguments",
    [
        {"brightness": 1.5},
        {"contrast": -0.1},
        {"lighting": -1},
        {"eigenvalues": [1, 2]},
        {"eigenvectors": [[1]]},
        {"hue": 181},
        {"greyscale": 2},
    ],
)
def test_wrong_color_arguments(arguments):
    with pytest.raises(ConfigError, match="ColorAugment"):
        ColorAugment(**arguments)
