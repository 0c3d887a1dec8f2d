"""One training step as one graph."""

from __future__ import annotations

from typing import Dict, Sequence

from mindspore import ParameterTuple, nn, ops
from mindspore.amp import all_finite

from mindpoint.contracts.parts import Loss
from mindpoint.engine.network import Network, cell_dict

_copy = ops.MultitypeFuncGraph("copy")


@_copy.register("Tensor", "Tensor")
def _copy_one(target, source):
    return ops.assign(target, source)


class TrainStep(nn.Cell):
    """Forward, gradients and update; an update with a gradient that is not finite is left out.

    ``construct(image (B, 3, H, W), learning_rate scalar, *targets) -> (total, terms, finite)``; ``finite`` false tells that nothing was
    updated, moving statistics of normalisation layers included. Its parameters are the network's and the optimizer's: saved and
    loaded together they continue a training.

    Attributes:
        target_names: the order in which targets are given.
        terms: names of the terms of all losses, in their order.
    """

    def __init__(self, network: Network, losses: Dict[str, Loss], optimizer: nn.Optimizer, target_names: Sequence[str]):
        super().__init__(auto_prefix=False)
        self.target_names = tuple(target_names)
        self.terms = tuple(term for loss in losses.values() for term in loss.terms)
        self.network = network
        self.losses = cell_dict("model.losses", losses)
        self.optimizer = optimizer
        self.statistics = ParameterTuple(p for p in network.get_parameters() if not p.requires_grad)
        self.kept_statistics = self.statistics.clone("kept")
        self.map = ops.HyperMap()
        self.value_and_grad = ops.value_and_grad(self.forward, None, optimizer.parameters, has_aux=True)

    def forward(self, image, *values):
        targets = {}
        for index, name in enumerate(self.target_names):
            targets[name] = values[index]
        maps = self.network(image)
        outputs = {}
        for index, name in enumerate(self.network.maps):
            outputs[name] = maps[index]
        total = 0.0
        terms = ()
        for loss in self.losses.values():
            value, parts = loss(outputs, targets)
            total = total + value
            for name in loss.terms:
                terms = terms + (parts[name],)
        return total, terms

    # Tensors in a dictionary would be taken for constants, and the graph compiled anew for every batch.
    def construct(self, image, learning_rate, *targets):
        ops.assign(self.optimizer.learning_rate, learning_rate)
        (total, terms), gradients = self.value_and_grad(image, *targets)
        finite = all_finite(gradients)
        if finite:
            self.optimizer(gradients)
            self.map(_copy, self.kept_statistics, self.statistics)
        else:
            self.map(_copy, self.statistics, self.kept_statistics)
        return total, terms, finite
