"""Tests of data sets and transforms."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Sequence

import numpy as np

from mindpoint.contracts.data import Dataset, PoolTransform, SamplePool, Transform
from mindpoint.contracts.fields import Field
from mindpoint.contracts.image import Sample
from mindpoint.data.sample_check import check_sample
from mindpoint.testing.samples import PartTests, drawn_samples, input_spec, need


class DatasetTests(PartTests):
    """Tests of a data set. Derive from it and let ``make`` return one with at least one image.

    Attributes:
        most: maximum number of tested images.
    """

    most = 8

    def make(self) -> Dataset:
        return super().make()

    def test_samples_are_what_the_contract_says(self):
        dataset = self.make()
        need(len(dataset) > 0, "the tested data set must have an image")
        for index in range(min(len(dataset), self.most)):
            sample = dataset[index]
            check_sample("the data set", dataset, sample)
            need(sample.view is None, f"{sample.name}: a data set must leave view None, which transforms set")
            objects = sample.objects
            need(
                len(objects) == 0 or 0 <= objects.labels.min() <= objects.labels.max() < len(dataset.classes),
                f"{sample.name}: labels must be indices of classes, 0 to {len(dataset.classes) - 1}; they are {objects.labels.tolist()}",
            )
            sound = (objects.boxes[:, 2:] >= objects.boxes[:, :2]).all() and np.isfinite(objects.boxes).all()
            need(sound, f"{sample.name}: boxes must be left, top, right, bottom; they are {objects.boxes.tolist()}")

    def test_ids_are_unique_and_those_of_the_samples(self):
        dataset = self.make()
        ids = dataset.ids()
        need(len(ids) == len(dataset) == len(set(ids)), "ids() must return one distinct id for each image")
        for index in range(min(len(dataset), self.most)):
            need(ids[index] == dataset[index].image_id, f"ids()[{index}] is {ids[index]}, not the sample's {dataset[index].image_id}")

    def test_reading_again_and_in_threads_gives_the_same(self):
        dataset = self.make()
        indices = list(range(min(len(dataset), self.most)))
        first = [dataset[index] for index in indices]
        with ThreadPoolExecutor(4) as pool:
            for one, other in zip(first * 3, pool.map(dataset.__getitem__, indices * 3)):
                need(_same(one, other), f"{one.name}: reading it again, or in another thread, returns another sample")

    def test_what_is_known_without_the_image_agrees_with_the_sample(self):
        dataset = self.make()
        for index in range(min(len(dataset), self.most)):
            sample = dataset[index]
            size, shape = tuple(dataset.image_size(index)), sample.image.shape[:2]
            need(size == shape, f"{sample.name}: image_size is {size}, but the image has {shape}")
            objects = dataset.objects(index)
            same = all(np.array_equal(objects.values[name], values) for name, values in sample.objects.values.items())
            need(same, f"{sample.name}: objects({index}) differ from the objects of the sample")

    def test_ground_truth_has_every_object(self):
        dataset = self.make()
        truth = dataset.ground_truth()
        need({"images", "annotations", "categories"} <= set(truth), "ground_truth must have images, annotations, categories")
        need([record["id"] for record in truth["images"]] == dataset.ids(), "ground_truth: images must be those of ids(), in order")
        numbers = [record["id"] for record in truth["categories"]]
        need(len(set(numbers)) == len(numbers), "ground_truth: category ids must be unique")
        for index in range(min(len(dataset), self.most)):
            found = [record for record in truth["annotations"] if record["image_id"] == dataset.ids()[index]]
            count = len(dataset.objects(index))
            need(len(found) == count, f"ground_truth has {len(found)} annotations for {dataset[index].name}, which has {count} objects")
            need(all(record["category_id"] in numbers for record in found), "ground_truth: an annotation has an unknown category")


class TransformTests(PartTests):
    """Tests of a transform. Derive from it and let ``make`` return one.

    Attributes:
        fields: fields of the objects in its input.
        classes: number of their classes.
    """

    fields: Sequence[Field] = ()
    classes = 2

    def make(self) -> Transform:
        return super().make()

    def samples(self) -> Sequence[Sample]:
        """Return the test input: drawn samples without a view."""
        samples = drawn_samples(input_spec(96, 128), self.classes, self.fields)
        for sample in samples:
            sample.view = None
        return samples

    def test_it_is_a_function_of_the_sample_and_the_generator(self):
        for first, second in zip(self.samples(), self.samples()):
            one, other = (self._apply(self.make(), sample, 7) for sample in (first, second))
            need(_same(one, other), "all randomness must come from rng; the same generator returned another sample")

    def test_the_sample_stays_a_sample(self):
        for sample in self.samples():
            names = [field.name for field in sample.objects.fields]
            changed = self._apply(self.make(), sample, 3)
            need(isinstance(changed, Sample), f"a transform must return a Sample, not {type(changed).__name__}")
            need(changed.image.ndim == 3 and changed.image.dtype.name in ("uint8", "float32"), "images must be (H, W, 3) uint8 or float32")
            need([field.name for field in changed.objects.fields] == names, "the objects must keep their fields")

    def test_what_it_is_given_is_not_changed_in_place(self):
        for sample in self.samples():
            image, values = sample.image, copy.deepcopy(sample.objects.values)
            before, objects = image.copy(), sample.objects
            self._apply(self.make(), sample, 5)
            need(np.array_equal(image, before), "the image's array was changed in place, but may be shared; make a new one")
            same = all(np.array_equal(objects.values[name], value) for name, value in values.items())
            need(same, "the objects' arrays were changed in place; use objects.replace, mirror or transform")

    def _apply(self, transform: Transform, sample: Sample, seed: int) -> Sample:
        rng = np.random.default_rng(seed)
        if isinstance(transform, PoolTransform):
            return transform(sample, rng, _Pool(self.samples()))
        return transform(sample, rng)


class _Pool(SamplePool):
    epoch = 0

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def draw(self, rng: np.random.Generator) -> Sample:
        return self._samples[int(rng.integers(len(self._samples)))]


def _same(first: Sample, second: Sample) -> bool:
    values = first.objects.values
    return (
        np.array_equal(first.pixels(), second.pixels())
        and first.image_id == second.image_id
        and len(first.objects) == len(second.objects)
        and all(np.array_equal(values[name], second.objects.values[name]) for name in values)
        and first.view == second.view
    )
