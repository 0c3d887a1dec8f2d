"""Images made of several: pixels and objects move together, nothing that went in changes."""

import cv2
import numpy as np
import pytest
from mindpoint.contracts.data import SamplePool
from mindpoint.contracts.fields import Lengths, Points, Rasters
from mindpoint.contracts.image import InputSpec, Sample
from mindpoint.contracts.instances import Objects
from mindpoint.errors import ConfigError
from mindpoint_coco.transforms.copy_paste import CopyPaste
from mindpoint_coco.transforms.mixing import MixUp, Mosaic
from mindpoint_coco.transforms.placing import resized, resizing

SPEC = InputSpec(size=(120, 160), mean=[0, 0, 0], std=[1, 1, 1])
JOINTS = Points("joints", 2, entries=3, seen=2)
EVERY = [Mosaic, MixUp, CopyPaste]


class Pool(SamplePool):
    epoch = 0

    def __init__(self, *samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def draw(self, rng):
        return self.samples[int(rng.integers(len(self.samples)))]


def dotted(color, at, size=(120, 160), box=20, kind=np.uint8, mask=None, ground=0):
    """An image of one channel's colour: a disc at the joint of its object, whose other joint is not labelled."""
    image = np.full((*size, 3), ground, np.uint8)
    cv2.circle(image, at, 5, tuple(255 if channel == color else 0 for channel in range(3)), -1)
    joints = np.array([[[*at, 2], [0, 0, 0]]], np.float32)
    fields, values = (JOINTS, Lengths("radius")), {"joints": joints, "radius": np.full(1, 5.0)}
    if mask is not None:
        fields, values = (*fields, Rasters("mask", mask.shape)), {**values, "mask": mask[None]}
    x, y = at
    objects = Objects(np.array([[x - box, y - box, x + box, y + box]], np.float32), np.array([color]), fields=fields, values=values)
    return Sample(color + 1, f"x{color}", image if kind == np.uint8 else image.astype(np.float32) / 255, objects)


def made(part, **arguments):
    return part(SPEC, 1.0, **arguments) if part is Mosaic else part(1.0, **arguments)


def middle_of(image, color, near, radius):
    """The middle of a colour's pixels within a radius of a place, by how much brighter it is than the other two."""
    pixels = image.astype(float)
    weights = np.clip(pixels[..., color] - np.delete(pixels, color, axis=2).max(axis=2), 0, None)
    rows, columns = np.mgrid[: len(weights), : weights.shape[1]]
    weights[(columns - near[0]) ** 2 + (rows - near[1]) ** 2 > radius**2] = 0
    return np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()


def unchanged(samples, copies):
    for sample, (image, values) in zip(samples, copies):
        np.testing.assert_array_equal(sample.image, image)
        for name, value in values.items():
            np.testing.assert_array_equal(sample.objects.values[name], value)


@pytest.mark.parametrize("part", EVERY)
@pytest.mark.parametrize("kinds", [(np.uint8, np.uint8), (np.float32, np.uint8), (np.float32, np.float32)])
def test_dots_move_with_their_joints(part, kinds):
    first, second = dotted(0, (70, 50), kind=kinds[0]), dotted(1, (110, 80), size=(150, 180), kind=kinds[1])
    copies = [(s.image.copy(), {name: value.copy() for name, value in s.objects.values.items()}) for s in (first, second)]
    found, one = {0: 0, 1: 0}, {"count": (1, 1)} if part is CopyPaste else {}
    for seed in range(12):
        out, again = (made(part, **one)(first, np.random.default_rng(seed), Pool(second)) for _ in range(2))
        np.testing.assert_array_equal(out.image, again.image)
        assert out.image.dtype == (np.uint8 if set(kinds) == {np.uint8} else np.float32) and out.image_id == 1
        unchanged((first, second), copies)
        pasted_over = part is CopyPaste and len(out.objects) > 1  # the first disc may be covered in part
        for row in range(pasted_over, len(out.objects)):
            (x, y, seen), radius, color = out.objects.joints[row, 0], out.objects.radius[row], out.objects.labels[row]
            left, top, right, bottom = out.objects.boxes[row]
            if seen == 2 and min(x - left, y - top, right - x, bottom - y) > radius + 3:  # the disc is whole
                np.testing.assert_allclose(middle_of(out.image, color, (x, y), radius + 3), (x, y), atol=0.6)
                found[color] += 1
    assert found[1] >= 4 and (found[0] >= 4 or part is CopyPaste), found


@pytest.mark.parametrize("part", EVERY)
@pytest.mark.parametrize("sizes", [((1, 1), (120, 160)), ((120, 160), (1, 1)), ((1, 40), (40, 1)), ((40, 30), (2, 2))])
def test_images_of_edge_sizes(part, sizes):
    samples = [dotted(color, (0, 0), size=size) for color, size in enumerate(sizes)]
    for seed in range(6):
        out = made(part)(samples[0], np.random.default_rng(seed), Pool(samples[1]))
        assert out.image.ndim == 3 and min(out.image.shape) > 0 and np.isfinite(out.objects.boxes).all()
        height, width = out.image.shape[:2]
        own = out.objects.select(out.objects.labels == 1) if part is not Mosaic else out.objects
        assert (own.boxes >= 0).all() and (own.boxes <= (width, height, width, height)).all()


@pytest.mark.parametrize("part", EVERY)
def test_without_objects_and_rarely(part):
    empty = Sample(1, "x", np.zeros((20, 30, 3), np.uint8), dotted(0, (9, 9)).objects.select(slice(0, 0)))
    out = made(part)(empty, np.random.default_rng(0), Pool(empty))
    assert len(out.objects) == 0 and out.objects.fields == empty.objects.fields
    never = part(SPEC, 0.0) if part is Mosaic else part(0.0)
    assert never(empty, np.random.default_rng(0), Pool(empty)) is empty


@pytest.mark.parametrize("part", EVERY)
def test_pending_changes_of_colours_are_those_of_each_image(part):
    black = np.zeros((3, 4))
    first, second = dotted(0, (80, 60), ground=90), dotted(1, (80, 60), ground=90).recolored(black)
    out = made(part)(first, np.random.default_rng(2), Pool(second))
    assert out.color_matrix is None and out.image.dtype == np.float32 and out.image[..., 1].max() <= 91 / 255, "the drawn one is black"
    assert out.image[..., 0].max() > 0.4


def test_a_mosaic_by_hand():
    """One picture four times, at its own size: 2 x 2 copies around the point."""
    one = dotted(2, (80, 60), ground=50)
    out = Mosaic(SPEC, 1.0, size=2, scale=(1, 1), least=0.0)(one, np.random.default_rng(7), Pool(one))
    assert out.image.shape == (240, 320, 3)
    x, y = out.objects.joints[0, 0, 0] + 80, out.objects.joints[0, 0, 1] + 60  # a picture's middle lies half a picture from the point
    np.testing.assert_array_equal(out.image.any(axis=2).any(axis=0), (np.arange(320) >= x - 160) & (np.arange(320) < x + 160))
    expected = [(x - 80, y - 60), (x + 80, y - 60), (x - 80, y + 60), (x + 80, y + 60)]
    inside = [2 if 0 <= a < 320 and 0 <= b < 240 else 0 for a, b in expected]
    assert out.objects.joints[:, 0, 2].tolist() == inside and sum(inside) >= 2
    np.testing.assert_allclose([j[:2] for j in out.objects.joints[:, 0] if j[2]], [e for e, seen in zip(expected, inside) if seen])


def test_a_mosaic_leaves_out_what_a_quarter_hardly_shows():
    one = dotted(2, (80, 60), box=40)
    for seed in range(10):
        every, most = (
            Mosaic(SPEC, 1.0, size=1, scale=(1, 1), least=least)(one, np.random.default_rng(seed), Pool(one)).objects
            for least in (0.0, 0.6)
        )
        assert len(every) == 4 and (most.areas >= 0.6 * 6400 - 1).all() and len(most) == (every.areas >= 0.6 * 6400).sum()


def test_a_blend_by_hand():
    first, second = dotted(0, (40, 30), ground=100), dotted(1, (20, 20), size=(60, 60), ground=200)
    out = MixUp(1.0)(first, np.random.default_rng(3), Pool(second))
    rng = np.random.default_rng(3)
    rng.random(), rng.integers(1)
    share = rng.beta(8, 8)
    assert out.image[2, 2].tolist() == [100, 100, 100], "the square, twice as large, covers columns 20 to 139"
    assert out.image[2, 130].tolist() == [round(share * 100 + (1 - share) * 200)] * 3
    assert out.image[2, 19].tolist() == [100] * 3 and out.image[2, 20].tolist() != [100] * 3
    np.testing.assert_allclose(out.objects.joints[:, 0], [[40, 30, 2], [20 + 40.5, 40.5, 2]])
    assert out.objects.labels.tolist() == [0, 1] and out.objects.radius.tolist() == [5, 10]


def test_the_share_of_a_blend_gathers_around_a_half():
    first, second, rng = dotted(0, (1, 1), ground=0), dotted(1, (1, 1), ground=200), np.random.default_rng(0)
    shares = np.array([MixUp(1.0, alpha=32)(first, rng, Pool(second)).image[60, 80, 0] for _ in range(200)]) / 200
    assert abs(shares.mean() - 0.5) < 0.03 and shares.std() == pytest.approx(1 / np.sqrt(4 * 65), rel=0.2)


def test_a_pasted_object_hides_what_it_covers():
    below, above = dotted(0, (80, 60), box=30), dotted(1, (50, 40), box=25)
    hits = 0
    for seed in range(40):
        out = CopyPaste(1.0, count=(1, 1), scale=(1, 1), most_covered=0.6)(below, np.random.default_rng(seed), Pool(above))
        if len(out.objects) == 1:
            assert out is below
            continue
        left, top, right, bottom = out.objects.boxes[1]
        assert (right - left, bottom - top) == pytest.approx((50, 50), abs=1.5)
        inside = left <= 80 < right and top <= 60 < bottom
        assert out.objects.joints[0, 0, 2] == (1 if inside else 2)
        hits += inside
    assert hits > 3


def test_no_place_is_taken_that_covers_too_much():
    below, above = dotted(0, (80, 60), box=60), dotted(1, (80, 60), box=50)
    assert CopyPaste(1.0, most_covered=0.1)(below, np.random.default_rng(0), Pool(above)) is below
    crowd = dotted(1, (80, 60))
    crowd.objects = crowd.objects.replace(crowd=np.array([True]))
    assert CopyPaste(1.0, most_covered=1.0)(below, np.random.default_rng(0), Pool(crowd)) is below, "crowds are not pasted"


def test_with_a_mask_only_its_pixels_are_pasted():
    mask = np.zeros((8, 8), np.float32)
    mask[:, :4] = 1  # the left half of the box
    below = dotted(0, (5, 5), box=4, mask=mask, ground=10)
    above = dotted(1, (50, 40), box=20, mask=mask, ground=200)
    for seed in range(8):
        out = CopyPaste(1.0, count=(1, 1), scale=(1, 1))(below, np.random.default_rng(seed), Pool(above))
        left, top, right, bottom = np.rint(out.objects.boxes[1]).astype(int)
        assert out.image[top + 2, left + 3 : left + 16].min() >= 190 and out.image[top + 2, left + 26 : right].max() <= 20
        np.testing.assert_array_equal(out.objects.mask[1], mask)


def test_what_else_a_patch_shows_comes_along():
    above = dotted(1, (50, 40), box=20)
    near = Objects.concatenate([above.objects, dotted(2, (62, 45), box=4).objects, dotted(0, (66, 40), box=30).objects])
    above.objects = near.replace(crowd=np.array([False, False, True]))  # the third is hardly in the patch
    out = CopyPaste(1.0, count=(1, 1), scale=(1, 1))(dotted(0, (9, 9), box=5), np.random.default_rng(4), Pool(above))
    assert sorted(out.objects.labels.tolist()) in ([0, 1, 2], [0, 2])  # or the small one alone was chosen


def test_resizing_moves_points_as_pixels():
    image = np.zeros((90, 110, 3), np.uint8)
    cv2.circle(image, (70, 30), 6, (255, 255, 255), -1)
    for factor in (0.37, 0.8, 1.0, 1.61):
        pixels = resized(image, factor)[..., 0].astype(float)
        rows, columns = np.mgrid[: len(pixels), : pixels.shape[1]]
        middle = np.array([(pixels * columns).sum(), (pixels * rows).sum()]) / pixels.sum()
        np.testing.assert_allclose(resizing(factor).points(np.array([70.0, 30.0])), middle, atol=0.15)


@pytest.mark.parametrize(
    "part, arguments",
    [
        (Mosaic, {"size": 9}),
        (Mosaic, {"scale": [1, 0.5]}),
        (Mosaic, {"least": 2}),
        (MixUp, {"alpha": 0}),
        (CopyPaste, {"count": [0, 2]}),
        (CopyPaste, {"most_covered": -1}),
    ],
)
def test_wrong_arguments_are_named(part, arguments):
    with pytest.raises(ConfigError, match=f"^{part.__name__}.{next(iter(arguments))}: "):
        made(part, **arguments)
