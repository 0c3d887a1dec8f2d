"""What surrounds a network in detection, with networks and decoders of numpy: batches, mirrored copies, further inputs, metadata, truth."""

import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.contracts.data import InputEncoder, TargetEncoder
from mindpoint.contracts.decoder import Decoder
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.fields import Field, Lengths
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Detections, Objects
from mindpoint.errors import ConfigError
from mindpoint.inference.detect import FileDetection, in_batches_of
from mindpoint.inference.detector import build_detector

RNG = np.random.default_rng(3)
CALLS = []


class Reporter(Decoder):
    """One object an image whose score is the mean of the map, and of the mirrored one in ``other``; keeps the views."""

    fields = (Field("other"),)
    needs_maps = {"heat": 1}

    def __call__(self, maps, views, mirrored=None):
        CALLS.append(list(views))
        other = maps if mirrored is None else mirrored
        column = maps["heat"][..., :1].mean(axis=(1, 2, 3)), other["heat"][..., :1].mean(axis=(1, 2, 3))
        return [
            Detections(np.zeros((1, 4)), np.float32([score]), np.zeros(1, int), self.fields, {"other": np.float32([second])})
            for score, second in zip(*column)
        ]

    def mirror(self, maps):
        return {name: values[..., ::-1] for name, values in maps.items()}

    def merge(self, parts):
        return Detections.concatenate(parts)


class Planes(InputEncoder):
    channels = {"plane": 1}

    def __call__(self, sample):
        assert sample.image.shape == (16, 16, 3) and sample.view is not None
        return {"plane": np.linspace(0, 1, 256, dtype=np.float32).reshape(1, 16, 16) * sample.meta["gain"]}


class Truth(TargetEncoder):
    """Perfect outputs: the width of the first object in the left half, unknown in the right."""

    strides = {"heat": 4}

    def __init__(self, input_spec):
        self.size = input_spec.size

    def __call__(self, sample):
        return {}

    def perfect_outputs(self, sample):
        assert sample.image.shape == (*self.size, 3)
        heat = np.full((1, self.size[0] // 4, self.size[1] // 4), np.nan, np.float32)
        heat[..., : heat.shape[2] // 2] = np.diff(sample.objects.boxes[0, [0, 2]])
        return {"heat": heat}


def forward(inputs):
    """The mean of the image's channels at stride 4, and of the plane if there is one."""
    heat = inputs["image"].mean(axis=1, keepdims=True) + inputs.get("plane", 0.0)
    return {"heat": heat[..., ::4, ::4].astype(np.float32)}


@pytest.fixture
def config(toy):
    def changed(*changes):
        return load_config(str(toy), ["model.decoder.type=test_detector:Reporter", *changes])

    CALLS.clear()
    return changed


def build(config, inputs=None, **options):
    return build_detector(config, forward, {"heat": FeatureSpec(1, 4)}, 4, inputs or {}, **options)


def samples(count=5):
    images = RNG.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    boxes = [np.float32([[0, 0, 3 + row, 5]]) for row in range(count)]
    return [Sample(9 - row, "x", image, Objects(boxes[row], np.zeros(1, int)), meta={"gain": row}) for row, image in enumerate(images)]


def test_a_decoder_is_asked_for_its_maps_and_never_probed(config):
    with pytest.raises(ConfigError, match="Reporter needs the map 'heat'; the heads return cold"):
        build_detector(config(), forward, {"cold": FeatureSpec(1, 4)}, 4)
    with pytest.raises(ConfigError, match="the map 'heat' has 2 channels; it must have 1"):
        build_detector(config(), forward, {"heat": FeatureSpec(2, 4)}, 4)
    build(config())
    assert not CALLS


def test_metadata_reach_the_decoder_at_every_scale(config):
    build(config("+test.batch_size=2", "+test.scales=[1.0, 1.5]"))(samples())
    assert [[view.meta["gain"] for view in views] for views in CALLS] == [[0, 1], [2, 3], [4]] * 2
    assert [views[0].scale for views in CALLS] == [1.0] * 3 + [1.5] * 3


def test_further_inputs_are_batched_and_mirrored_with_the_image(config):
    flipped = config("+test.flip=true", "+test.batch_size=3", '+model.inputs={"type": "test_detector:Planes"}')
    every = samples()
    found = build(flipped, {"plane": 1})(every)
    for row, (sample, detections) in enumerate(zip(every, found)):
        planes = np.linspace(0, 1, 256).reshape(16, 16) * row
        pixels = flipped.input_spec.normalize(sample.image).mean(axis=0) + planes
        assert detections.scores[0] == pytest.approx(pixels[::4, 0].mean(), abs=1e-4)
        assert detections.other[0] == pytest.approx(pixels[::4, 15].mean(), abs=1e-4)  # the first column of the mirrored image


def test_float_images_are_those_of_bytes(config):
    detector, (sample, *_) = build(config()), samples()
    ours, theirs = detector([sample.image.astype(np.float32) / 255])[0], detector([sample.image])[0]
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)


def test_truth_in_place_of_a_head(config):
    """Where it is known; in the mirrored copy on the other side; in objects that are scaled with the image."""
    told = config("data.train.targets.type=test_detector:Truth", "+test.flip=true", "+test.scales=[1.0, 2.0]")
    plain, oracle = build(told), build(told, oracle="all")
    every = samples()
    for row, (mine, other) in enumerate(zip(oracle(every), plain(every))):
        np.testing.assert_allclose(mine.scores, [3 + row, 2 * (3 + row)], rtol=1e-5)  # the first column is the truth
        np.testing.assert_array_equal(mine.other, other.other)  # the mirrored image's is the network's
    with pytest.raises(ConfigError, match="the truth is not available for 'cold'; it is for heat"):
        build(told, oracle="cold")


def test_a_file_that_decodes_itself():
    """Its rows with score 0 go; values move from the input to the image as the fields say."""
    fields = (Lengths("height"), Field("depth"))
    boxes = np.float32([[[0, 0, 4, 8], [1, 1, 2, 2]], [[2, 2, 6, 6], [0, 0, 8, 8]]])
    outputs = {
        "boxes": boxes, "scores": np.float32([[0.5, 0], [0.75, 0.25]]), "labels": np.int64([[1, 0], [0, 2]]),
        "height": np.float32([[3, 0], [4, 5]]), "depth": np.float32([[9, 0], [8, 7]]),
    }  # fmt: skip
    from mindpoint.data.preprocess import raster

    shown = [raster(np.zeros((size, size, 3), np.uint8), (16, 16)) for size in (16, 32)]
    views = [Sample(5, "x", image, Objects.none(), view=view) for image, view in shown]
    first, second = FileDetection(lambda inputs: outputs, fields)({"image": np.zeros((2, 3, 16, 16), np.float32)}, views)
    assert first.labels.tolist() == [1] and second.labels.tolist() == [0, 2]
    np.testing.assert_allclose(first.boxes, [[0, 0, 4, 8]], atol=1e-5)
    np.testing.assert_allclose(second.boxes, [[4, 4, 12, 12], [0, 0, 16, 16]], atol=1e-5)
    np.testing.assert_allclose(second.height, [8, 10], atol=1e-5)
    np.testing.assert_allclose(second.depth, [8, 7])


@pytest.mark.parametrize("count", [1, 3, 4, 7])
def test_batches_of_one_size(count):
    sizes = []

    def run(inputs):
        sizes.append([len(array) for array in inputs.values()])
        return {"sum": inputs["image"].sum(axis=(1, 2, 3)) + inputs["plane"].sum(axis=(1, 2, 3))}

    inputs = {"image": RNG.random((count, 3, 2, 2)), "plane": RNG.random((count, 1, 2, 2))}
    expected = inputs["image"].sum(axis=(1, 2, 3)) + inputs["plane"].sum(axis=(1, 2, 3))
    np.testing.assert_allclose(in_batches_of(3, run)(inputs)["sum"], expected)
    assert sizes == [[3, 3]] * -(-count // 3)


def test_pad(config):
    """At kept resolution a side becomes (side | pad) + 1; the network's own divisor is 4."""
    image = np.zeros((18, 35, 3), np.uint8)
    shapes = []

    def seen(inputs):
        shapes.append(inputs["image"].shape[2:])
        return forward(inputs)

    for change in ("test.pad=null", "test.pad=15", "test.pad=3"):
        build_detector(config("test.resolution=keep", change), seen, {"heat": FeatureSpec(1, 4)}, 4)([image])
    assert shapes == [(20, 36), (32, 48), (20, 36)]
    with pytest.raises(ConfigError, match="test.pad: 1 gives sides that are not multiples of 4, which the network needs"):
        build(config("test.pad=1"))
    with pytest.raises(ConfigError, match="test.pad: 30 is not allowed; it must be one less than a power of 2, such as 31"):
        config("test.pad=30")
