"""Weights of images: how often each is drawn, repetitions, losses of single images, and a resume that goes on bit for bit."""

from pathlib import Path

import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.contracts.data import Sampler, Transform
from mindpoint.data.build import build_samples
from mindpoint.data.loader import Loader
from mindpoint.data.sampling import EpochOrder, repeats, weighted_order
from mindpoint.errors import ConfigError, Interrupted, PartError
from mindpoint.model import checkpoint
from mindpoint.training import sink
from test_resume import SETTINGS, Signal, assert_same, build, resumed

TOY = str(Path(__file__).parent / "toy.yaml")


class Fixed(Sampler):
    """Whatever weights it is given."""

    def __init__(self, values):
        self.values = values

    def weights(self):
        return self.values


class ByLoss(Sampler):
    """Twice as often those whose last loss was above the mean of all last losses."""

    needs_losses = True

    def __init__(self, dataset):
        self.losses = [0.0] * len(dataset)

    def weights(self):
        return 1.0 + (np.array(self.losses) > np.mean(self.losses))

    def observe(self, index, loss):
        self.losses[index] = loss

    def state_dict(self):
        return {"losses": self.losses}

    def load_state_dict(self, state):
        self.losses = list(state["losses"])


class Stain(Transform):
    """A random colour, to tell repetitions apart."""

    def __call__(self, sample, rng):
        sample.image[:] = rng.integers(0, 256, 3)
        return sample


def test_each_index_is_drawn_as_often_as_its_weight_says():
    weights = np.array([1, 0, 3, 2, 0.5, 1.5])  # of a sum of 8, scaled to 6: 0.75, 0, 2.25, 1.5, 0.375, 1.125
    expected, counts = weights * 6 / 8, []
    for epoch in range(4000):
        drawn = weighted_order(weights, 5, epoch, True)
        count = np.bincount(drawn, minlength=6)
        assert len(drawn) == 6 and (np.floor(expected) <= count).all() and (count <= np.ceil(expected)).all()
        counts.append(count)
    np.testing.assert_allclose(np.mean(counts, axis=0), expected, atol=4 * 0.5 / np.sqrt(4000))
    firsts = [weighted_order(weights, 5, epoch, True)[0] for epoch in range(200)]
    assert set(firsts) == {0, 2, 3, 4, 5}
    assert (np.diff(weighted_order(weights, 5, 1, False)) >= 0).all()
    for length in (1, 7, 1000):
        assert sorted(weighted_order(np.full(length, 0.1), 0, 3, True)) == list(range(length))


def test_repetitions_are_counted():
    assert repeats(np.array([4, 2, 4, 4, 0, 2])).tolist() == [0, 0, 1, 2, 0, 1] and repeats(np.zeros(0, int)).tolist() == []


def test_each_repetition_is_augmented_on_its_own_and_the_first_as_without_a_sampler():
    changes = "data.train.transforms={_replace_: true, stain: {type: 'test_sampling:Stain'}}"
    samples = build_samples(load_config(TOY, [changes]))
    weights = np.zeros(40)
    weights[[3, 5]] = 1
    order = EpochOrder(samples, True, Fixed(weights))
    positions = order.positions(2)
    assert len(positions) == 40 and (positions % 40 == 3).sum() == 20
    seen = {(int(position) % 40, tuple(samples.prepare(position)[0].image[8, 8])) for position in positions}
    assert len(seen) == 40
    plain = tuple(samples.prepare(2 * 40 + 3)[0].image[8, 8])
    assert (3, plain) in seen, "the same as without a sampler"
    np.testing.assert_array_equal(EpochOrder(samples, False).positions(2), np.arange(80, 120))


@pytest.mark.parametrize("wrong", [np.ones(3), np.full(40, -1.0), np.zeros(40), np.full(40, np.nan), None])
def test_wrong_weights_are_the_samplers_mistake(wrong):
    order = EpochOrder(build_samples(load_config(TOY)), True, Fixed(wrong))
    with pytest.raises(PartError, match=r"^data.train.sampler: Fixed \(test_sampling.py:\d+\) "):
        order.positions(0)


@pytest.mark.parametrize("workers, processes, start", [(3, False, 0), (2, True, 0), (2, False, 7)])
def test_drawn_batches_do_not_depend_on_workers_or_on_where_they_begin(workers, processes, start):
    changes = "data.train.transforms={_replace_: true, stain: {type: 'test_sampling:Stain'}}"
    weights = np.arange(40.0)

    def batches(workers, processes, first):
        samples = build_samples(load_config(TOY, [changes]))
        epochs = Loader(samples, 8, workers, True, processes, sampler=Fixed(weights)).epochs(2, *divmod(first, 5))
        return [(batch["image_id"].tolist(), batch["image"].copy()) for epoch in epochs for batch in epoch]

    expected, actual = batches(1, False, 0)[start:], batches(workers, processes, start)
    assert len(actual) == 10 - start
    for (ids, image), (other_ids, other) in zip(actual, expected):
        assert ids == other_ids and np.array_equal(image, other)


FOLLOWING = (*SETTINGS, "+data.train.sampler={type: 'test_sampling:ByLoss'}")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    build(folder, settings=FOLLOWING).train()
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("step", [5, 7])  # at the end of an epoch, within the next one
def test_a_sampler_that_follows_losses_goes_on_bit_for_bit(step, whole, tmp_path):
    trainer = build(tmp_path / "run", settings=FOLLOWING)
    trainer.hooks["signal"] = Signal(step)
    with pytest.raises(Interrupted):
        trainer.train()
    again = resumed(tmp_path / "run", settings=FOLLOWING)
    assert again.step == step and sum(loss > 0 for loss in again.loader.order.sampler.losses) > 20
    again.train()
    assert_same(tmp_path / "run", whole)
    state = checkpoint.load(whole / "last.ckpt").info["state"]["sampling"]
    assert state["epoch"] == 3 and set(state["weights"]) == {1.0, 2.0}, "losses have changed what was drawn"


@pytest.mark.slow
def test_the_losses_of_images_are_those_of_batches_of_their_own(tmp_path):
    trainer = build(tmp_path / "run", "train.epochs=1", settings=FOLLOWING)
    pairs = []
    trainer.loader.order.observe = lambda ids, losses: pairs.append((list(losses), trainer.losses["loss"]))
    trainer.train()
    assert len(pairs) == 5 and all(len(losses) == 8 and len(set(losses)) == 8 for losses, _ in pairs)
    for losses, total in pairs:  # a mean over pixels: that of the batch is the mean of the images
        assert np.mean(losses) == pytest.approx(total, rel=1e-5)


@pytest.mark.slow
def test_another_number_of_images_begins_the_sampler_anew(whole, tmp_path):
    path, stored = whole / "last.ckpt", checkpoint.load(whole / "last.ckpt")
    samples = build_samples(load_config(TOY, ["data.train.dataset.count=24"]))
    order = EpochOrder(samples, True, ByLoss(samples.dataset))
    order.restore(stored.info["state"]["sampling"])
    assert order.sampler.losses == [0.0] * 24, path


def test_sinking_is_refused(tmp_path, monkeypatch):
    trainer = build(tmp_path / "run", "train.accumulate=1", settings=FOLLOWING)
    monkeypatch.setattr(sink.device, "name", lambda: "Ascend")
    with pytest.raises(ConfigError, match="train.sink: data.train.sampler needs the losses of each step"):
        sink.Sunk(trainer.network_step, trainer.loader, lambda step: 0.1, 5, 20)
