"""Photographs decoded at a part of their size."""

import json

import cv2
import numpy as np
import pytest
from mindpoint.errors import ConfigError, DataError
from mindpoint.storage.images import decode_image, read_bytes, reduction_of
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.keypoints import Keypoints

JOINT = (533.0, 201.0)


def photograph(tmp_path, ending=".jpg", size=(601, 803), **arguments):
    """A data set of one picture: a soft spot at its one joint."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    spot = 255 * np.exp(-((columns - JOINT[0]) ** 2 + (rows - JOINT[1]) ** 2) / (2 * 12**2))
    cv2.imwrite(str(tmp_path / f"a{ending}"), np.repeat(spot[:, :, None].astype(np.uint8), 3, axis=2))
    annotation = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "bbox": [500, 150, 80, 120],
        "keypoints": [*JOINT, 2],
        "area": 6400,
        "iscrowd": 0,
    }
    content = {
        "images": [{"id": 1, "file_name": f"a{ending}", "height": 601, "width": 803}],
        "annotations": [{**annotation, "num_keypoints": 1}],
        "categories": [{"id": 1, "name": "thing"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    return CocoDataset(str(tmp_path / "a.json"), str(tmp_path), ["thing"], Keypoints(names=["middle"]), **arguments)


@pytest.mark.parametrize(
    "reduce_to, factor, shape", [(None, 1, (601, 803)), (402, 1, (601, 803)), (401, 2, (301, 402)), (100, 8, (76, 101))]
)
def test_annotations_follow_the_pixels(tmp_path, reduce_to, factor, shape):
    sample = photograph(tmp_path, reduce_to=reduce_to)[0]
    assert sample.image.shape[:2] == shape
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    weights = sample.image[..., 0].astype(float)
    weights[weights < 20] = 0
    seen = [(weights * columns).sum() / weights.sum(), (weights * rows).sum() / weights.sum()]
    np.testing.assert_allclose(sample.objects.keypoints[0, 0, :2], seen, atol=0.02)
    np.testing.assert_allclose((sample.objects.boxes[0] + 0.5) * factor - 0.5, [500, 150, 580, 270], atol=1e-3)
    assert sample.objects.areas[0] == 6400 / factor**2


def test_only_jpeg_files_are_reduced(tmp_path):
    assert photograph(tmp_path, ".png", reduce_to=100)[0].image.shape[:2] == (601, 803)


def test_reduced_images_are_not_evaluated_and_their_size_is_checked(tmp_path):
    with pytest.raises(ConfigError, match="reduce_to is for training"):
        photograph(tmp_path, reduce_to=100).ground_truth()
    with pytest.raises(DataError, match="is 400 x 304 pixels, but image id 1 of .* says 803 x 601"):
        photograph(tmp_path, size=(301, 400), reduce_to=100)[0]


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_reduced_pixel_is_the_mean_of_its_pixels(coco_mini, factor):
    """To 0.6 of 255 levels in the mean and 16 at most."""
    for path in sorted((coco_mini / "train2017").glob("*.jpg"))[:12]:
        data = read_bytes(path)
        full, reduced = decode_image(data, path), decode_image(data, path, factor)
        rows, columns = full.shape[0] // factor, full.shape[1] // factor
        means = full[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, 3).mean((1, 3))
        differences = np.abs(means - reduced[:rows, :columns])
        assert differences.mean() < 0.6 and differences.max() < 16


def test_reduction_keeps_what_is_wanted():
    jpeg = b"\xff\xd8"
    assert [reduction_of(jpeg, 4000, wanted) for wanted in (5000, 4000, 2001, 2000, 1000, 500, 1)] == [1, 1, 1, 2, 4, 8, 8]
    assert reduction_of(b"\x89PNG", 4000, 500) == 1
