"""Networks that compute with less precision than float32."""

from __future__ import annotations

import logging
import types
from typing import Tuple, Union

import mindspore as ms
from mindspore import amp, nn
from mindspore.ops import functional

from mindpoint.errors import ConfigError
from mindpoint.model.network import Network
from mindpoint.native.accelerate import use_bfloat16
from mindpoint.native.conv2d import has_bfloat16
from mindpoint.runtime import device

log = logging.getLogger("mindpoint")

# MindSpore's list also has operators, which can only be reached by rewriting the network's source.
CONVOLUTIONS = tuple(kind for kind in amp.get_white_list() if issubclass(kind, nn.Cell))
NORMALISATIONS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
)


def cast_to(network: Network, precision: str) -> None:
    """Make the network compute in ``train.precision``, in place. Its parameters stay float32; its maps may have lower precision.

    On a CPU, ``bfloat16`` only rounds the factors of products in convolutions; see :mod:`mindpoint.native.conv2d`.

    The levels are those of MindSpore's ``amp.auto_mixed_precision``, which does not work for networks of arbitrary plugins. Its O1 writes
    rewritten source into the working directory; its O2 replaces normalisation layers by cells that lack the layers' attributes.

    Raises:
        ConfigError: the device does not support the precision.
    """
    if precision in ("float32", "O0"):
        return
    if device.name() == "CPU":
        if precision == "bfloat16":
            if not has_bfloat16():
                raise ConfigError(
                    "train.precision: bfloat16 on a CPU needs compiled kernels and avx512_bf16 (mindpoint doctor shows both); use float32"
                )
            use_bfloat16(network)
            return
        log.warning("train.precision: on a CPU, float16 is slower than float32; use it for trials only")
    low = ms.bfloat16 if precision == "bfloat16" else ms.float16
    if precision == "O1":
        _compute(network, CONVOLUTIONS, low, ms.float32)
        return
    network.to_float(low)
    if precision != "O3":
        _compute(network, NORMALISATIONS, ms.float32, low)


def _compute(network: nn.Cell, kinds: Tuple[type, ...], inside: ms.Type, outside: ms.Type) -> None:
    """Make cells of these kinds compute in the type ``inside`` and return ``outside``."""
    for _, cell in network.cells_and_names():
        if isinstance(cell, kinds):
            cell.to_float(inside)
            cell.returned_type, cell.own_construct = outside, cell.construct
            cell.construct = types.MethodType(_construct, cell)


def _construct(self, *inputs):
    return functional.mixed_precision_cast(self.returned_type, self.own_construct(*inputs))


def loss_scale(precision: str, configured: Union[float, str, None]) -> Union[float, str, None]:
    """Return ``train.loss_scale``, or the default for the precision."""
    return "dynamic" if configured is None and precision in ("O1", "O2", "O3") else configured
