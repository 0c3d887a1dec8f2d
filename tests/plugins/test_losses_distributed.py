"""The loss in two processes: the mean of what each makes of its part is what one makes of the whole batch."""

import json
import sys

import mindspore as ms
import numpy as np
import pytest

from mindpoint.runtime import launch
from mindpoint_centernet.losses.multi_pose import MultiPoseLoss

MAPS = {"hm": 1, "wh": 2, "hps": 6, "reg": 2, "hm_hp": 3, "hp_offset": 2}

WORKER = """
import json
import numpy as np
from mindpoint.runtime import device, distributed, worker

def work():
    device.setup("CPU", 0)
    from test_losses_distributed import values
    own = slice(0, 2) if distributed.rank() == 0 else slice(2, 4)
    print(json.dumps(distributed.mean(values(own))), flush=True)
    return 0

worker.run(work)
"""


def values(own):
    """Total and terms of some images of a batch in which the first image is empty and every other one has more objects."""
    rng = np.random.default_rng(3)
    outputs = {name: rng.normal(size=(4, channels, 8, 8)).astype(np.float32) for name, channels in MAPS.items()}
    mask = (np.arange(4)[:, None] > np.arange(3)).astype(np.float32)  # (4 images, 3 objects)
    where = rng.integers(0, 64, (4, 3)).astype(np.int32)
    heat = rng.random((4, 4, 64)).astype(np.float32) * 0.9
    for image, row in enumerate(where):
        heat[image, :, row[mask[image] > 0]] = 1
    heat = heat.reshape(4, 4, 8, 8)
    targets = {
        "hm": heat[:, :1],
        "hm_hp": heat[:, 1:],
        "ind": where,
        "wh": rng.random((4, 3, 2)).astype(np.float32),
        "reg": rng.random((4, 3, 2)).astype(np.float32),
        "reg_mask": mask,
        "hps": rng.random((4, 3, 6)).astype(np.float32),
        "hps_mask": np.repeat(mask, 6, axis=1).reshape(4, 3, 6),
        "hp_offset": rng.random((4, 9, 2)).astype(np.float32),
        "hp_ind": np.repeat(where, 3, axis=1),
        "hp_mask": np.repeat(mask, 3, axis=1),
    }

    def tensors(arrays):
        return {name: ms.Tensor(array[own]) for name, array in arrays.items()}

    loss = MultiPoseLoss(maps=list(MAPS))
    total, terms = loss(tensors(outputs), tensors(targets))
    return [float(total.asnumpy()), *(float(terms[name].asnumpy()) for name in loss.terms)]


@pytest.mark.slow
def test_two_processes_give_the_loss_of_the_whole_batch(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", __file__.rpartition("/")[0])
    host, port = launch.address(None, listen=True)
    launch.run(launch.Job([sys.executable, "-c", WORKER], launch.worker_command(), 2, host, port, tmp_path, show=False))
    assert json.loads((tmp_path / "rank-0.log").read_text()) == pytest.approx(values(slice(0, 4)), rel=1e-5)
