"""torchvision's MobileNets as initial weights."""

import numpy as np
import pytest
from mindpoint.errors import WeightsError
from mindpoint.model import checkpoint
from mindpoint.model.translate import downloads, initial_arrays, recognize, recognize_ours
from mindpoint.model.weights import load_arrays
from mindpoint.storage.torch_file import write_torch_file
from mindpoint_backbones.mobilenet_v2 import MobileNetV2
from mindpoint_backbones.mobilenet_v3 import MobileNetV3
from mindpoint_backbones.weights import MobileNetRules
from mindpoint_centernet.weights.command import main
from mindpoint_parity.seeded import seeded_state
from mindspore import nn

RULES = MobileNetRules()
NETWORKS = {  # the last convolution and the classifier of torchvision's network, which are not here
    "MobileNetV2": (MobileNetV2, ("features.18.0.weight", (1280, 320, 1, 1)), "classifier.1.weight"),
    "MobileNetV3 large": (MobileNetV3, ("features.16.0.weight", (960, 160, 1, 1)), "classifier.0.weight"),
    "MobileNetV3 small": (lambda: MobileNetV3("small"), ("features.12.0.weight", (576, 96, 1, 1)), "classifier.3.weight"),
}


class Whole(nn.Cell):
    """A network with nothing but a backbone."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone


def torchvision_state(network, last, classifier):
    shapes = {RULES.official_name(name): tuple(value.shape) for name, value in network.parameters_dict().items()}
    state = seeded_state([*shapes.items(), last, (last[0].replace(".0.weight", ".1.running_mean"), last[1][:1]), (classifier, (1000, 96))])
    return {**state, **RULES.unused_arrays(state)}


@pytest.mark.parametrize("name", list(NETWORKS))
def test_a_file_of_torchvision_is_a_backbone(tmp_path, name, capsys):
    """Converted and directly: every parameter of the backbone, and nothing else."""
    make, *rest = NETWORKS[name]
    network = Whole(make())
    state = torchvision_state(network, *rest)
    write_torch_file(tmp_path / "x.pth", state)
    assert main(["convert", str(tmp_path / "x.pth"), str(tmp_path / "x.ckpt")]) == 0
    assert f"{name} without heads" in capsys.readouterr().out
    for arrays in (checkpoint.load(tmp_path / "x.ckpt").arrays, initial_arrays(network, str(tmp_path / "x.pth"))):
        report = load_arrays(network, arrays)
        assert report.complete and not report.unexpected
        for ours, value in network.parameters_dict().items():
            np.testing.assert_array_equal(value.asnumpy(), state[RULES.official_name(ours)], ours)


def test_names_of_torchvision():
    pairs = {
        "backbone.features.0.1.moving_mean": "features.0.1.running_mean",
        "backbone.features.2.conv.3.gamma": "features.2.conv.3.weight",
        "backbone.features.4.block.2.fc1.bias": "features.4.block.2.fc1.bias",
    }
    for ours, official in pairs.items():
        assert RULES.official_name(ours) == official


def test_a_detector_is_not_torchvision_s():
    arrays = {"backbone.features.1.conv.0.0.weight": np.zeros(3), "neck.a.weight": np.zeros(3)}
    with pytest.raises(WeightsError, match="neck.a.weight: torchvision's MobileNets have neither neck nor heads"):
        recognize_ours(arrays, "x")
    with pytest.raises(WeightsError, match="unknown architecture"):
        recognize({"features.0.weight": np.zeros(3)}, "x")


def test_files_are_known_by_name():
    assert downloads()["mobilenet_v3_small"] == "https://download.pytorch.org/models/mobilenet_v3_small-047dcff4.pth"
