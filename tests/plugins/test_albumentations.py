"""Transforms of Albumentations: what they move, their randomness, and what is said when they cannot be used."""

import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from mindpoint.contracts.fields import Angles, Boxes, Field, Points
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.errors import ConfigError
from mindpoint.testing import TransformTests
from mindpoint_coco.transforms.albumentations import Albumentations

library = pytest.importorskip("albumentations")

FIELDS = (Points("joints", 3, entries=3, swaps=((1, 2),), seen=2), Boxes("head", (4,)), Field("depth"))
GEOMETRIC = [
    {"name": "HorizontalFlip", "p": 1},
    {"name": "RandomScale", "scale_limit": 0.3, "p": 1},
    {"name": "Rotate", "limit": 25, "p": 1},
]
PIXELS = [{"name": "CLAHE", "p": 1}, {"name": "OneOf", "p": 1, "transforms": [{"name": "RandomFog"}, {"name": "ISONoise"}]}]


def dotted(at=(50, 40), kind=np.uint8):
    image = np.full((100, 140, 3), 30, np.uint8)
    cv2.circle(image, at, 5, (255, 255, 255), -1)
    joints = np.array([[[*at, 2], [45, 45, 1], [0, 0, 0]]], np.float32)
    values = {"joints": joints, "head": np.array([[44, 34, 56, 46]], np.float32), "depth": np.array([3.0], np.float32)}
    objects = Objects(np.array([[30, 20, 80, 60]], np.float32), np.array([1]), fields=FIELDS, values=values)
    return Sample(1, "x", image if kind == np.uint8 else image.astype(np.float32) / 255, objects)


class TestMovingSteps(TransformTests):
    fields = FIELDS

    def make(self):
        return Albumentations(GEOMETRIC)


class TestPixelSteps(TransformTests):
    def make(self):
        return Albumentations(PIXELS)


def middle_of(image):
    weights = image[..., 0].astype(float)
    weights[weights < weights.max() / 2] = 0
    rows, columns = np.mgrid[: len(weights), : weights.shape[1]]
    return np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("seed", range(4))
def test_a_dot_moves_with_its_joint(seed, kind):
    start = dotted(kind=kind)
    out = Albumentations(GEOMETRIC[1:])(start, np.random.default_rng(seed))
    assert out.image.shape != start.image.shape and out.image.dtype == kind
    (x, y, seen), (left, top, right, bottom) = out.objects.joints[0, 0], out.objects.head[0]
    np.testing.assert_allclose(middle_of(out.image), (x, y), atol=0.7)
    assert seen == 2 and ((left + right) / 2, (top + bottom) / 2) == pytest.approx((x, y), abs=0.7) and out.objects.depth[0] == 3
    assert start.objects.joints[0, 0].tolist() == [50, 40, 2]


def test_a_mirror_by_hand():
    """x becomes 139 - x, and the pair changes places with its visibility."""
    out = Albumentations(GEOMETRIC[:1])(dotted(), np.random.default_rng(0))
    assert out.objects.joints.tolist() == [[[89, 40, 2], [139, 0, 0], [94, 45, 1]]] and out.objects.boxes.tolist() == [[59, 20, 109, 60]]
    twice = Albumentations([*GEOMETRIC[:1], {"name": "VerticalFlip", "p": 1}])(dotted(), np.random.default_rng(0))
    assert twice.objects.joints.tolist() == [[[89, 59, 2], [94, 54, 1], [139, 99, 0]]], "turned by 180 degrees: nothing changes places"
    assert out.objects.areas.tolist() == [2000]


def test_what_a_crop_leaves():
    crop = [{"name": "Crop", "x_min": 55, "y_min": 0, "x_max": 140, "y_max": 100, "p": 1}]
    out = Albumentations(crop)(dotted(), np.random.default_rng(0))
    assert out.objects.boxes.tolist() == [[0, 20, 25, 60]] and out.objects.joints[0, :, 2].tolist() == [0, 0, 0]
    assert out.objects.areas.tolist() == [1000] and len(Albumentations(crop, least=0.6)(dotted(), np.random.default_rng(0)).objects) == 0


def test_steps_that_move_pixels_come_before_the_window_and_others_do_not():
    assert Albumentations(GEOMETRIC[:1]).before_view and not Albumentations(PIXELS).before_view
    assert Albumentations([{"name": "OneOf", "transforms": [PIXELS[0], GEOMETRIC[0]]}]).before_view
    start = dotted()
    out = Albumentations(PIXELS)(start, np.random.default_rng(0))
    assert out.objects is start.objects and (out.image != start.image).any()


def test_threads_do_not_disturb_each_other():
    part, start = Albumentations(GEOMETRIC + PIXELS), dotted()
    expected = [part(start, np.random.default_rng(seed)).image for seed in range(24)]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(expected, pool.map(lambda seed: part(start, np.random.default_rng(seed)).image, range(24))):
            np.testing.assert_array_equal(one, other)
    assert len({image.tobytes() for image in expected}) == 24


def test_an_image_without_objects():
    none = dotted()
    none.objects = none.objects.select(slice(0, 0))
    assert len(Albumentations(GEOMETRIC)(none, np.random.default_rng(0)).objects) == 0


@pytest.mark.parametrize(
    "steps, said",
    [
        ([], "give at least one step"),
        ([{"name": "Clahe"}], "Albumentations.steps.0: .* is not a transform of Albumentations 2"),
        ([{"name": "os"}], "is not a transform"),
        (["CLAHE"], "is not a transform"),
        ([{"name": "Rotate", "limit": "x"}], "Albumentations.steps.0: Rotate: 2 validation errors"),
        ([{"name": "Rotate", "limt": 3}], "Albumentations.steps.0: Rotate: Argument.*'limt'"),
        ([{"name": "OneOf", "transforms": [{"name": "Nothing"}]}], "Albumentations.steps.0.transforms.0: .*Nothing"),
    ],
)
def test_wrong_steps_are_named(steps, said):
    with pytest.raises(ConfigError, match=said):
        Albumentations(steps)


def test_fields_that_points_cannot_move_are_refused_only_where_pixels_move():
    heading = Objects(np.array([[1, 1, 9, 9]], np.float32), np.array([0]), fields=(Angles("heading"),), values={"heading": np.zeros(1)})
    sample = Sample(1, "x", dotted().image, heading)
    with pytest.raises(ConfigError, match=r"cannot move the field 'heading' \(Angles\)"):
        Albumentations(GEOMETRIC)(sample, np.random.default_rng(0))
    assert Albumentations(PIXELS)(sample, np.random.default_rng(0)).objects is heading


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "albumentations", None)
    with pytest.raises(ConfigError, match=r"pip install 'mindpoint\[albumentations\]'"):
        Albumentations(PIXELS)
