"""Replay of ``network.npz``: raw outputs of the seeded DLA-34 with deformable convolutions, in inference mode."""

from __future__ import annotations

from pathlib import Path
from typing import List, Mapping

import mindspore as ms
import numpy as np

from mindpoint_coco.keypoints import Keypoints
from mindpoint.model.network import Network
from mindpoint.native.accelerate import accelerate
from mindpoint.errors import WeightsError
from mindpoint.runtime import device
from mindpoint_centernet.backbones.dla import DLA34
from mindpoint_centernet.heads.multi_pose import MultiPoseHeads
from mindpoint_centernet.necks.dla_up import DLAUp
from mindpoint_parity.comparison import Comparison
from mindpoint_parity.seeded import golden_state
from mindpoint_centernet.weights.official import load_official

TOLERANCE = 1e-3
INPUT = (1, 3, 256, 256)


def official_network(state: Mapping[str, np.ndarray]) -> Network:
    """The official ``dla_34`` for multi-person pose with these weights (arrays by official name).

    Raises:
        WeightsError: they are not those of such a network.
    """
    keypoints = Keypoints([str(joint) for joint in range(len(state["hm_hp.2.bias"]))])
    classes = [str(label) for label in range(len(state["hm.2.bias"]))]
    backbone = DLA34()
    neck = DLAUp(backbone.out_features)
    heads = MultiPoseHeads(neck.out_features, keypoints, classes, head_conv=len(state["hm.0.bias"]))
    network = Network(backbone, neck, {"pose": heads})
    accelerate(network)
    report = load_official(network, state)
    if not report.complete or report.unexpected:
        raise WeightsError(f"these weights are not those of the official dla_34 for multi-person pose: {report}")
    return network


def check(golden: Path) -> List[Comparison]:
    """One row a map: the largest absolute difference."""
    device.setup("auto", seed=0)
    expected = dict(np.load(golden / "network.npz"))
    generator = np.random.Generator(np.random.PCG64(expected.pop("seed").tolist()))
    image = generator.standard_normal(INPUT).astype(np.float32)
    network = official_network(golden_state(golden))
    outputs = dict(zip(network.maps, network.set_train(False)(ms.Tensor(image))))
    return [Comparison("network", name, float(np.abs(outputs[name].asnumpy() - value).max()), TOLERANCE) for name, value in expected.items()]
