import numpy as np
import pytest

from mindpoint.contracts.instances import Detections, Objects
from mindpoint.contracts.image import View
from mindpoint_coco.keypoints import Keypoints
from mindpoint.visual.draw import draw, draw_heatmap, draw_objects, grid

PAIR = Keypoints(["a", "b"], skeleton=[("a", "b")], colors=[(0, 0, 200), (200, 0, 0)])


def found(points, score=0.9, box=(10, 10, 90, 90), heatmap=True):
    points = np.array(points, np.float32)[None]
    joints = points.shape[1]
    return Detections(
        np.array([box], np.float32),
        np.array([score], np.float32),
        np.zeros(1, int),
        points,
        np.full((1, joints), score, np.float32),
        np.full((1, joints), heatmap),
    )


@pytest.fixture
def black():
    return np.zeros((100, 100, 3), np.uint8)


def test_joints_limb_and_box_are_where_they_should_be(black):
    picture = draw(black, found([(30, 40), (70, 40)]), PAIR)
    assert picture[40, 30].tolist() == [0, 0, 200] and picture[40, 70].tolist() == [200, 0, 0]
    blue, green, red = picture[40, 50].tolist()  # antialiased
    assert blue == red > 80 and green == 0
    assert picture[50, 10].any() and picture[90, 50].any() and not picture[60, 50].any()
    assert not black.any()


def test_parts_can_be_left_out(black):
    detections = found([(30, 40), (70, 40)])
    plain = draw(black, detections, PAIR, boxes=False, skeleton=False)
    assert plain[40, 30].any() and not plain[40, 50].any() and not plain[50, 10].any()
    assert not draw(black, detections, PAIR, score_threshold=0.95).any()
    assert not draw(black, detections, PAIR, boxes=False, joint_threshold=0.95).any()


def test_regressed_joints_are_rings(black):
    ring = draw(black, found([(30, 40), (70, 40)], heatmap=False), PAIR, boxes=False, skeleton=False)
    assert not ring[40, 30].any() and ring[40, 28:33].any()


def test_one_joint_and_no_detection(black):
    single = Keypoints(["only"], colors=[(1, 2, 3)])
    assert draw(black, found([(30, 40)]), single)[40, 30].tolist() == [1, 2, 3]
    assert not draw(black, found([(30, 40)]).select(np.array([], int)), single).any()


def test_wild_coordinates_do_no_harm(black):
    wild = draw(black, found([(1e9, -1e9), (np.nan, 40)], box=(-1e9, 20, 1e9, 60)), PAIR)
    assert wild[20, 50].any() and wild[60, 50].any()
    assert not draw(black, found([(np.inf, 0), (np.nan, 40)], box=(np.nan, 0, 9, 9)), PAIR).any()


def test_objects(black):
    points = np.array([[[30, 40, 2], [70, 40, 1]], [[50, 70, 2], [0, 0, 0]]], np.float32)
    boxes = np.array([[20, 30, 80, 50], [40, 60, 60, 80]], np.float32)
    objects = Objects(boxes, points, np.zeros(2, int), np.ones(2, np.float32), np.array([False, True]))
    picture = draw_objects(black.astype(np.float32), objects, PAIR)
    assert picture.dtype == np.uint8
    assert picture[40, 30].tolist() == [0, 0, 200]
    assert not picture[40, 70].tolist() == [200, 0, 0]  # hidden: a ring
    assert picture[70, 50].tolist() == [0, 0, 200] and not picture[0, 0].any()  # an unlabelled joint lies at (0, 0)
    assert len(set(picture[60, 45].tolist())) == 1  # a crowd's box is grey


def test_grid_places_images_of_different_sizes():
    images = [np.full((h, w, 3), value, np.uint8) for h, w, value in ((10, 20, 1), (12, 8, 2), (5, 5, 3))]
    sheet = grid(images, columns=2, gap=2)
    assert sheet.shape == (26, 42, 3)
    assert (sheet[:10, :20] == 1).all() and (sheet[:12, 22:30] == 2).all() and (sheet[14:19, :5] == 3).all()
    assert grid(images).shape == grid(images, columns=2).shape


def test_a_heatmap_lies_where_its_window_is():
    """A window of 64 pixels around (60, 40) on a raster of 16: its pixel (row 4, column 10) is at x 28 + 40, y 8 + 16."""
    heat = np.zeros((16, 16), np.float32)
    heat[4, 10] = 1
    image = np.full((100, 120, 3), 100, np.uint8)
    drawn = draw_heatmap(image, heat, View((60.0, 40.0), 64.0))
    assert drawn.shape == image.shape and (image == 100).all()
    row, column = np.unravel_index(drawn.sum(axis=2).argmax(), drawn.shape[:2])
    assert (column, row) == (68, 24) and (drawn[row, column] == 255).all()
    assert (drawn[90, 10] == 50).all(), "outside of the window there is only the darkened image"
