import cv2
import numpy as np
import pytest
from mindpoint.contracts.image import InputSpec, transform_points
from mindpoint.data.preprocess import inference_view, prepare
from mindpoint.errors import ConfigError

SPEC = InputSpec((64, 64), [0.5, 0.4, 0.3], [0.5, 0.25, 0.2])


def test_kept_resolution_shows_every_pixel_unchanged():
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    array, view = prepare(image, SPEC, "keep", divisor=16)
    assert array.shape == (3, 64, 80)  # (50 | 15) + 1, (70 | 15) + 1
    left, top = 80 // 2 - 70 // 2, 64 // 2 - 50 // 2
    normal = ((image / 255.0 - SPEC.mean) / SPEC.std).transpose(2, 0, 1)
    assert array[:, top : top + 50, left : left + 70] == pytest.approx(normal, abs=1e-5)
    assert view.to_image(np.array([left, top]), 80, 64) == pytest.approx([0, 0], abs=1e-5)


def test_border_is_black_before_normalising():
    array, _ = prepare(np.full((20, 64, 3), 255, np.uint8), SPEC)
    assert array[:, 0, 0] == pytest.approx(-np.array(SPEC.mean) / SPEC.std, abs=1e-6)
    assert array[:, 32, 32] == pytest.approx((1 - np.array(SPEC.mean)) / SPEC.std, abs=1e-6)


@pytest.mark.parametrize("resolution", ["fixed", "keep"])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
def test_view_leads_back_to_the_original_image(resolution, scale):
    """A spot in the image shows in the network's input, and the view says where it came from."""
    image = np.zeros((90, 120, 3), np.uint8)
    cv2.circle(image, (66, 40), 5, (255, 255, 255), -1)
    array, view = prepare(image, SPEC, resolution, scale)
    weight = np.clip(array[0] - array[0].min(), 0, None)
    rows, columns = np.indices(weight.shape)
    spot = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
    # cv2.resize keeps pixel edges, the affine pixel centres: they differ by half a pixel of the coarser raster at most
    assert view.to_image(spot, array.shape[2], array.shape[1]) == pytest.approx([66, 40], abs=1.0)


@pytest.mark.parametrize("input_size", [(64, 64), (64, 128), (128, 64)])
@pytest.mark.parametrize("image_size", [(100, 40), (40, 100)])
def test_fixed_raster_just_holds_the_image(input_size, image_size):
    view, (height, width) = inference_view(image_size, input_size)
    assert (height, width) == input_size
    corners = np.array([[0, 0], [image_size[1], image_size[0]]], float)
    (left, top), (right, bottom) = transform_points(corners, view.affine(width, height))
    assert min(left, top, width - right, height - bottom) >= -1e-4
    assert min(left, top) == pytest.approx(0, abs=1e-4)


def test_an_image_of_one_pixel_survives_a_small_scale():
    array, _ = prepare(np.zeros((1, 3, 3), np.uint8), SPEC, "keep", 0.5)
    assert array.shape == (3, 32, 32)


@pytest.mark.parametrize("change", [dict(resolution="kept"), dict(scale=0.0), dict(resolution="keep", divisor=24)])
def test_bad_settings(change):
    with pytest.raises(ConfigError):
        inference_view((10, 10), (64, 64), **change)
