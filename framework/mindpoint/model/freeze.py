"""Frozen parts of a network, which a training does not change."""

from __future__ import annotations

import logging
from typing import List, Sequence

from mindspore import Parameter, nn

from mindpoint.errors import ConfigError
from mindpoint.optim.rules import match_parameters

log = logging.getLogger("mindpoint")


def trained_parameters(network: nn.Cell, rules: Sequence[str]) -> List[Parameter]:
    """Return the trainable parameters that no rule of ``train.freeze`` matches. Normalisation layers whose moving statistics match a rule
    use these instead of the batch's from now on.

    Raises:
        ConfigError: all parameters are frozen, or a rule does not match any.
    """
    frozen = match_parameters([parameter.name for parameter in network.get_parameters()], rules, "train.freeze")
    trained = [parameter for parameter in network.trainable_params() if parameter.name not in frozen]
    if not trained:
        raise ConfigError("train.freeze: matches all parameters; leave some to train")
    layers = 0
    for _, cell in network.cells_and_names():
        statistics = getattr(cell, "moving_mean", None)
        if isinstance(statistics, Parameter) and statistics.name in frozen:
            cell.use_batch_statistics = False
            layers += 1
    if frozen:
        log.info("frozen: %d of %d parameters, and the statistics of %d layers", len(frozen), len(frozen) + len(trained), layers)
    return trained
