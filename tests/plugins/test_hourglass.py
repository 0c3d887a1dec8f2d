"""Hourglass-104 against the official implementation's numbers."""

import json
import re

import mindspore as ms
import numpy as np
import pytest
from mindpoint.contracts.weights import torch_name
from mindpoint.errors import ConfigError
from mindpoint.model.network import Network
from mindpoint.native.accelerate import accelerate
from mindpoint.runtime import device
from mindpoint_centernet.backbones.hourglass import Hourglass104
from mindpoint_centernet.heads.multi_pose import MultiPoseHeads
from mindpoint_coco.keypoints import Keypoints
from mindpoint_parity.seeded import seeded_state
from mindspore.nn.utils import no_init_parameters

TOLERANCES = {"stack0": 5e-4, "stack1": 1e-3}


def official_name(ours):
    """The official name of a parameter of the two-stack network with heads."""
    stack = 0 if ours.startswith("stacks.0.") else 1
    name = re.sub(r"^(stacks\.0\.)?(backbone|heads\.pose)\.", "", torch_name(ours))
    if "heads." not in ours:
        return name
    return re.sub(r"^(\w+)\.(\d)\.", lambda m: f"{m[1]}.{stack}." + ("0.conv." if m[2] == "0" else "1."), name)


def pose_network(**widths):
    backbone = Hourglass104(**widths)
    last, first = (MultiPoseHeads(backbone.out_features, Keypoints(list(map(str, range(17)))), ["person"]) for _ in range(2))
    return Network(backbone, None, {"pose": last}, [(None, {"pose": first})])


def test_maps_of_both_stacks_are_the_official_ones(golden_networks):
    device.setup("CPU", 0)
    listed = json.loads((golden_networks / "official_state_dict-hourglass.json").read_text())["params"]
    state = seeded_state(listed)
    state = {name: value * np.float32(0.2) if name.endswith("bn2.weight") else value for name, value in state.items()}
    with no_init_parameters():
        network = pose_network()
    accelerate(network)
    names = {official_name(name): parameter for name, parameter in network.parameters_dict().items()}
    assert {name: list(parameter.shape) for name, parameter in names.items()} == {
        name: shape for name, shape in listed if not name.endswith("num_batches_tracked")
    }
    for name, parameter in names.items():
        parameter.set_data(ms.Tensor(state[name]))
    expected = dict(np.load(golden_networks / "network-hourglass.npz"))
    image = np.random.Generator(np.random.PCG64(expected.pop("seed").tolist())).standard_normal((1, 3, 256, 256)).astype(np.float32)
    network.set_train(False)
    features = network.backbone(ms.Tensor(image))
    maps = {"stack0": network.stacks[0](features[:1]), "stack1": network(ms.Tensor(image))}
    for stack, values in maps.items():
        for name, value in zip(network.maps, values):
            case = f"{stack}/{name}"
            np.testing.assert_allclose(value.asnumpy(), expected[case], rtol=0, atol=TOLERANCES[stack], err_msg=case)


def test_the_input_is_a_multiple_of_128():
    assert pose_network(channels=(4,) * 6, stem=4).divisor == 128


@pytest.mark.parametrize("channels", [(4,) * 5, (4, 4, 0, 4, 4, 4)])
def test_wrong_widths(channels):
    with pytest.raises(ConfigError, match="six positive numbers"):
        Hourglass104(channels)
