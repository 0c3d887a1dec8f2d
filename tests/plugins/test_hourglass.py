"""Hourglass-104: its input and widths. Its maps are compared with the official ones in ``test_network_golden.py``."""

import pytest
from mindpoint.errors import ConfigError
from mindpoint.model.network import Network
from mindpoint_centernet.backbones.hourglass import Hourglass104
from mindpoint_centernet.heads.multi_pose import MultiPoseHeads
from mindpoint_coco.keypoints import Keypoints


def pose_network(**widths):
    backbone = Hourglass104(**widths)
    last, first = (MultiPoseHeads(backbone.out_features, Keypoints(list(map(str, range(17)))), ["person"]) for _ in range(2))
    return Network(backbone, None, {"pose": last}, [(None, {"pose": first})])


def test_the_input_is_a_multiple_of_128():
    assert pose_network(channels=(4,) * 6, stem=4).divisor == 128


@pytest.mark.parametrize("channels", [(4,) * 5, (4, 4, 0, 4, 4, 4)])
def test_wrong_widths(channels):
    with pytest.raises(ConfigError, match="six positive numbers"):
        Hourglass104(channels)
