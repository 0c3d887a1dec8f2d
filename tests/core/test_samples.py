"""Transforms that draw other samples, and data parts that break their contracts."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.contracts.data import PoolTransform, TargetEncoder, Transform
from mindpoint.contracts.fields import Field
from mindpoint.contracts.instances import Objects
from mindpoint.data.build import FirstImages, build_samples
from mindpoint.data.loader import Loader
from mindpoint.errors import PartError
from toy import Spots, SpotTargets

TOY = str(Path(__file__).parent / "toy.yaml")


class Brighten(Transform):
    def __call__(self, sample, rng):
        sample.image = (sample.image * rng.uniform(0.5, 1)).astype(np.uint8)
        return sample


class Mix(PoolTransform):
    """The left half of another sample, marked with the epoch."""

    def __call__(self, sample, rng, pool):
        other = pool.draw(rng)
        sample.image = sample.image.copy()
        sample.image[:, :8] = other.image[:, :8]
        sample.image[0, 0] = (pool.epoch, len(pool), other.image_id)
        return sample


class Counted(Transform):
    """Marks the image with how many transforms came before, and whether the window had been cut out."""

    before_view = True

    def __call__(self, sample, rng):
        sample.image[0, 0] = (sample.image[0, 0, 0] + 1, sample.view is not None, 0)
        return sample


class CountedLater(Counted):
    before_view = False


class Fails(Transform):
    def __init__(self, how: str):
        self.how = how

    def __call__(self, sample, rng):
        if self.how == "raises":
            raise ValueError("boom\nsecond line")
        return None


class Untidy(Spots):
    """Errors name the part."""

    def __init__(self, count: int, wrong: str):
        super().__init__(count)
        self.wrong = wrong

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        if self.wrong == "nothing":
            return None
        if self.wrong == "raises":
            return sample.image[0, 0, 7]
        if self.wrong == "image":
            sample.image = sample.image.astype(np.float64)
        elif self.wrong == "objects":
            sample.objects = None
        else:
            values = {"depth": np.zeros(1, np.float32)}
            sample.objects = Objects(sample.objects.boxes, sample.objects.labels, fields=(Field("depth"),), values=values)
        return sample


class WideTargets(SpotTargets):
    def __call__(self, sample):
        return {name: value.astype(np.float64) for name, value in super().__call__(sample).items()}


class NoTargets(TargetEncoder):
    def __call__(self, sample):
        return None


class SizedTargets(SpotTargets):
    def __init__(self, input_spec):
        super().__init__()
        self.size = np.array(input_spec.size, np.int32)

    def __call__(self, sample):
        return {"size": self.size}


BAD = "+data.train.transforms.bad={{type: 'test_samples:Fails', how: {}}}"
TARGETS = "data.train.targets={{type: 'test_samples:{}'}}"
MIX = (
    "+data.train.max_unreadable=2",
    "data.train.dataset={type: 'toy:Spots', count: 40, broken: 17}",
    "data.train.transforms={_replace_: true, bright: {type: 'test_samples:Brighten'}, mix: {type: 'test_samples:Mix'}, "
    "again: {type: 'test_samples:Mix'}}",
)


def samples_of(*changes):
    return build_samples(load_config(TOY, changes))


def batches(samples, workers, processes, epoch=0, step=0):
    every = Loader(samples, 8, workers, True, processes).epochs(2, epoch, step)
    return [(batch["image_id"].tolist(), batch["image"].copy()) for part in every for batch in part]


class Shuffled(Spots):
    """Ids are not indices, and the ground truth is in another order."""

    name = "shuffled2017"
    order = [7, 3, 9, 0, 5, 1, 8, 2, 6, 4]

    def __getitem__(self, index):
        if self.count < 0:
            raise AssertionError("an image was read")
        return dataclasses.replace(super().__getitem__(index), image_id=self.order[index] + 100)

    def ids(self):
        return [number + 100 for number in self.order]

    def ground_truth(self):
        numbers = range(100, 110)
        return {"images": [{"id": number} for number in numbers], "annotations": [{"image_id": number} for number in numbers]}


def test_the_first_images_are_those_of_the_first_indices():
    first = FirstImages(Shuffled(10), 3)
    assert first.fields == first.dataset.fields and len(first.objects(2)) == 1
    assert first.ids() == [107, 103, 109] == [first[index].image_id for index in range(3)] and first.name == "shuffled2017"
    first.dataset.count = -1
    for records, key in ((first.ground_truth()["images"], "id"), (first.ground_truth()["annotations"], "image_id")):
        assert sorted(record[key] for record in records) == [103, 107, 109]


def test_training_samples_may_be_smaller_than_the_input():
    """Transforms and targets are made for data.train.size; a test still sees input.size."""
    config = load_config(TOY, ["+data.train.size=[8, 12]", "data.train.transforms=null", TARGETS.format("SizedTargets")])
    samples = build_samples(config)
    assert samples.example["image"].shape == (3, 8, 12) and samples.example["size"].tolist() == [8, 12]
    assert config.input_spec.size == (16, 16)


@pytest.mark.parametrize("workers, processes", [(3, False), (1, True), (3, True)])
def test_drawn_samples_do_not_depend_on_the_workers_or_on_a_resume(workers, processes, monkeypatch):
    monkeypatch.setattr("mindpoint.runtime.cpu.cores", lambda: 4)
    expected = batches(samples_of(*MIX), 1, False)
    assert len(expected) == 10
    for start in (0, 7):
        actual = batches(samples_of(*MIX), workers, processes, *divmod(start, 5))
        assert len(actual) == 10 - start
        for (ids, image), (other_ids, other) in zip(actual, expected[start:]):
            assert ids == other_ids and np.array_equal(image, other)


def test_transforms_of_the_whole_image_come_first_wherever_they_are_written():
    changes = [f"+data.train.transforms.{name}={{type: 'test_samples:{kind}'}}" for name, kind in (("b", "CountedLater"), ("a", "Counted"))]
    samples = samples_of(*changes, "+data.train.transforms.c={type: 'test_samples:Counted'}")
    assert list(samples.transforms) == ["a", "c", "view", "b"]
    seen, _, _ = samples.prepare(0)
    assert seen.image[0, 0, 1] and samples.pool(0, "c").count == 1, "the pool of c gives samples after a"


def test_a_pool_gives_samples_after_the_transforms_before_and_what_was_unreadable():
    samples = samples_of(*MIX)
    drawn, unreadable = set(), set()
    for position in range(120):
        sample, _, left_out = samples.prepare(position)
        epoch, length, image_id = sample.image[0, 0].astype(int)
        assert (epoch, length) == (position // 40, 40)
        drawn.add(image_id)
        unreadable |= {index for index, _ in left_out}
    assert len(drawn) > 30 and 17 not in drawn and unreadable == {17}
    pool, generator = samples.pool(0, "mix"), np.random.default_rng(3)
    sample = pool.draw(generator)
    plain = Spots(40)[sample.image_id].image
    ratio = sample.image.max() / plain.max()
    assert 0.4 < ratio < 1 and np.abs(sample.image - plain * ratio).max() <= 2, "brightened once, not mixed"


@pytest.mark.slow
@pytest.mark.parametrize(
    "change, message",
    [
        (BAD.format("raises"), "transforms.bad: Fails (test_samples.py:{raise}) failed: ValueError: boom"),
        (BAD.format("none"), "transforms.bad: Fails (test_samples.py:{Fails}) returned NoneType; it must"),
        (TARGETS.format("WideTargets"), "targets: WideTargets (test_samples.py:{WideTargets}) returned 'spot' as (1, 4, 4) float64"),
        (TARGETS.format("NoTargets"), "targets: NoTargets (test_samples.py:{NoTargets}) returned NoneType; it must return"),
        ("nothing", "dataset: Untidy (test_samples.py:{Untidy}) returned NoneType for an index"),
        ("raises", "dataset: Untidy (test_samples.py:{index}) failed: IndexError: index 7 is out of bounds"),
        ("image", "returned an image of (16, 16, 3) float64 for spot-0; it must be (H, W, 3) uint8 or float32"),
        ("objects", "returned NoneType as objects of spot-0; return Objects.none() if empty"),
        ("fields", "declares the fields (none), but the objects of spot-0 have depth"),
    ],
)
def test_a_part_that_breaks_its_contract_is_named_with_block_and_line(change, message):
    lines = Path(__file__).read_text().splitlines()
    numbers = {line[6:].partition("(")[0]: number for number, line in enumerate(lines, 1) if line.startswith("class ")}
    numbers["raise"] = lines.index('            raise ValueError("boom\\nsecond line")') + 1
    numbers["index"] = lines.index("            return sample.image[0, 0, 7]") + 1
    if "=" not in change:
        change = f"data.train.dataset={{type: 'test_samples:Untidy', count: 9, wrong: {change}}}"
    with pytest.raises(PartError) as caught:
        samples_of(change)
    assert message.format(**numbers) in str(caught.value) and str(caught.value).startswith("data.train.")
    assert "\n" not in str(caught.value)
