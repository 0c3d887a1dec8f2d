"""The neck of the official ``resdcn`` and ``res``: transposed convolutions that upsample the coarsest map."""

from __future__ import annotations

from typing import List, Literal, Sequence, Tuple

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Neck
from mindpoint.errors import ConfigError
from mindspore import Tensor, nn
from mindspore.common.initializer import Initializer, Normal, initializer

from mindpoint_centernet.layers import batch_norm, bilinear_kernel, default_init
from mindpoint_centernet.necks.blocks import conv3x3

KERNEL = 4


def _transposed(in_channels: int, out_channels: int, init: Initializer) -> nn.Conv2dTranspose:
    return nn.Conv2dTranspose(in_channels, out_channels, KERNEL, 2, "pad", 1, weight_init=init)


def _partly_bilinear(channels: int) -> Tensor:
    """Return the official initial weights of ``resdcn``: PyTorch's default, except for output channel 0, which is the sum of all input
    channels, interpolated bilinearly."""
    weight = initializer(default_init(channels * KERNEL * KERNEL), (channels, channels, KERNEL, KERNEL)).init_data().asnumpy().copy()
    weight[:, 0] = bilinear_kernel(KERNEL)
    return Tensor(weight)


class Deconv(Neck):
    """Doubles the size of the last (coarsest) map several times by transposed convolutions. The other maps are not used.

    The official ``resdcn`` has channels 256, 128, 64 and ``deformable``; the official ``res`` has 256, 256, 256 and ``plain``.

    Args:
        channels: number of channels after each doubling; the size is doubled once per entry.
        conv: ``deformable``: before each transposed convolution, apply a deformable 3x3 convolution, batch normalisation and ReLU;
            ``plain``: do not.

    Raises:
        ConfigError: another ``conv``, or the stride of the coarsest map cannot be halved so often.
    """

    def __init__(
        self,
        in_features: Tuple[FeatureSpec, ...],
        channels: Sequence[int] = (256, 256, 256),
        conv: Literal["deformable", "plain"] = "deformable",
    ):
        super().__init__()
        if conv not in ("deformable", "plain"):
            raise ConfigError(f"Deconv: conv '{conv}' is neither 'deformable' nor 'plain'")
        width, stride = in_features[-1]
        if not channels or stride % 2 ** len(channels):
            most = stride.bit_length() - 1
            raise ConfigError(f"Deconv: a map of stride {stride} cannot be doubled {len(channels)} times; give 1 to {most} channels")
        cells: List[nn.Cell] = []
        for out_channels in channels:
            if conv == "deformable":
                cells += [conv3x3(conv, width, out_channels), batch_norm(out_channels), nn.ReLU()]
                up = _transposed(out_channels, out_channels, _partly_bilinear(out_channels))
            else:
                up = _transposed(width, out_channels, Normal(0.001))
            cells += [up, batch_norm(out_channels), nn.ReLU()]
            width = out_channels
        self.deconv_layers = nn.SequentialCell(cells)
        self.out_features = (FeatureSpec(width, stride // 2 ** len(channels)),)

    def construct(self, maps):
        return (self.deconv_layers(maps[-1]),)
