"""Optimizers. Each takes the parameters to train; the trainer sets the learning rate before every step.

Weight decay is added to the gradient, except of parameters with ``beta`` or ``gamma`` in their name, as MindSpore has it.
"""

from __future__ import annotations

from typing import List

from mindspore import Parameter, nn


def Adam(
    params: List[Parameter], lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, weight_decay: float = 0.0
) -> nn.Optimizer:
    """Adam (Kingma and Ba, 2015) with bias correction."""
    return nn.Adam(params, learning_rate=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)


def SGD(params: List[Parameter], lr: float, momentum: float = 0.9, weight_decay: float = 0.0, nesterov: bool = False) -> nn.Optimizer:
    """Stochastic gradient descent with momentum."""
    return nn.Momentum(params, learning_rate=lr, momentum=momentum, weight_decay=weight_decay, use_nesterov=nesterov)
