"""Small cells shared by the networks of this package."""

from __future__ import annotations

from typing import Optional

from mindspore import nn
from mindspore.common.initializer import HeNormal

INIT = HeNormal(mode="fan_out", nonlinearity="relu")


def conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1, bias: bool = False) -> nn.Conv2d:
    """Return a convolution whose padding keeps height and width, apart from the stride; ``kernel`` is odd."""
    padding = kernel // 2
    return nn.Conv2d(
        in_channels, out_channels, kernel, stride, "pad", padding, 1, groups, has_bias=bias, weight_init=INIT, bias_init="zeros"
    )


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    activation: Optional[nn.Cell] = None,
    epsilon: float = 1e-5,
    momentum: float = 0.1,
) -> nn.SequentialCell:
    """Return a convolution, a batch normalisation and optionally an activation.

    Args:
        epsilon: added to the variance.
        momentum: weight of a batch in the moving statistics, as in PyTorch.
    """
    norm = nn.BatchNorm2d(out_channels, eps=epsilon, momentum=1 - momentum)
    cells = [conv(in_channels, out_channels, kernel, stride, groups), norm]
    return nn.SequentialCell(cells if activation is None else [*cells, activation])


def round_channels(channels: float, step: int = 8) -> int:
    """Return the multiple of ``step`` nearest to a number of channels; if it is below 90 % of the number, the next multiple."""
    nearest = max(step, int(channels + step / 2) // step * step)
    return nearest if nearest >= 0.9 * channels else nearest + step
