"""Replay of ``network.npz``: raw outputs of the seeded DLA-34 with deformable convolutions, in inference mode."""

from __future__ import annotations

from typing import List, Mapping

import mindspore as ms
import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint.errors import WeightsError
from mindpoint.model.network import Network
from mindpoint.model.translate import load_official
from mindpoint.native.accelerate import accelerate
from mindpoint.runtime import device
from mindpoint_centernet.backbones.dla import DLA34
from mindpoint_centernet.heads.multi_pose import MultiPoseHeads
from mindpoint_centernet.necks.dla_up import DLAUp
from mindpoint_centernet.weights.dla import DLARules
from mindpoint_coco.keypoints import Keypoints

from mindpoint_parity.reference import Reference
from mindpoint_parity.seeded import golden_state

INPUT = (1, 3, 256, 256)


def official_network(state: Mapping[str, np.ndarray]) -> Network:
    """Return the official ``dla_34`` for multi-person pose with these weights (arrays by official name).

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
    report = load_official(network, state, DLARules())
    if not report.complete or report.unexpected:
        raise WeightsError(f"these weights are not those of the official dla_34 for multi-person pose: {report}")
    return network


def check(reference: Reference) -> List[Comparison]:
    """Compare each map of ``network.npz``: the largest absolute difference."""
    device.setup("auto", seed=0)
    expected = dict(np.load(reference.golden / "network.npz"))
    generator = np.random.Generator(np.random.PCG64(expected.pop("seed").tolist()))
    image = generator.standard_normal(INPUT).astype(np.float32)
    network = official_network(golden_state(reference.golden))
    outputs = dict(zip(network.maps, network.set_train(False)(ms.Tensor(image))))
    errors = {name: float(np.abs(outputs[name].asnumpy() - value).max()) for name, value in expected.items()}
    return [Comparison("network", name, error, reference.tolerances["network"]["maps"]) for name, error in errors.items()]
