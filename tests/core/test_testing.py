"""The test classes for plugins find what breaks a contract, and say what it wants."""

import math
import unittest

import mindspore as ms
import numpy as np
import pytest
from mindpoint.contracts.data import Dataset, TargetEncoder, Transform
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.hook import Hook
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Detections, Objects
from mindpoint.contracts.metric import Metric
from mindpoint.contracts.parts import Backbone, Head, Loss
from mindpoint.contracts.records import to_coco
from mindpoint.contracts.run import Run
from mindpoint.testing import BackboneTests, CodecTests, DatasetTests, HeadTests, HookTests, LossTests, MetricTests, TransformTests
from mindpoint.testing.hook import FakeRun
from mindspore import nn
from toy import SpotHead


def failures(tests):
    """Return the message of each test of a class that fails, by name."""
    found = {}
    for name in (name for name in dir(tests) if name.startswith("test_")):
        try:
            getattr(tests(), name)()
        except unittest.SkipTest:
            pass
        except Exception as error:  # a broken part may fail in any way; the tests look at one message
            found[name] = str(error)
    return found


def made(base, maker, **attributes):
    return type("Tests", (base,), {"make": lambda self, *given: maker(*given), **attributes})


class Good(Backbone):
    channels, maps = 4, 1

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, self.channels, 3, stride=2, pad_mode="pad", padding=1)
        self.norm = nn.BatchNorm2d(self.channels)
        self.spare = nn.Conv2d(3, 1, 1, stride=2)
        self.out_features = (FeatureSpec(4, 2),)

    def construct(self, image):
        return (self.norm(self.conv(image)) + self.spare(image),)


class Sliced(Good):
    """Its gradient has to be compiled."""

    def __init__(self):
        super().__init__()
        self.spare = nn.Conv2d(3, 1, 1)

    def construct(self, image):
        return (self.norm(self.conv(image)) + self.spare(image)[:, :, ::2, ::2],)


class FewerChannels(Good):
    channels = 3


class NoTuple(Good):
    def construct(self, image):
        return self.norm(self.conv(image)) + self.spare(image)


class Unused(Good):
    def construct(self, image):
        return (self.norm(self.conv(image)),)


class Remembers(Good):
    """Its second step differs from its first by something that no parameter holds."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def construct(self, image):
        self.calls += 1
        return (self.norm(self.conv(image)) * self.calls + self.spare(image),)


@pytest.mark.slow
@pytest.mark.parametrize(
    "part, test, message",
    [
        (FewerChannels, "test_maps_are_as_declared", "4 channels at stride 2 are declared, (2, 4, 32, 32) for an input of 64 x 64"),
        (NoTuple, "test_maps_are_as_declared", "construct must return a tuple of maps, not Tensor; for one map, return (x,)"),
        (Unused, "test_gradients_reach_every_parameter", "no gradient reaches spare.weight"),
        (Remembers, "test_saved_and_resumed_it_goes_on_the_same", "a part must keep its state in Parameters"),
    ],
)
def test_backbones(part, test, message):
    assert message in failures(made(BackboneTests, part))[test]


@pytest.mark.slow
def test_a_sound_backbone_and_head():
    assert failures(made(BackboneTests, Good)) == failures(made(BackboneTests, Sliced)) == {}
    assert failures(made(HeadTests, lambda: SpotHead((FeatureSpec(16, 8),)))) == {}


class WrongHead(Head):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(16, 1, 1)
        self.out_maps = {"a": FeatureSpec(1, 8), "b": FeatureSpec(1, 8)}

    def construct(self, maps):
        return {"a": self.conv(maps[0])}


def test_heads():
    assert "2 maps are declared (a, b); construct returns a" in failures(made(HeadTests, WrongHead))["test_maps_are_as_declared"]


class Cells(TargetEncoder):
    """``hit`` (2, 8, 8): 1 where a box's middle is; ``half`` (2, 8, 8): half its width and height."""

    strides = {"hit": 8, "half": 8}
    shift = 0.0

    def __call__(self, sample):
        hit, half = np.zeros((2, 8, 8), np.float32), np.zeros((2, 8, 8), np.float32)
        for box, label in zip(sample.objects.boxes, sample.objects.labels):
            column, row = ((box[:2] + box[2:]) / 16).astype(int)
            hit[label, row, column] = 1
            half[:, row, column] = (box[2:] - box[:2]) / 2 + self.shift
        return {"hit": hit, "half": half}


class MeanLoss(Loss):
    terms, needs_maps, needs_targets = ("hit_loss",), ("hit",), ("hit",)
    normalizers = ("objects",)

    def count_normalizers(self, targets):
        return {"objects": targets["hit"].sum()}

    def construct(self, outputs, targets, counts):
        value = self.num_shards * ((outputs["hit"] - targets["hit"]) ** 2).sum() / (counts["objects"] + 1e-3)
        return value, {"hit_loss": value}


class OwnCount(MeanLoss):
    normalizers = ()

    def count_normalizers(self, targets):
        return {}

    def construct(self, outputs, targets):
        value = ((outputs["hit"] - targets["hit"]) ** 2 * targets["hit"]).sum() / (targets["hit"].sum() + 1e-3)
        return value, {"hit_loss": value}


class Undivided(OwnCount):
    def construct(self, outputs, targets):
        value = (outputs["hit"] * targets["hit"]).sum() / targets["hit"].sum()
        return value, {"hit_loss": value, "more": value}


class Exponential(MeanLoss):
    needs_maps = ("hit", "half")

    def construct(self, outputs, targets, counts):
        value = ms.ops.exp(2 * outputs["hit"]).sum()
        return value, {"hit_loss": value}


class Losses(LossTests):
    def make_targets(self):
        return Cells()

    def outputs(self):
        return {name: np.random.default_rng(0).normal(size=(self.images, 2, 8, 8)).astype(np.float32) for name in ("hit", "half")}


def test_losses():
    assert failures(made(Losses, MeanLoss)) == {}
    found = failures(made(Losses, OwnCount))
    assert "in normalizers and count_normalizers" in found["test_parts_of_a_batch_give_what_the_whole_gives"]
    found = failures(made(Losses, Undivided))
    assert "guard the division" in found["test_no_object_is_finite"]
    assert "terms declares hit_loss, but construct returns hit_loss, more" in found["test_names_are_declared_and_terms_finite"]
    found = failures(made(Losses, Exponential))
    assert "compute with logits, or clamp" in found["test_extreme_maps_are_finite"]
    assert "needs_maps names 'half', but no gradient reaches it" in found["test_gradients_reach_every_map"]


class Images(Dataset):
    classes, wrong = ("a", "b"), ""

    def __len__(self):
        return 3

    def ids(self):
        return [5, 5, 6] if self.wrong == "ids" else [5, 4, 6]

    def image_size(self, index):
        return (30, 20) if self.wrong == "size" else (20, 30)

    def __getitem__(self, index):
        rng = np.random.default_rng(None if self.wrong == "random" else index)
        label = 2 if self.wrong == "label" else 1
        objects = Objects(np.array([[1, 2, 9, 8]], np.float32), np.array([label]))
        image = rng.integers(0, 255, (20, 30, 3), np.uint8)
        return Sample([5, 4, 6][index], str(index), image, objects)


@pytest.mark.parametrize(
    "wrong, test, message",
    [
        ("ids", "test_ids_are_unique_and_those_of_the_samples", "one distinct id"),
        ("size", "test_what_is_known_without_the_image_agrees_with_the_sample", "image_size is (30, 20), but the image has (20, 30)"),
        ("random", "test_reading_again_and_in_threads_gives_the_same", "returns another sample"),
        ("label", "test_samples_are_what_the_contract_says", "labels must be indices of classes, 0 to 1; they are [2]"),
    ],
)
def test_data_sets(wrong, test, message):
    found = failures(made(DatasetTests, type("Wrong", (Images,), {"wrong": wrong})))
    assert message in found[test] and failures(made(DatasetTests, Images)) == {}


class InPlace(Transform):
    def __call__(self, sample, rng):
        sample.image[0] = 0
        return sample


class Unseeded(Transform):
    def __call__(self, sample, rng):
        sample.image = np.random.default_rng().integers(0, 255, sample.image.shape, np.uint8)
        return sample


def test_transforms():
    assert "changed in place" in failures(made(TransformTests, InPlace))["test_what_it_is_given_is_not_changed_in_place"]
    found = failures(made(TransformTests, Unseeded))
    assert "all randomness must come from rng" in found["test_it_is_a_function_of_the_sample_and_the_generator"]


class Truth(Metric):
    """The share of records that are right about image and class."""

    statistics, main, by_name = ("hits",), "hits", True

    def results(self, detections, ground_truth=None):
        count = 2
        ids = [record["id"] for record in (ground_truth or {}).get("categories", [{"id": n + 1} for n in range(count)])]
        names = [record["name"] for record in ground_truth["categories"]] if ground_truth and self.by_name else ["one", "two"]
        ids = [ids[names.index(name)] for name in ("one", "two")]
        return [record for image_id, found in detections.items() for record in to_coco(found, image_id, ids)]

    def evaluate(self, ground_truth, results, image_ids):
        right = {(a["image_id"], a["category_id"]) for a in ground_truth["annotations"]}
        return {"hits": float(np.mean([(r["image_id"], r["category_id"]) in right for r in results])) if results else float("nan")}


class NoNames(Truth):
    by_name = False


class Forgets(Truth):
    def evaluate(self, ground_truth, results, image_ids):
        return super().evaluate(ground_truth, results, image_ids) if results else {}


class Unweighted(Truth):
    def resampler(self, ground_truth, results, image_ids):
        return lambda counts: self.evaluate(ground_truth, results, image_ids)

    def evaluate(self, ground_truth, results, image_ids):
        right = {(a["image_id"], a["category_id"]) for a in ground_truth["annotations"]}
        hits = super().evaluate(ground_truth, results, image_ids)["hits"]
        return {"hits": hits * len(results) / len(right) if results else math.nan}


def test_metrics():
    assert failures(made(MetricTests, Truth)) == {}
    assert "matched by name" in failures(made(MetricTests, NoNames))["test_the_order_of_classes_does_not_count"]
    assert "copied images; hits differ" in failures(made(MetricTests, Unweighted))["test_a_resample_is_a_data_set_with_copies"]
    assert "it lacks hits" in failures(made(MetricTests, Forgets))["test_nothing_found_gives_every_statistic"]


class Count(Hook):
    def __init__(self):
        self.steps = 0

    def after_step(self, run):
        self.steps += 1

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


class ForgetsToLoad(Count):
    def load_state_dict(self, state):
        pass


class NotJson(Count):
    def state_dict(self):
        return {"steps": np.float32(self.steps)}


def test_hooks():
    assert failures(made(HookTests, lambda folder: Count())) == {}
    found = failures(made(HookTests, lambda folder: ForgetsToLoad()))
    assert "must restore all values of state_dict" in found["test_its_state_is_json_and_comes_back"]
    assert "JSON values only" in failures(made(HookTests, lambda folder: NotJson()))["test_its_state_is_json_and_comes_back"]
    assert "must override one of before_train" in failures(made(HookTests, lambda folder: Hook()))["test_it_acts_at_some_point"]


class Codec(CodecTests):
    def make_targets(self):
        from acme_boxes.grid import GridTargets

        return GridTargets(["one", "two"], self.input_spec)

    def make_decoder(self):
        from acme_boxes.grid import GridDecoder

        return GridDecoder(["one", "two"])


def test_codecs(monkeypatch):
    from pathlib import Path

    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "fixtures" / "acme_boxes"))
    from acme_boxes import grid

    assert failures(Codec) == {}

    class Shifted(grid.GridDecoder):
        def _decode(self, scores, distances, view):
            found = super()._decode(scores, distances, view)
            return found.replace(boxes=found.boxes + 3)

    class Unmoved(grid.GridDecoder):
        def mirror(self, maps):
            return dict(maps)

    class OnRaster(grid.GridDecoder):
        def _decode(self, scores, distances, view):
            found = super()._decode(scores, distances, view)
            return Detections(found.boxes - np.tile(view.crop_center, 2).astype(np.float32) + 64, found.scores, found.labels)

    for decoder, test, message in (
        (Shifted, "test_perfect_maps_give_the_objects_back", "encoder and decoder must be inverse to each other"),
        (Unmoved, "test_mirrored_maps", ", mirrored: the nearest detection"),
        (OnRaster, "test_another_view_moves_the_boxes_with_it", "use view.motion_to_image"),
        (Shifted, "test_decoding_in_onnx_gives_the_same", "'boxes' of onnx_nodes differs from that of __call__"),
    ):
        found = failures(type("Tests", (Codec,), {"make_decoder": lambda self, decoder=decoder: decoder(["one", "two"])}))
        assert message in found[test], found


def test_the_run_of_the_hook_tests_has_all_that_a_hook_may_ask_for(tmp_path):
    run = FakeRun(tmp_path)
    assert [name for name in (*Run.__annotations__, *vars(Run)) if not name.startswith("_") and not hasattr(run, name)] == []
