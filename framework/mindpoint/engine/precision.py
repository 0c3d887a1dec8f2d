"""Networks that compute in less than float32."""

from __future__ import annotations

import logging
from typing import Union

import mindspore as ms
from mindspore import amp

from mindpoint.engine.network import Network
from mindpoint.errors import ConfigError
from mindpoint.runtime import device

log = logging.getLogger("mindpoint")


def lowered(network: Network, precision: str) -> Network:
    """The network for training in ``train.precision``; it has the parameters of the one that is given, which it may change.

    Raises:
        ConfigError: the device cannot do it.
    """
    if precision == "float32":
        return network
    if device.name() == "CPU":
        if precision == "bfloat16":
            raise ConfigError("train.precision: a CPU has no convolutions in bfloat16; use float32")
        log.warning("train.precision: a CPU is slower in float16 than in float32; use it there for trials only")
    level, kind = ("O2", ms.bfloat16) if precision == "bfloat16" else (precision, ms.float16)
    lower = amp.auto_mixed_precision(network, level, kind)
    return lower if level == "O1" else network  # other levels change it in place; what they put around it casts maps, as the step does


def loss_scale(precision: str, configured: Union[float, str, None]) -> Union[float, str, None]:
    """``train.loss_scale``, or what suits the precision."""
    return "dynamic" if configured is None and precision in ("O1", "O2", "O3") else configured
