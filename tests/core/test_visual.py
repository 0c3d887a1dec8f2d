"""What pictures show, pixel by pixel."""

import cv2
import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.contracts.fields import Angles, Field, Points, Rasters
from mindpoint.contracts.image import View
from mindpoint.contracts.instances import Detections, Objects
from mindpoint.errors import ConfigError
from mindpoint.visual.build import build_visualizer
from mindpoint.visual.draw import Label, as_uint8, draw_heatmap, draw_labels, grid
from mindpoint.visual.objects import ObjectVisualizer

PAIR = Points("tips", 2, lines=[(0, 1)], colors=[(0, 0, 200), (200, 0, 0)])
SCORES = Field("tip_scores", (2,), of="tips", key="score")
SURE = Field("sure", (2,), "bool", of="tips")
PLAIN = ObjectVisualizer(["thing"], names=False)
NO_BOXES = ObjectVisualizer(["thing"], boxes=False)


def found(points, score=0.9, box=(10, 10, 90, 90), sure=True):
    values = {"tips": np.array([points], np.float32), "tip_scores": np.full((1, 2), score, np.float32), "sure": np.full((1, 2), sure)}
    return boxes([box], [score], fields=(PAIR, SCORES, SURE), values=values)


def boxes(corners, scores, labels=None, **more):
    labels = np.zeros(len(corners), np.int64) if labels is None else np.array(labels)
    return Detections(np.array(corners, np.float32).reshape(-1, 4), np.array(scores, np.float32), labels, **more)


def with_field(field, value, box=(10, 10, 90, 90)):
    return boxes([box], [0.5], fields=(field,), values={field.name: np.array([value], field.dtype)})


@pytest.fixture
def black():
    return np.zeros((100, 100, 3), np.uint8)


class TestPoints:
    def test_points_line_and_box_are_where_they_should_be(self, black):
        picture = PLAIN.draw(black, found([(30, 40), (70, 40)]))
        assert picture[40, 30].tolist() == [0, 0, 200] and picture[40, 70].tolist() == [200, 0, 0]
        blue, green, red = picture[40, 50].tolist()  # antialiased
        assert blue == red > 80 and green == 0
        assert picture[50, 10].any() and picture[90, 50].any() and not picture[60, 50].any()
        assert not black.any()

    def test_parts_can_be_left_out(self, black):
        detections = found([(30, 40), (70, 40)])
        plain = ObjectVisualizer(["thing"], boxes=False, lines=False).draw(black, detections)
        assert plain[40, 30].any() and not plain[40, 50].any() and not plain[50, 10].any()
        assert not PLAIN.draw(black, detections, 0.95).any()
        assert not ObjectVisualizer(["thing"], boxes=False, point_threshold=0.95).draw(black, detections).any()

    def test_points_that_a_flag_denies_are_rings(self, black):
        ring = ObjectVisualizer(["thing"], boxes=False, lines=False).draw(black, found([(30, 40), (70, 40)], sure=False))
        assert not ring[40, 30].any() and ring[40, 28:33].any()

    def test_no_point_and_no_detection(self, black):
        assert not NO_BOXES.draw(black, with_field(Points("tips", 0), np.zeros((0, 2)))).any()
        assert not PLAIN.draw(black, found([(30, 40), (70, 40)]).select(np.array([], int))).any()

    def test_annotated_points_are_hollow_where_hidden(self, black):
        field = Points("tips", 2, 3, colors=PAIR.colors, seen=2)
        points = np.array([[[30, 40, 2], [70, 40, 1]], [[50, 70, 2], [0, 0, 0]]], np.float32)
        corners = np.array([[20, 30, 80, 50], [40, 60, 60, 80]], np.float32)
        objects = Objects(corners, np.zeros(2, int), crowd=np.array([False, True]), fields=(field,), values={"tips": points})
        picture = PLAIN.draw_objects(black.astype(np.float32), objects)
        assert picture.dtype == np.uint8
        assert picture[40, 30].tolist() == [0, 0, 200]
        assert picture[40, 70].tolist() != [200, 0, 0]  # hidden: a ring
        assert picture[70, 50].tolist() == [0, 0, 200] and not picture[0, 0].any()  # an unlabelled point lies at (0, 0)
        assert len(set(picture[60, 45].tolist())) == 1 and picture[60, 45].any()  # a crowd's box is grey


class TestOtherFields:
    def test_a_direction_points_down_for_a_quarter_turn(self, black):
        picture = NO_BOXES.draw(black, with_field(Angles("rotation"), np.pi / 2))
        assert picture[70, 50].any() and not picture[30, 50].any() and not picture[50, 70].any()

    def test_a_mask_tints_its_part_of_the_box(self, black):
        mask = np.zeros((2, 4))
        mask[0, 2:] = 1  # the upper right quarter
        picture = NO_BOXES.draw(black, with_field(Rasters("mask", (None, None)), mask, (20, 10, 60, 50)))
        rows, columns = np.nonzero(picture.any(axis=2))
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 29, 41, 60)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("box", [(-1e9, 20, 1e9, 30), (-30, -30, 20, 20), (300, 300, 400, 400), (30, 30, 10, 10), (5, 5, 5, 5)])
    def test_masks_of_any_box_stay_inside_the_picture(self, black, box):
        picture = NO_BOXES.draw(black, with_field(Rasters("mask", (2, 2)), np.ones((2, 2)), box))
        assert picture.any() == (box[2] > 0 and box[0] < 100 and box[2] > box[0])

    def test_single_numbers_stand_in_the_label(self):
        fields = (Field("depth"), Field("track", (), "int64"), Angles("turn"), Field("size", (3,)), Field("a_very_long_name_of_a_field"))
        values = {"depth": [12.345], "track": [7], "turn": [1.0], "size": [[1, 2, 3]], "a_very_long_name_of_a_field": [0.5]}
        arrays = {field.name: np.array(values[field.name], field.dtype) for field in fields}
        one = boxes([(0, 0, 9, 9)], [0.5], fields=fields, values=arrays)
        assert ObjectVisualizer(["car"]).text(one, 0, "0.50") == "car 0.50 depth 12.3 track 7"
        assert ObjectVisualizer(["car"], values=False).text(one, 0, "0.50") == "car 0.50"
        assert ObjectVisualizer(["car"], names=False).text(one, 0, "") == "depth 12.3 track 7"


@pytest.mark.filterwarnings("error")
def test_wild_numbers_do_no_harm(black):
    wild = NO_BOXES.draw(black, found([(1e30, -1e30), (np.nan, 40)]))
    assert not wild.any()
    wild = PLAIN.draw(black, found([(1e9, -1e9), (np.nan, 40)], box=(-1e9, 20, 1e9, 60)))
    assert wild[20, 50].any() and wild[60, 50].any()
    for box in ((np.nan, 0, 9, 9), (-np.inf, 0, 9, np.inf)):
        assert not PLAIN.draw(black, found([(np.inf, 0), (np.nan, 40)], box=box)).any()
        assert not PLAIN.draw(black, with_field(Angles("turn"), np.nan, box)).any()
        assert not PLAIN.draw(black, with_field(Rasters("mask", (2, 2)), np.ones((2, 2)), box)).any()
    PLAIN.draw(black, with_field(Field("depth"), np.nan))


def test_the_far_end_of_a_large_picture_is_reached():
    picture = PLAIN.draw(np.zeros((20, 30000, 3), np.uint8), boxes([(29900, 5, 29990, 15)], [0.5]))
    assert picture[10, 29990].any() and picture[10, 29900].any()


class TestLabels:
    @pytest.mark.parametrize("color", [(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 255)])
    def test_text_differs_from_its_background(self, black, color):
        draw_labels(black, [Label(np.array([20, 50, 60, 90]), "ab", color)])
        part = black[38:49, 20:40].astype(int)
        assert (part == color).all(axis=2).any()
        light = part @ [0.114, 0.587, 0.299]
        assert light.max() - light.min() > 100

    @pytest.mark.parametrize("box", [(-50, -50, 5, 5), (97, 97, 150, 150), (0, 0, 100, 100), (95, 3, 99, 9), (50, 60, 10, 20)])
    def test_they_stay_inside(self, box):
        """With a frame of white around: the whole of the label's background is in the picture."""
        wide = np.zeros((100, 100, 3), np.uint8)
        draw_labels(wide, [Label(np.array(box, float), "abc", (1, 255, 1))])
        rows, columns = np.nonzero(wide.any(axis=2))
        (across, _), _ = cv2.getTextSize("abc", cv2.FONT_HERSHEY_SIMPLEX, 0.36, 1)
        assert columns.max() - columns.min() >= across and rows.max() - rows.min() >= 8

    def test_boxes_outside_of_the_picture_have_no_label(self, black):
        outside = ((-9, 0, -1, 9), (0, 101, 9, 120), (np.nan, 0, 9, 9))
        draw_labels(black, [Label(np.array(box, float), "abc", (1, 255, 1)) for box in outside])
        assert not black.any()

    def test_they_give_way_to_better_ones(self, black):
        box = np.array([20, 50, 80, 70])
        draw_labels(black, [Label(box, "a", (0, 0, 250)), Label(box, "b", (0, 250, 0)), Label(box, "c", (250, 0, 0))])
        red, green, blue = ((black == color).all(axis=2) for color in ((0, 0, 250), (0, 250, 0), (250, 0, 0)))
        assert abs(int(red.sum()) - int(green.sum())) < 15 and abs(int(red.sum()) - int(blue.sum())) < 15, "each is seen wholly"
        assert np.nonzero(red)[0].max() < np.nonzero(green)[0].min(), "the first stands above its box"

    def test_class_names_are_drawn(self, black):
        one = boxes([(10, 40, 90, 90)], [0.5])
        first, second = (ObjectVisualizer([name]).draw(black, one) for name in ("cat", "dog"))
        assert not np.array_equal(first[:40], second[:40]) and np.array_equal(first[41:], second[41:])
        assert np.array_equal(PLAIN.draw_objects(black, Objects(one.boxes, one.labels))[:38], black[:38]), "without name and score"


class TestColors:
    def test_they_are_those_of_classes(self, black):
        two = boxes([(10, 10, 30, 90), (60, 10, 90, 90)], [0.9, 0.8], [1, 1])
        many = ObjectVisualizer(["a", "b"], names=False).draw(black, two)
        assert many[90, 20].tolist() == many[90, 75].tolist()
        one = PLAIN.draw(black, two.replace(labels=np.zeros(2, np.int64)))
        assert one[90, 20].tolist() != one[90, 75].tolist(), "one class: colours tell objects apart"
        mine = ObjectVisualizer(["a", "b"], colors={"b": [1, 2, 250]}).draw(black, two)
        blue, green, red = mine[90, 20].tolist()  # antialiased
        assert red > 200 and blue <= 1 and green <= 2

    def test_eighty_differ(self):
        colors = [ObjectVisualizer([str(n) for n in range(80)]).color(label, 0) for label in range(80)]
        assert len(set(colors)) == 80
        neighbours = [np.abs(np.subtract(a, b)).max() for a, b in zip(colors, colors[1:])]
        assert min(neighbours) > 100

    def test_mistakes(self):
        with pytest.raises(ConfigError, match="unknown class 'c'; the classes are a, b"):
            ObjectVisualizer(["a", "b"], colors={"c": [1, 2, 3]})
        for color in ([1, 2], [1, 2, 256]):
            with pytest.raises(ConfigError, match="must be blue, green, red in 0..255"):
                ObjectVisualizer(["a"], colors={"a": color})


def test_images_of_both_types_are_the_same_picture():
    image = np.arange(75, dtype=np.uint8).reshape(5, 5, 3) * 3
    assert as_uint8(image) is image
    np.testing.assert_array_equal(as_uint8(image.astype(np.float32) / 255), image)
    np.testing.assert_array_equal(as_uint8(np.array([[[-1, np.nan, 2]]], np.float32)), [[[0, 0, 255]]])


def test_a_plugin_replaces_the_visualizer(toy):
    config = load_config(str(toy))
    assert isinstance(build_visualizer(config), ObjectVisualizer) and build_visualizer(config).classes == ["spot"]
    config = load_config(str(toy), ["+test.visualizer={type: 'toy:Painter', shade: 77}"])
    one = boxes([(1, 1, 4, 4)], [0.5])
    assert build_visualizer(config).draw(np.zeros((8, 8, 3), np.uint8), one)[0, 0].tolist() == [77, 1, 1]


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
