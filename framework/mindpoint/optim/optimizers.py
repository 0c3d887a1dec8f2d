"""Optimizers of the given parameters. The trainer sets the learning rate before every step.

``params`` are parameters, or groups as returned by :mod:`mindpoint.optim.groups`. Weight decay is added to the gradient, except in
``AdamW``; ``train.no_decay`` lists the parameters without weight decay.
"""

from __future__ import annotations

from typing import Dict, List, Union

from mindspore import Parameter, nn, ops

Params = Union[List[Parameter], List[Dict[str, object]]]

_shrink = ops.MultitypeFuncGraph("shrink")


@_shrink.register("Tensor", "Tensor", "Bool", "Tensor")
def _shrink_one(rate, decay, decays, parameter):
    if decays:
        return ops.assign(parameter, parameter * (1 - rate * decay))
    return parameter


class _DecoupledAdam(nn.Adam):
    """AdamW with bias correction, which MindSpore's own ``AdamWeightDecay`` lacks."""

    def decay_weight(self, gradients):
        """Apply the decay to the weights, and return the gradients unchanged. MindSpore's own method adds the decay to the gradients."""
        if self.exec_weight_decay:
            rates, decays = self.get_lr(), self.get_weight_decay()
            rates = rates if self.is_group_lr else (rates,) * self.param_length
            decays = decays if self.is_group else (decays,) * self.param_length
            self.map_(_shrink, rates, decays, self.decay_flags, self._parameters)
        return gradients


def Adam(params: Params, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, weight_decay: float = 0.0) -> nn.Optimizer:
    """Build an Adam optimizer (Kingma and Ba, 2015) with bias correction.

    Args:
        params: parameters or groups of them.
        lr: learning rate before the schedule's factor.
        beta1: decay of the mean of the gradients, 0..1.
        beta2: decay of the mean of the squared gradients, 0..1.
        eps: number above 0 that is added to the divisor.
        weight_decay: factor of the weights that is added to the gradients.
    """
    return nn.Adam(params, learning_rate=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)


def AdamW(
    params: Params, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, weight_decay: float = 0.01
) -> nn.Optimizer:
    """Build an Adam optimizer with decoupled weight decay (Loshchilov and Hutter, 2019, algorithm 2).

    Args:
        params: parameters or groups of them.
        lr: learning rate before the schedule's factor.
        beta1: decay of the mean of the gradients, 0..1.
        beta2: decay of the mean of the squared gradients, 0..1.
        eps: number above 0 that is added to the divisor.
        weight_decay: weights shrink by ``lr * weight_decay`` before the update.
    """
    return _DecoupledAdam(params, learning_rate=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)


def SGD(params: Params, lr: float, momentum: float = 0.9, weight_decay: float = 0.0, nesterov: bool = False) -> nn.Optimizer:
    """Build an optimizer for stochastic gradient descent with momentum.

    Args:
        params: parameters or groups of them.
        lr: learning rate before the schedule's factor.
        momentum: share of the preceding update that is kept, 0..1.
        weight_decay: factor of the weights that is added to the gradients.
        nesterov: use Nesterov's momentum.
    """
    return nn.Momentum(params, learning_rate=lr, momentum=momentum, weight_decay=weight_decay, use_nesterov=nesterov)
