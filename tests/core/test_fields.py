"""Declared fields of objects: how they move, and how files name them. Expected values are worked out by hand."""

import json

import numpy as np
import pytest
from mindpoint.contracts.fields import Angles, Boxes, Field, Lengths, Points, Rasters
from mindpoint.contracts.image import View
from mindpoint.contracts.instances import Detections, Objects
from mindpoint.contracts.motion import Motion, Projection, laid_over
from mindpoint.contracts.records import cells, columns, to_coco, to_records
from mindpoint.errors import ConfigError, DataError

QUARTER = Motion(np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([10.0, 0.0]))  # x axis to y axis, then 10 to the right
DOUBLE = Motion.scaling(2.0, 3.0)

JOINTS = Points("joints", 3, entries=3, names=("nose", "left", "right"), lines=((0, 1),), swaps=((1, 2),), seen=2)
EVERY = (
    JOINTS,
    Field("joint_score", (3,), of="joints", key="score"),
    Angles("heading"),
    Lengths("radius"),
    Boxes("head", (4,)),
    Rasters("mask", (2, 2)),
    Field("track", (), "int64"),
    Field("depth"),
    Field("embedding", (70,)),
)


def found(**changes):
    values = {
        "joints": [[[1, 2, 2], [3, 4, 1], [5, 6, 0]]],
        "joint_score": [[0.5, 0.25, 0.125]],
        "heading": [0.0],
        "radius": [4.0],
        "head": [[1, 2, 3, 5]],
        "mask": [[[1, 0], [0.5, 0]]],
        "track": [7],
        "depth": [2.5],
        "embedding": np.zeros((1, 70)),
    }
    arrays = {field.name: np.array(values[field.name], field.dtype) for field in EVERY}
    return Detections(np.array([[1.0, 2, 5, 10]]), np.array([0.75]), np.array([1]), EVERY, {**arrays, **changes})


def test_mirroring():
    moved = found().mirror(width=20)  # x becomes 19 - x
    assert moved.boxes.tolist() == [[14, 2, 18, 10]] and moved.head.tolist() == [[16, 2, 18, 5]]
    assert moved.joints.tolist() == [[[18, 2, 2], [14, 6, 0], [16, 4, 1]]]  # left and right change places, with their visibility
    assert moved.heading[0] == pytest.approx(np.pi)  # to the right becomes to the left
    assert moved.mask.tolist() == [[[0, 1], [0, 0.5]]]
    assert (moved.radius[0], moved.track[0], moved.depth[0], moved.scores[0]) == (4.0, 7, 2.5, 0.75)


def test_mirroring_twice_changes_nothing():
    start, back = found(heading=np.array([2.0], np.float32)), found(heading=np.array([2.0], np.float32)).mirror(20).mirror(20)
    for name, values in start.values.items():
        np.testing.assert_allclose(back.values[name], values, atol=1e-6)


@pytest.mark.parametrize("downwards", [np.pi / 2, -3 * np.pi / 2, 5 * np.pi / 2])
def test_an_axis_up_and_down_stays_when_mirrored(downwards):
    assert Angles("a").mirror(np.array([downwards]), 10)[0] == pytest.approx(np.pi / 2)


def test_turning_and_scaling():
    turned = found().transform(QUARTER)  # (x, y) becomes (10 - y, x)
    assert turned.joints[0, 0].tolist() == [8, 1, 2] and turned.heading[0] == pytest.approx(np.pi / 2)
    assert turned.radius[0] == pytest.approx(4)
    larger = found().transform(DOUBLE)
    assert larger.boxes.tolist() == [[5, 7, 13, 23]] and larger.radius[0] == 8 and larger.heading[0] == 0
    assert larger.joints[0, 1].tolist() == [9, 11, 1] and larger.depth[0] == 2.5


def test_shear_by_hand():
    """x becomes x + y: what points down leans by 45 degrees, areas stay."""
    moved = found(heading=np.array([np.pi / 2], np.float32)).transform(Projection([[1, 1, 0], [0, 1, 0], [0, 0, 1]]))
    assert moved.joints.tolist() == [[[3, 2, 2], [7, 4, 1], [11, 6, 0]]]
    assert moved.boxes.tolist() == [[3, 2, 15, 10]] and moved.head.tolist() == [[3, 2, 8, 5]], "around the four corners"
    assert moved.heading[0] == pytest.approx(np.pi / 4) and moved.radius[0] == 4 and moved.depth[0] == 2.5
    assert found().transform(Projection([[1, 1, 0], [0, 1, 0], [0, 0, 1]])).heading[0] == 0


def test_perspective_by_hand():
    """Everything is divided by 1 + x / 100: at x = 100 by 2."""
    field = (Lengths("length"), Angles("angles", (2,)), Lengths("radii", (2, 1)))
    values = {"length": np.array([8.0, 8.0]), "angles": np.array([[0, np.pi / 2]] * 2), "radii": np.ones((2, 2, 1))}
    objects = Objects(np.array([[90.0, -10, 110, 10], [-10, -10, 10, 10]]), np.zeros(2, np.int64), fields=field, values=values)
    moved = objects.transform(Projection([[1, 0, 0], [0, 1, 0], [0.01, 0, 1]]))
    np.testing.assert_allclose(moved.boxes[0], [90 / 1.9, -10 / 1.9, 110 / 2.1, 10 / 1.9], rtol=1e-6)
    # d(x / (1 + x/100)) / dx = 1 / (1 + x/100)^2 = 1/4 at 100, d(y / 2) / dy = 1/2: lengths by the root of 1/8; nothing changes at 0
    np.testing.assert_allclose(moved.length, [8 * np.sqrt(1 / 8), 8], rtol=1e-6)
    np.testing.assert_allclose(moved.radii[:, :, 0], [[np.sqrt(1 / 8)] * 2, [1, 1]], rtol=1e-6)
    np.testing.assert_allclose(moved.areas, [50, 400], rtol=1e-6)
    np.testing.assert_allclose(moved.angles, [[0, np.pi / 2]] * 2, atol=1e-6)


def test_a_projection_turns_directions_as_it_moves_points():
    matrix = np.array([[0.9, 0.2, 5.0], [-0.15, 1.1, 3.0], [0.001, -0.002, 1.0]])
    motion, at, angle = Projection(matrix), np.array([31.0, 17.0]), 0.7
    objects = Objects(np.array([[*(at - 5), *(at + 5)]]), np.zeros(1, np.int64), fields=(Angles("a"),), values={"a": np.array([angle])})
    ends = motion.points(at + 1e-4 * np.array([[0, 0], [np.cos(angle), np.sin(angle)]]))
    assert objects.transform(motion).a[0] == pytest.approx(np.arctan2(*(ends[1] - ends[0])[::-1]), abs=1e-5)
    local = motion.at(objects.boxes)
    np.testing.assert_allclose(local.angle, np.arctan2(local.linear[:, 1, 0], local.linear[:, 0, 0]))


def test_a_projection_that_is_a_similarity_moves_fields_alike():
    turn = Projection(np.vstack([np.column_stack([QUARTER.linear, QUARTER.offset]), (0, 0, 1)]))
    ours, theirs = found().transform(turn), found().transform(QUARTER)
    for name in ("joints", "heading", "radius", "depth", "track", "scores"):
        np.testing.assert_allclose(ours.values[name], theirs.values[name], atol=1e-6)
    assert ours.boxes.tolist() == [[0, 1, 8, 5]] and ours.mask.tolist() == [[[0.5, 1], [0, 0]]], "masks are turned"
    assert len(found().select(slice(0, 0)).transform(turn)) == 0


def test_pictures_laid_over_a_part_of_their_box():
    flags = np.array([[[True, False, True, False]] * 4])
    half = laid_over(flags, np.array([[0.0, 0, 4, 4]]), np.array([[0.0, 0, 2, 4]]), np.eye(3))  # the left half, each pixel twice
    assert half.dtype == bool and half.tolist() == [[[True, True, False, False]] * 4]


def test_areas_and_reduced_pixels():
    objects = Objects(np.array([[0.5, 1.5, 4.5, 5.5]]), np.array([0]), fields=(Lengths("r"),), values={"r": np.array([4.0])})
    assert objects.areas.tolist() == [16] and objects.crowd.tolist() == [False]
    half = objects.reduced(2)  # pixel 0 of the small image stands for pixels 0 and 1, whose middle is 0.5
    assert half.boxes.tolist() == [[0, 0.5, 2, 2.5]] and half.areas.tolist() == [4] and half.r.tolist() == [2]


def test_a_view_takes_its_raster_back_to_the_image():
    view = View(crop_center=(50, 40), crop_size=40, rotation=90, scale=0.5)
    motion = view.motion_to_image(20, 20)
    points = np.array([[0.0, 0.0], [10.0, 10.0], [20.0, 5.0]])
    np.testing.assert_allclose(motion.points(points), view.to_image(points, 20, 20))
    assert motion.factor == pytest.approx(4)  # 2 pixels of the scaled image each, which is half as large
    assert abs(motion.angle) == pytest.approx(np.pi / 2)


def test_selecting_and_joining_keep_every_field():
    two = Detections.concatenate([found(), found(track=np.array([9]))])
    assert len(two) == 2 and two.track.tolist() == [7, 9] and two.fields == EVERY
    assert two.select(two.track > 8).track.tolist() == [9] and len(two.select(slice(0, 0))) == 0


def test_json():
    (record,) = to_records(found(), ["cat", "dog"])
    assert record["class"] == "dog" and record["score"] == 0.75 and record["box"] == [1, 2, 5, 10]
    assert record["joints"][1] == {"name": "left", "x": 3, "y": 4, "score": 0.25}
    assert "joint_score" not in record and record["track"] == 7 and record["mask"] == [[1, 0], [0.5, 0]]
    json.dumps(record)


def test_coco_records_there_and_back():
    (record,) = to_coco(found(), 5, [1, 18], decimals=2)
    assert (record["image_id"], record["category_id"], record["bbox"]) == (5, 18, [1, 2, 4, 8])
    assert record["joints"] == [1, 2, 2, 3, 4, 1, 5, 6, 0] and "joint_score" not in record
    for field in EVERY:
        if field.of is None:
            np.testing.assert_allclose(field.from_coco(record), found().values[field.name][0])
    assert JOINTS.from_coco({}).tolist() == np.zeros((3, 3)).tolist() == JOINTS.from_coco({"joints": []}).tolist()


@pytest.mark.parametrize(
    "field, value, said",
    [
        (Angles("a"), "north", "'a' is 'north', not finite numbers"),
        (Angles("a"), float("nan"), "not finite numbers"),
        (Angles("a"), [1.0], "not finite numbers"),
        (Field("a", (2,)), [1], "finite numbers of shape \\[2\\]"),
        (Field("a", (), "int64"), 10**30, "whole numbers"),
        (Points("a", 2), [1, 2, 3], "a list of 6 finite numbers"),
        (Points("a", 1), [1, "x", 3], "a list of 3 finite numbers"),
        (Points("a", 1), {"x": 1}, "a list of 3 finite numbers"),
        (Points("a", 1), ["1", "2", "2"], "a list of 3 finite numbers"),
        (Points("a", 1), ["1", None, 10**30], "a list of 3 finite numbers"),
        (Angles("a"), "0.5", "'a' is '0.5', not finite numbers"),
        (Field("a", (2,)), [1, "2"], "finite numbers of shape"),
    ],
)
def test_records_that_hold_something_else(field, value, said):
    with pytest.raises(ValueError, match=said):
        field.from_coco({"a": value})


def test_table():
    names = columns(EVERY)
    assert names[:6] == ["nose_x", "nose_y", "nose_score", "left_x", "left_y", "left_score"]
    assert names[9:] == [
        "heading",
        "radius",
        "head_0",
        "head_1",
        "head_2",
        "head_3",
        "mask_0_0",
        "mask_0_1",
        "mask_1_0",
        "mask_1_1",
        "track",
        "depth",
    ]  # fmt: skip  an embedding of 70 numbers is no column
    row = cells(found(), 0)
    assert len(row) == len(names) and row[:3] == [1, 2, 0.5] and row[-2:] == [7, 2.5]


def test_flags_are_0_and_1_in_tables_and_true_and_false_in_json():
    fields = (Points("p", 1, names=("tip",)), Field("sure", (1,), "bool", of="p"), Field("new", (), "bool"))
    values = {"p": np.zeros((1, 1, 2)), "sure": np.array([[True]]), "new": np.array([False])}
    one = Detections(np.zeros((1, 4)), np.ones(1), np.zeros(1, int), fields, values)
    assert columns(fields) == ["tip_x", "tip_y", "tip_sure", "new"] and cells(one, 0) == [0, 0, 1, 0]
    (record,) = to_records(one, ["a"])
    assert record["p"] == [{"name": "tip", "x": 0, "y": 0, "sure": True}] and record["new"] is False


def test_sameness_after_an_export():
    """Pixels have the tolerance of the image, other numbers their own, flags and whole numbers none."""
    assert JOINTS.differs(np.array([[[0, 0, 2.0]] * 3]), np.array([[0.04, 0, 2.0]] * 3), pixels=0.05).tolist() == [False]
    assert Field("depth").differs(np.array([1.0, 1.01]), np.array(1.0), pixels=5.0).tolist() == [False, True]
    assert Field("track", (), "int64").differs(np.array([7, 8]), np.array(7), pixels=5.0).tolist() == [False, True]
    assert Angles("a").differs(np.array([np.pi - 1e-5]), np.array(-np.pi + 1e-5), pixels=0).tolist() == [False]
    assert Field("depth").differs(np.array([np.nan]), np.array(1.0), pixels=0).tolist() == [True]


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"heading": np.zeros(2)}, "field 'heading' is declared as \\(N\\) and has the shape \\(2,\\) for 1 objects"),
        ({"mask": np.zeros((1, 3, 2))}, "'mask' is declared as \\(N, 2, 2\\)"),
        ({"track": np.array([0.5])}, "'track' is declared as int64 and has the type float64"),
        ({"speed": np.zeros(1)}, "objects have the values .*speed; they must have the declared boxes, scores, labels, joints"),
    ],
)
def test_values_that_are_not_as_declared(changes, said):
    with pytest.raises(DataError, match=said):
        found(**changes)


def test_unknown_attributes_and_names():
    with pytest.raises(AttributeError, match="Detections has no field 'speed'; it has boxes, scores, labels, joints"):
        _ = found().speed
    with pytest.raises(ConfigError, match="field 'a b'"):
        Field("a b")


def test_sizes_that_are_free():
    mask = Rasters("mask", (None, None))
    assert mask.check(np.zeros((2, 5, 7)), 2) is None and mask.empty().shape == (0, 0, 0) and mask.columns() == []


def test_a_field_of_another_distribution_needs_nothing_but_its_class():
    class Polar(Field):
        """Degrees from north, clockwise."""

        def mirror(self, values, width):
            return -values % 360

        def transform(self, values, motion):
            return (values + np.degrees(motion.angle)) % 360

    one = Detections(np.zeros((1, 4)), np.ones(1), np.zeros(1, int), (Polar("north"),), {"north": np.array([30.0])})
    assert one.mirror(10).north.tolist() == [330] and one.transform(QUARTER).north[0] == pytest.approx(120)
    assert Detections.concatenate([one, one]).north.tolist() == [30, 30] and to_records(one, ["a"])[0]["north"] == 30
