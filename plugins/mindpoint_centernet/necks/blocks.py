"""The 3x3 convolution of a neck, deformable or plain."""

from __future__ import annotations

from mindpoint.errors import ConfigError
from mindspore import nn

from mindpoint_centernet.layers import conv
from mindpoint_centernet.ops.deform_conv import DeformConv2d


def conv3x3(kind: str, in_channels: int, out_channels: int) -> nn.Cell:
    """Return a 3x3 convolution of stride 1.

    Args:
        kind: ``deformable`` (version 2, with bias) or ``plain`` (without bias).

    Raises:
        ConfigError: another kind.
    """
    if kind == "deformable":
        return DeformConv2d(in_channels, out_channels)
    if kind == "plain":
        return conv(in_channels, out_channels, 3)
    raise ConfigError(f"conv: '{kind}' is neither 'deformable' nor 'plain'")
