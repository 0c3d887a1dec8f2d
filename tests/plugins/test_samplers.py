"""Samplers against worked values."""

import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.contracts.data import Dataset
from mindpoint.contracts.instances import Objects
from mindpoint.errors import ConfigError
from mindpoint_coco.samplers import HardImageSampler, RepeatFactorSampler


class Labels(Dataset):
    """Images with objects of these labels; the last object of each list of three or more is a crowd."""

    classes = ("cat", "dog", "emu")

    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        raise AssertionError("an image was read")

    def objects(self, index):
        labels = self.labels[index]
        crowd = np.arange(len(labels)) >= 2
        return Objects(np.tile(np.array([0, 0, 9, 9], np.float32), (len(labels), 1)), np.array(labels, np.int64), crowd=crowd)


def test_repeat_factors_by_hand():
    """Of 8 images cats are in 6, dogs in 2, an emu, as no crowd, in 1; half is the threshold."""
    images = Labels([[0], [0, 0], [0], [0], [0, 1], [0, 0, 2], [1, 2], []])
    np.testing.assert_allclose(
        RepeatFactorSampler(images, 0.5).weights(), [1, 1, 1, 1, np.sqrt(2), 1, 2, 1]
    )  # sqrt(0.5 / 0.25) and sqrt(0.5 / 0.125)
    assert RepeatFactorSampler(images, 0.125).weights().tolist() == [1] * 8


def test_hard_images_by_hand():
    sampler = HardImageSampler(Labels([[0]] * 5), power=1.0, most=3.0, momentum=0.5)
    assert sampler.weights().tolist() == [1] * 5
    for index, loss in ((0, 8.0), (1, 1.0), (2, 2.0), (3, 1.0), (0, 16.0)):
        sampler.observe(index, loss)
    # running means 12, 1, 2, 1, of which 4 is the mean; 12 / 4 and 1 / 4 meet the limits, the fifth has not been seen
    np.testing.assert_allclose(sampler.weights(), [3, 1 / 3, 0.5, 1 / 3, 1])
    again = HardImageSampler(Labels([[0]] * 5), power=1.0, most=3.0, momentum=0.5)
    again.load_state_dict(sampler.state_dict())
    for one in (sampler, again):
        one.observe(4, -2.0)
        one.observe(1, 0.3)
    np.testing.assert_array_equal(sampler.weights(), again.weights())
    assert again.state_dict()["losses"] == [12, 0.65, 2, 1, 0] and HardImageSampler(Labels([[0]])).state_dict() == {"losses": [None]}
    assert HardImageSampler(Labels([[0]] * 2), power=0.0).weights().tolist() == [1, 1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: RepeatFactorSampler(Labels([[0]]), 0),
        lambda: HardImageSampler(Labels([[0]]), power=3),
        lambda: HardImageSampler(Labels([[0]]), most=0.5),
        lambda: HardImageSampler(Labels([[0]]), momentum=1),
    ],
)
def test_wrong_arguments_are_named(make):
    with pytest.raises(ConfigError, match=r"^(RepeatFactorSampler.threshold|HardImageSampler.(power|most|momentum)): "):
        make()


def test_one_line_adds_one():
    for block in ("{type: RepeatFactorSampler, threshold: 0.1}", "{type: HardImageSampler}"):
        config = load_config("quickstart", [f"+data.train.sampler={block}"])
        sampler = config.build("data.train.sampler", dataset=Labels([[0], [0]]))
        assert sampler.weights().tolist() == [1, 1]
