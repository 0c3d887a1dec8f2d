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


@pytest.mark.parametrize("bad", [dict(size=(0, 4)), dict(std=(1, 1, 0)), dict(color="gray")])
def test_bad_input_spec(bad):
    with pytest.raises(ConfigError, match="input"):
        InputSpec(**{**dict(size=(4, 4), mean=(0, 0, 0), std=(1, 1, 1)), **bad})
