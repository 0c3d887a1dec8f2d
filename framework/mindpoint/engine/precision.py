"""Networks that compute in less than float32."""

from __future__ import annotations

import logging
from typing import Union

import mindspore as ms
from mindspore import amp, nn

from mindpoint.engine.network import Network
from mindpoint.errors import ConfigError
from mindpoint.runtime import device

log = logging.getLogger("mindpoint")


def lower(network: Network, precision: str) -> None:
    """Have the network compute in ``train.precision``. Its parameters stay float32, its maps may be of less.

    Raises:
        ConfigError: the device cannot do it.
    """
    if precision == "float32":
        return
    if device.name() == "CPU":
        if precision == "bfloat16":
            raise ConfigError("train.precision: a CPU has no convolutions in bfloat16; use float32")
        log.warning("train.precision: a CPU is slower in float16 than in float32; use it there for trials only")
    if precision == "O1":
        _lower_some(network)
    else:  # what is returned casts the maps, as the step does; the network itself is changed in place
        amp.auto_mixed_precision(network, *(("O2", ms.bfloat16) if precision == "bfloat16" else (precision, ms.float16)))


def _lower_some(network: nn.Cell) -> None:
    """MindSpore's own O1 rewrites the source of networks, into the working directory, and does not cope with all of them."""
    lists = [tuple(kind for kind in kinds if issubclass(kind, nn.Cell)) for kinds in (amp.get_white_list(), amp.get_black_list())]
    for _, cell in network.cells_and_names():
        for kinds, kind in zip(lists, (ms.float16, ms.float32)):
            if isinstance(cell, kinds):
                cell.to_float(kind)


def loss_scale(precision: str, configured: Union[float, str, None]) -> Union[float, str, None]:
    """``train.loss_scale``, or what suits the precision."""
    return "dynamic" if configured is None and precision in ("O1", "O2", "O3") else configured
