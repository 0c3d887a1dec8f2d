"""Blur, noise and compression against worked values; objects stay in place."""

import cv2
import numpy as np
import pytest
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.errors import ConfigError
from mindpoint_coco.transforms.quality import GaussianBlur, GaussianNoise, JpegCompression, MotionBlur, line_kernel

EVERY = [GaussianBlur, MotionBlur, GaussianNoise, JpegCompression]


def sample_of(image):
    return Sample(1, "x", image, Objects(np.array([[1, 1, 5, 5]], np.float32), np.zeros(1, np.int64)))


def photo(height=60, width=80, kind=np.uint8):
    image = np.random.default_rng(0).integers(60, 180, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return image if kind == np.uint8 else image.astype(np.float32) / 255


def centroid(image):
    weights = image[..., 0].astype(float)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()


@pytest.mark.parametrize("transform", EVERY)
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("size", [(60, 80), (1, 1), (1, 7), (6, 5)])
def test_pixels_change_and_objects_and_the_original_do_not(transform, kind, size):
    start = sample_of(photo(*size, kind))
    before = start.image.copy()
    out, again = (transform(probability=1)(start, np.random.default_rng(9)) for _ in range(2))
    assert out.image.shape == (*size, 3) and out.image.dtype == kind and out.objects is start.objects
    np.testing.assert_array_equal(start.image, before)
    np.testing.assert_array_equal(out.image, again.image)
    difference = np.abs(out.image.astype(float) - before).max() / (255 if kind == np.uint8 else 1)
    assert difference < 0.4 and (difference > 0.004 or size == (1, 1))
    assert transform(probability=0)(start, np.random.default_rng(9)) is start


@pytest.mark.parametrize("transform", EVERY)
def test_the_probability_is_the_share_of_changed_images(transform):
    start, part, rng = sample_of(photo(8, 8)), transform(probability=0.25), np.random.default_rng(1)
    changed = np.mean([part(start, rng) is not start for _ in range(1000)])
    assert abs(changed - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 1000)


@pytest.mark.parametrize("transform", [GaussianBlur, MotionBlur])
def test_a_blurred_dot_stays_in_its_place(transform):
    image = np.zeros((61, 81, 3), np.float32)
    image[25, 40] = 1
    part, rng = transform(probability=1), np.random.default_rng(3)
    for _ in range(20):
        blurred = part(sample_of(image), rng).image
        assert 0 < blurred.max() < 1 and blurred.sum() == pytest.approx(3, rel=1e-4)
        np.testing.assert_allclose(centroid(blurred), (40, 25), atol=0.01)


def test_gaussian_blur_has_the_deviation_that_was_drawn():
    image = np.zeros((61, 61, 3), np.float32)
    image[30, 30] = 1
    blurred = GaussianBlur(probability=1, sigma=(3.0, 3.0))(sample_of(image), np.random.default_rng(0)).image[..., 0]
    assert (blurred.sum(axis=0) * (np.arange(61) - 30) ** 2).sum() == pytest.approx(9, rel=0.03)


def test_a_line_along_the_x_axis_by_hand():
    """Four pixels long: the three in the middle whole, the two at the ends half."""
    kernel = line_kernel(4, 0)
    assert kernel.shape == (5, 5) and not np.delete(kernel, 2, axis=0).any()
    np.testing.assert_allclose(kernel[2], [0.125, 0.25, 0.25, 0.25, 0.125], atol=1e-6)
    np.testing.assert_allclose(line_kernel(4, np.pi / 2), kernel.T, atol=1e-6)
    np.testing.assert_allclose(line_kernel(6.5, 0.7), line_kernel(6.5, 0.7)[::-1, ::-1], atol=1e-6)


def test_noise_has_the_deviation_that_was_drawn_on_each_channel():
    image = np.full((200, 200, 3), 128, np.uint8)
    noisy = GaussianNoise(probability=1, deviation=(0.04, 0.04))(sample_of(image), np.random.default_rng(0)).image.astype(float)
    assert noisy.std(axis=(0, 1)) == pytest.approx([10.2] * 3, rel=0.03) and abs(noisy.mean() - 128) < 0.2
    assert abs(np.corrcoef(noisy[..., 0].ravel(), noisy[..., 1].ravel())[0, 1]) < 0.03
    dark = GaussianNoise(probability=1, deviation=(0.2, 0.2))(sample_of(np.zeros((20, 20, 3), np.float32)), np.random.default_rng(0))
    assert dark.image.min() == 0 and dark.image.max() > 0.3


def test_low_quality_loses_more_than_high_quality():
    start = sample_of(photo())
    losses = []
    for quality in (95, 40, 5):
        out = JpegCompression(probability=1, quality=(quality, quality))(start, np.random.default_rng(0)).image
        known = cv2.imdecode(cv2.imencode(".jpg", start.image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)
        np.testing.assert_array_equal(out, known)
        losses.append(np.abs(out.astype(float) - start.image).mean())
    assert losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize("transform", [GaussianBlur, MotionBlur, JpegCompression])
def test_an_image_without_colours_stays_without(transform):
    image = np.repeat(photo()[..., :1], 3, axis=2)
    assert np.ptp(transform(probability=1)(sample_of(image), np.random.default_rng(0)).image, axis=2).max() == 0


@pytest.mark.parametrize(
    "transform, arguments",
    [
        (GaussianBlur, {"probability": 1.5}),
        (GaussianBlur, {"sigma": [2, 1]}),
        (MotionBlur, {"length": [0, 4]}),
        (GaussianNoise, {"deviation": [0.1]}),
        (JpegCompression, {"quality": [0, 50]}),
    ],
)
def test_wrong_arguments_are_named(transform, arguments):
    with pytest.raises(ConfigError, match=f"^{transform.__name__}.{next(iter(arguments))}: "):
        transform(**arguments)
