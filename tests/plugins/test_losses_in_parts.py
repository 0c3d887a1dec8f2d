"""The pose loss of a batch that goes through in parts, accumulated or in several processes: losses and update of the whole batch."""

import json
import sys

import mindspore as ms
import numpy as np
import pytest
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Backbone, Head
from mindpoint.launch import job as launch
from mindpoint.model.network import Network
from mindpoint.optim.optimizers import SGD
from mindpoint.runtime import device, distributed
from mindpoint.training.step import TrainStep
from mindpoint_centernet.losses.multi_pose import MultiPoseLoss
from mindspore import nn

MAPS = {"hm": 1, "wh": 2, "hps": 6, "reg": 2, "hm_hp": 3, "hp_offset": 2}
VARIANTS = {
    "official": {},
    "dense": {"dense": True, "regression": "smooth_l1", "joint_loss": "mse"},
    "ignored regions": {"targets": ("hm_weight", "hm_hp_weight"), "normalization": "model_zoo"},
}

WORKER = """
import json
from mindpoint.launch import process
from mindpoint.runtime import device

def work():
    from test_losses_in_parts import trained
    device.setup("CPU", 0)
    print(json.dumps(trained("official", accumulate=2)), flush=True)
    return 0

process.run(work)
"""


class Same(Backbone):
    def __init__(self):
        super().__init__()
        self.out_features = (FeatureSpec(3, 1),)

    def construct(self, image):
        return (image,)


class Maps(Head):
    """Every map of the loss, from the same 3 channels."""

    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(1)
        self.out_maps, self.names = {name: FeatureSpec(count, 1) for name, count in MAPS.items()}, tuple(MAPS)
        weights = {name: ms.Tensor(rng.normal(size=(channels, 3, 1, 1)).astype(np.float32)) for name, channels in MAPS.items()}
        self.convs = nn.CellList([nn.Conv2d(3, MAPS[name], 1, weight_init=weight) for name, weight in weights.items()])

    def construct(self, features):
        maps = {}
        for name, conv in zip(self.names, self.convs):
            maps[name] = conv(features[0])
        return maps


def batch(empty=False):
    """Four images; the first has no object, every other one more than the one before. ``empty``: none has any."""
    rng = np.random.default_rng(3)
    mask = (np.arange(4)[:, None] > np.arange(3)).astype(np.float32) * (not empty)  # (4 images, 3 objects)
    where = rng.integers(0, 64, (4, 3)).astype(np.int32)
    heat = rng.random((4, 4, 64)).astype(np.float32) * 0.9
    for image, row in enumerate(where):
        heat[image, :, row[mask[image] > 0]] = 1
    heat = heat.reshape(4, 4, 8, 8)
    return {
        "image": rng.normal(size=(4, 3, 8, 8)).astype(np.float32),
        "hm": heat[:, :1],
        "hm_hp": heat[:, 1:],
        "ind": where,
        "wh": rng.random((4, 3, 2)).astype(np.float32),
        "reg": rng.random((4, 3, 2)).astype(np.float32),
        "reg_mask": mask,
        "hps": rng.random((4, 3, 6)).astype(np.float32),
        "hps_mask": np.repeat(mask, 6, axis=1).reshape(4, 3, 6),
        "dense_hps": rng.random((4, 6, 8, 8)).astype(np.float32),
        "dense_hps_mask": rng.random((4, 6, 8, 8)).astype(np.float32) * mask.sum(1)[:, None, None, None],
        "hp_offset": rng.random((4, 9, 2)).astype(np.float32),
        "hp_ind": np.repeat(where, 3, axis=1),
        "hp_mask": np.repeat(mask, 3, axis=1),
        "hm_weight": rng.integers(0, 2, (4, 1, 8, 8)).astype(np.float32),
        "hm_hp_weight": rng.integers(0, 2, (4, 1, 8, 8)).astype(np.float32),
    }


def run(step, arrays, rate):
    return step.run(arrays, rate, distributed.sum_of(step.count(arrays)))


def trained(variant, accumulate=1, empty=False):
    """Losses of one step on this process's images, and the weights after it."""
    loss = MultiPoseLoss(maps=list(MAPS), **VARIANTS[variant])
    network = Network(Same(), None, {"maps": Maps()})
    optimizer = SGD(network.trainable_params(), 1.0, momentum=0.0)
    step = TrainStep(network, {"pose": loss}, optimizer, loss.needs_targets, accumulate=accumulate).set_train()
    images = 4 // distributed.size()
    own = slice(distributed.rank() * images, (distributed.rank() + 1) * images)
    values, updated = run(step, {name: array[own] for name, array in batch(empty).items()}, 1.0)
    assert updated
    return values, {p.name: p.asnumpy().tolist() for p in network.get_parameters()}


@pytest.mark.slow
def test_losses_of_images_are_those_of_batches_of_one_and_change_no_update():
    loss = MultiPoseLoss(maps=list(MAPS))
    network = Network(Same(), None, {"maps": Maps()})
    alone = lambda: {"losses_alone": {"pose": MultiPoseLoss(maps=list(MAPS))}}  # noqa: E731
    device.setup("CPU", 0)
    plain, by_image, in_parts = (
        TrainStep(network, {"pose": loss}, SGD(network.trainable_params(), 1.0, momentum=0.0), loss.needs_targets, **more).set_train()
        for more in ({}, alone(), {**alone(), "accumulate": 2})
    )
    arrays, start = batch(), {p.name: p.asnumpy().copy() for p in network.get_parameters()}
    for step in (plain, by_image, in_parts):
        loss.num_shards = step.num_shards
        if step is plain:
            single = [run(step, {name: array[image : image + 1] for name, array in arrays.items()}, 1e-12)[0]["loss"] for image in range(4)]
        values, _ = run(step, arrays, 1e-12)
        if step is not plain:
            np.testing.assert_allclose(step.image_losses, single, rtol=1e-4)
        assert values["loss"] > 0
    after = []
    for step in (plain, by_image):
        loss.num_shards = 1
        for parameter in network.get_parameters():
            parameter.set_data(ms.Tensor(start[parameter.name]))
        run(step, arrays, 1.0)
        after.append({p.name: p.asnumpy().copy() for p in network.get_parameters()})
    for name in start:
        np.testing.assert_array_equal(after[0][name], after[1][name])


def assert_same(found, expected):
    for ours, theirs in zip(found, expected):
        assert ours.keys() == theirs.keys()
        for name in theirs:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("variant, empty", [(name, False) for name in VARIANTS] + [("official", True)])
def test_parts_give_losses_and_update_of_the_whole_batch(variant, empty):
    device.setup("CPU", 0, mode="eager")  # the other tests compile
    assert_same(trained(variant, 4, empty), trained(variant, 1, empty))


def _printed(log):
    """Return a worker's output without MindSpore's warnings of slow connections."""
    (line,) = [line for line in log.read_text().splitlines() if line.startswith(("[{", "[["))]
    return json.loads(line)


@pytest.mark.slow
def test_two_processes_with_two_parts_each(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", __file__.rpartition("/")[0])
    host, port = launch.address(None, listen=True)
    launch.run(launch.Job([sys.executable, "-c", WORKER], launch.worker_command(), 2, host, port, tmp_path, show=False))
    device.setup("CPU", 0)
    expected = trained("official")
    for rank in range(2):
        assert_same(_printed(tmp_path / f"rank-{rank}.log"), expected)
