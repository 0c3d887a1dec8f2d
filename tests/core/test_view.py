import numpy as np
import pytest
from mindpoint.contracts.image import InputSpec, View
from mindpoint.errors import ConfigError


def test_whole_image_to_a_square_raster():
    # 640x427 image, extent 640 on 512 pixels: scale 0.8, centred vertically: (512 - 427 * 0.8) / 2 = 85.2
    assert View((320, 213.5), 640).affine(512, 512) == pytest.approx(np.array([[0.8, 0, 0], [0, 0.8, 85.2]]), abs=1e-5)


def test_rotation_turns_about_the_center():
    matrix = View((50, 40), 100, rotation=90).affine(100, 100)
    # the point above the centre by half the extent comes to the raster's right edge or left edge, not to its top
    assert matrix @ [50, 40, 1] == pytest.approx([50, 50], abs=1e-4)
    assert abs((matrix @ [50, -10, 1])[0] - 50) == pytest.approx(50, abs=1e-4)
    assert View((50, 40), 100, rotation=90).affine(100, 100, rotated=False) @ [50, -10, 1] == pytest.approx([50, 0], abs=1e-4)


def test_to_image_undoes_the_affine_and_the_scale():
    view = View((30, 20), 64, rotation=17, scale=0.5)
    points = np.array([[3.0, 4.0], [100.0, -7.0]])
    on_raster = points * 0.5 @ view.affine(32, 24)[:, :2].T + view.affine(32, 24)[:, 2]
    assert view.to_image(on_raster, 32, 24) == pytest.approx(points, abs=1e-4)


def test_normalize_bgr_and_rgb():
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., 0] = 255  # blue
    bgr = InputSpec((2, 2), [0.5, 0, 0], [0.25, 1, 1]).normalize(image)
    rgb = InputSpec((2, 2), [0.5, 0, 0], [0.25, 1, 1], "rgb").normalize(image)
    assert bgr[:, 0, 0].tolist() == [2, 0, 0] and rgb[:, 0, 0].tolist() == [-2, 0, 1]
    assert InputSpec((2, 2), [0.5, 0, 0], [0.25, 1, 1]).normalize(image.astype(np.float32) / 255) == pytest.approx(bgr)


@pytest.mark.parametrize("order", ["bgr", "rgb"])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("colored", [False, True])
def test_normalize_is_the_formula(order, kind, colored):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (71, 40, 3), np.uint8)
    color = rng.uniform(-1, 1, (3, 4)) if colored else np.eye(3, 4)
    mean, std = np.array([0.4, 0.45, 0.5]), np.array([0.2, 0.25, 0.3])
    expected = np.concatenate([image / 255, np.ones((71, 40, 1))], 2) @ color.T
    expected = (expected[..., :: -1 if order == "rgb" else 1] - mean) / std
    given = image if kind == np.uint8 else (image / 255).astype(np.float32)
    spec, out = InputSpec((71, 40), mean, std, order), np.full((2, 3, 71, 40), np.nan, np.float32)
    result = spec.normalize(given, color if colored else None, out[1])
    np.testing.assert_allclose(result, expected.transpose(2, 0, 1), atol=2e-6)
    np.testing.assert_array_equal(out[1], result)
    assert np.isnan(out[0]).all()


@pytest.mark.parametrize("bad", [dict(size=(0, 4)), dict(std=(1, 1, 0)), dict(channel_order="gray")])
def test_bad_input_spec(bad):
    with pytest.raises(ConfigError, match="input"):
        InputSpec(**{**dict(size=(4, 4), mean=(0, 0, 0), std=(1, 1, 1)), **bad})
