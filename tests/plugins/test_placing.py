"""Tests of covering, hiding and clipping by rectangles; random erasing; shear and perspective."""

import cv2
import numpy as np
import pytest
from mindpoint.contracts.fields import Angles, Boxes, Field, Lengths, Points, Rasters
from mindpoint.contracts.image import InputSpec, Sample
from mindpoint.contracts.instances import Objects
from mindpoint.errors import ConfigError
from mindpoint_coco.transforms.erase import RandomErase
from mindpoint_coco.transforms.perspective import RandomPerspective
from mindpoint_coco.transforms.placing import covered, cut, hidden, in_pixels
from mindpoint_coco.transforms.view import apply_view, window_view

FIELDS = (
    Points("joints", 2, entries=3, seen=2),
    Points("marks", 1),
    Boxes("head", (4,)),
    Rasters("mask", (4, 4)),
    Angles("heading"),
    Lengths("radius"),
    Field("depth"),
)


def objects_of(boxes, joints, **changes):
    count = len(boxes)
    values = {field.name: field.empty(count) for field in FIELDS}
    values.update(joints=np.array(joints, np.float32), head=np.array(boxes, np.float32), radius=np.ones(count, np.float32), **changes)
    return Objects(np.array(boxes, np.float32), np.arange(count), fields=FIELDS, values=values)


def two():
    mask = np.zeros((2, 4, 4), np.float32)
    mask[:, :, 2:] = 1  # the right half
    return objects_of([[0, 0, 10, 10], [20, 20, 40, 40]], [[[2, 2, 2], [8, 8, 1]], [[22, 22, 2], [39, 39, 0]]], mask=mask)


def test_shares_by_hand():
    boxes = np.array([[0, 0, 10, 10], [5, 5, 15, 25], [30, 0, 40, 10], [5, 5, 5, 5], [12, 5, 12, 5]], np.float32)
    np.testing.assert_allclose(covered(boxes, np.array([5, 0, 10, 10])), [0.5, 25 / 200, 0, 1, 0])


def test_hidden_points_by_hand():
    found = two()
    out = hidden(found, np.array([0, 0, 9, 9]), found)
    assert out.joints[..., 2].tolist() == [[1, 1], [2, 0]] and found.joints[0, 0, 2] == 2
    assert hidden(found, np.array([20, 20, 60, 60]), found).joints[..., 2].tolist() == [[2, 1], [1, 0]], "what is not labelled stays so"


def test_a_cut_by_hand():
    out = cut(two(), np.array([5, 0, 30, 30]), 0.25)
    assert out.boxes.tolist() == [[5, 0, 10, 10], [20, 20, 30, 30]] == out.head.tolist() and out.areas.tolist() == [50, 100]
    assert out.joints.tolist() == [[[0, 0, 0], [8, 8, 1]], [[22, 22, 2], [0, 0, 0]]] and out.labels.tolist() == [0, 1]
    # the right half of the first mask fills its new box; of the second the left upper quarter is left, where nothing is
    assert out.mask[0].min() > 0.5 and out.mask[1, :, :3].max() == 0
    never = objects_of([[0, 0, 10, 10]], [[[0, 0, -1], [8, 8, 1]]])
    assert cut(never, np.array([5, 0, 30, 30]), 0.25).joints[..., 2].tolist() == [[-1, 1]], "the data set lacks this joint, cut off or not"
    assert cut(two(), np.array([5, 0, 30, 30]), 0.3).labels.tolist() == [0]
    assert len(cut(two(), np.array([50, 50, 60, 60]), 0.1)) == 0 == len(cut(two().select(slice(0, 0)), np.array([0, 0, 9, 9]), 0.1))


def sample_of(height=120, width=160, kind=np.uint8, **more):
    image = np.random.default_rng(0).integers(1, 200, (height, width, 3), np.uint8)
    image = image if kind == np.uint8 else image.astype(np.float32) / 255
    return Sample(1, "x", image, more.pop("objects", two()), **more)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_an_erased_rectangle_hides_the_joints_in_it(kind):
    hits = 0
    for seed in range(60):
        start = sample_of(60, 80, kind)
        before, joints = start.image.copy(), start.objects.joints.copy()
        out = RandomErase(1.0, area=(0.05, 0.3), most_covered=0.9)(start, np.random.default_rng(seed))
        np.testing.assert_array_equal(start.image, before)
        np.testing.assert_array_equal(start.objects.joints, joints)
        rows, columns = np.nonzero((out.image != before).any(axis=2))
        rectangle = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        area = (rectangle[2] - rectangle[0]) * (rectangle[3] - rectangle[1]) / 4800
        assert 0.03 < area <= 0.3 and out.image.dtype == kind and len(rows) > 0.95 * area * 4800
        assert (covered(out.objects.boxes, np.array(rectangle)) <= 0.9).all()
        for (x, y, was), (_, _, seen) in zip(joints.reshape(-1, 3), out.objects.joints.reshape(-1, 3)):
            inside = rectangle[0] <= x < rectangle[2] and rectangle[1] <= y < rectangle[3]
            assert seen == (min(was, 1) if inside else was)
            hits += inside and was == 2
    assert hits > 5


def test_no_rectangle_rather_than_one_that_leaves_no_trace_of_an_object():
    filled = objects_of([[0, 0, 160, 120]], [[[5, 5, 2], [9, 9, 2]]])
    start = sample_of(objects=filled)
    assert RandomErase(1.0, area=(0.5, 0.5), aspect=(1, 1), most_covered=0.4)(start, np.random.default_rng(0)) is start
    assert RandomErase(1.0)(sample_of(1, 1, objects=filled), np.random.default_rng(0)).image.shape == (1, 1, 3)
    crowd = start.objects.replace(crowd=np.array([True]))
    erased = RandomErase(1.0, area=(0.5, 0.5), aspect=(1, 1), most_covered=0.4)(sample_of(objects=crowd), np.random.default_rng(0))
    assert (erased.image != start.image).any()


@pytest.mark.parametrize("mirror", [False, True])
def test_erasing_what_the_network_sees_knows_where_its_objects_are(mirror):
    spec = InputSpec(size=(96, 96), mean=[0, 0, 0], std=[1, 1, 1])
    view = window_view(160, (25, 25), 70, 25.0, mirror)
    start = apply_view(sample_of(), view, spec)
    places = in_pixels(start).joints[0]
    before = sample_of().objects.mirror(160) if mirror else sample_of().objects
    for point, (x, y, _) in zip(places, before.joints[0]):
        np.testing.assert_allclose(point[:2], start.view.affine(96, 96) @ [x, y, 1], atol=1e-3)
    hits = 0
    for seed in range(60):
        out = RandomErase(1.0, most_covered=1.0)(start, np.random.default_rng(seed))
        for number, point in enumerate(np.rint(places[:, :2]).astype(int)):
            gone = (out.image[point[1], point[0]] != start.image[point[1], point[0]]).any()
            was = start.objects.joints[0, number, 2]
            assert out.objects.joints[0, number, 2] == (min(was, 1) if gone else was)
            hits += gone and was == 2
    assert hits > 2


@pytest.mark.parametrize("seed", range(6))
def test_a_dot_moves_with_its_joint(seed):
    """A dot drawn at a joint is found where the joint has moved to, and all corners of the image are still there."""
    image = np.zeros((120, 160, 3), np.uint8)
    cv2.circle(image, (60, 80), 4, (255, 255, 255), -1)
    start = Sample(1, "x", image, objects_of([[40, 60, 80, 110]], [[[60, 80, 2], [70, 100, 1]]]))
    out = RandomPerspective(1.0, shear=20, distortion=0.15)(start, np.random.default_rng(seed))
    weights = out.image[..., 0].astype(float)
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]]
    middle = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
    np.testing.assert_allclose(out.objects.joints[0, 0], [*middle, 2], atol=0.3)
    left, top, right, bottom = out.objects.boxes[0]
    assert left < out.objects.joints[0, :, 0].min() and out.objects.joints[0, :, 1].max() < bottom and top < bottom and left < right
    assert start.objects.joints[0, 0].tolist() == [60, 80, 2] and start.image.sum() == image.sum()
    white = RandomPerspective(1.0, shear=20, distortion=0.15)(sample_of(), np.random.default_rng(seed))
    rim = white.image[:2], white.image[-2:], white.image[:, :2], white.image[:, -2:]
    assert min(edge.max() for edge in rim) > 0, "the image touches all four edges"


def test_the_mask_moves_with_the_pixels():
    """The pixels of a disc and its mask, drawn over the object's new box, agree."""
    image, mask = np.zeros((120, 160, 3), np.uint8), np.zeros((1, 64, 64), np.float32)
    cv2.circle(image, (80, 60), 30, (255, 255, 255), -1)
    cv2.circle(mask[0], (32, 32), 32, 1.0, -1)
    fields = (Rasters("mask", (64, 64)),)
    start = Sample(1, "x", image, Objects(np.array([[50, 30, 110, 90]]), np.zeros(1, np.int64), fields=fields, values={"mask": mask}))
    out = RandomPerspective(1.0, shear=25, distortion=0.1)(start, np.random.default_rng(1))
    left, top, right, bottom = np.rint(out.objects.boxes[0]).astype(int)
    drawn = cv2.resize(out.objects.mask[0], (right - left, bottom - top)) > 0.5
    disc = out.image[top:bottom, left:right, 0] > 127
    assert (drawn & disc).sum() / (drawn | disc).sum() > 0.95 and disc.mean() < 0.75


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (200, 3)])
def test_small_images_can_be_moved(size):
    none = Objects.none(FIELDS)
    for seed in range(5):
        out = RandomPerspective(1.0, shear=40, distortion=0.25)(sample_of(*size, objects=none), np.random.default_rng(seed))
        assert min(out.image.shape[:2]) >= 1 and len(out.objects) == 0 and out.image.max() > 0
    still = RandomPerspective(1.0, shear=0, distortion=0)(sample_of(), np.random.default_rng(0))
    np.testing.assert_array_equal(still.image, sample_of().image)
    np.testing.assert_allclose(still.objects.boxes, two().boxes, atol=1e-3)


@pytest.mark.parametrize(
    "part, arguments",
    [
        (RandomErase, {"area": [0.5, 0.1]}),
        (RandomErase, {"aspect": [0, 1]}),
        (RandomErase, {"most_covered": 2}),
        (RandomPerspective, {"shear": 50}),
        (RandomPerspective, {"distortion": 0.3}),
    ],
)
def test_wrong_arguments_are_named(part, arguments):
    with pytest.raises(ConfigError, match=f"^{part.__name__}.{next(iter(arguments))}: "):
        part(**arguments)
