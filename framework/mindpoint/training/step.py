"""One training step as a single graph."""

from __future__ import annotations

import contextlib
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import mindspore as ms
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from mindspore.amp import DynamicLossScaler, StaticLossScaler

from mindpoint.contracts.parts import Loss
from mindpoint.errors import ConfigError
from mindpoint.model.checkpoint import AVERAGE
from mindpoint.model.network import Network, cell_dict
from mindpoint.native.finite import AllFinite
from mindpoint.runtime import collectives, distributed

_COPIES = ("kept", "sum")  # prefixes of parameters that checkpoints omit: between two steps they follow from the others

_copy = ops.MultitypeFuncGraph("copy")
_add = ops.MultitypeFuncGraph("add")
_scale = ops.MultitypeFuncGraph("scale")
_clear = ops.MultitypeFuncGraph("clear")
_plus = ops.MultitypeFuncGraph("plus")
_average = ops.MultitypeFuncGraph("average")


@_copy.register("Tensor", "Tensor")
def _copy_one(target, source):
    return ops.assign(target, source)


@_add.register("Tensor", "Tensor")
def _add_one(target, value):
    return ops.assign_add(target, value)


@_scale.register("Tensor", "Tensor")
def _scale_one(factor, value):
    return value * factor.astype(value.dtype)


@_clear.register("Tensor")
def _clear_one(target):
    return ops.assign(target, ops.zeros_like(target))


@_plus.register("Tensor", "Tensor")
def _plus_one(first, second):
    return first + second


@_average.register("Tensor", "Tensor", "Tensor")
def _average_one(decay, target, value):
    return ops.assign(target, target * decay + value * (1 - decay))


class _Counts(nn.Cell):
    """``construct(*targets) -> (K,)``: the ``normalizers`` of all losses, concatenated."""

    def __init__(self, losses: nn.Cell, target_names: Sequence[str]):
        super().__init__(auto_prefix=False)
        self.losses, self.target_names = losses, target_names

    def construct(self, *values):
        targets = _named(self.target_names, values)
        numbers = ()
        for loss in self.losses.values():
            found = loss.count_normalizers(targets)
            for name in loss.normalizers:
                numbers = numbers + (found[name],)
        return ops.stack(numbers)


def _named(names, values):
    named = {}
    for index, name in enumerate(names):
        named[name] = values[index]
    return named


class TrainStep(nn.Cell):
    """Forward pass, gradients and update. An update with a gradient that is not finite is skipped, including the moving statistics of
    normalisation layers. The graph only contains the features in use.

    Its parameters are the network's, the optimizer's and its own: saved and loaded together they continue a training.

    Args:
        accumulate: number of parts in which the batch is processed; their gradients are averaged before the single update.
        clip_norm: maximum global norm of the gradients; larger gradients are scaled down to it.
        ema: decay of the exponential moving average of the network's parameters, ``min(ema, (1 + n) / (10 + n))`` after ``n``
            updates; None: no average.
        loss_scale: factor of the loss while gradients are computed: a number, or ``"dynamic"``. The dynamic factor starts at ``2 ** 16``.
            It is halved when a gradient is not finite, and doubled after 2000 steps without such a gradient.
        losses_alone: separate instances of the losses, to also compute the loss of each image.

    Attributes:
        image_losses: with ``losses_alone``: ``(B,)`` float32, the total loss of each image of the last batch, computed as a batch of one.
        target_names: the order of the targets.
        terms: names of the terms of all losses, in order.
    """

    def __init__(
        self,
        network: Network,
        losses: Dict[str, Loss],
        optimizer: nn.Optimizer,
        target_names: Sequence[str],
        accumulate: int = 1,
        clip_norm: Optional[float] = None,
        ema: Optional[float] = None,
        loss_scale: Union[float, str, None] = None,
        losses_alone: Optional[Dict[str, Loss]] = None,
    ):
        super().__init__(auto_prefix=False)
        self.target_names, self.input_names, self.map_names = tuple(target_names), tuple(network.inputs), tuple(network.maps)
        self.stacks, self.stack_weight = network.backbone.stacks, Tensor(1 / network.backbone.stacks, ms.float32)
        self.terms = tuple(term for loss in losses.values() for term in loss.terms)
        self.network = network
        self.losses = cell_dict("model.losses", losses)
        self.num_shards = accumulate * distributed.size()
        for loss in losses.values():
            loss.num_shards = self.num_shards
        self.normalizers = _Counts(self.losses, self.target_names) if any(loss.normalizers for loss in losses.values()) else None
        self.optimizer = optimizer
        self.accumulate, self.clip_norm, self.by_image = accumulate, clip_norm, losses_alone is not None
        if self.by_image:
            self.losses_alone = cell_dict("model.losses", losses_alone)
        self.image_losses = np.zeros(0, np.float32)
        self.rates, self.rate_factors = learning_rates(optimizer)
        self.statistics = ParameterTuple(p for p in network.get_parameters() if not p.requires_grad)
        self.kept_statistics = self.statistics.clone("kept")
        if accumulate > 1:
            sums = [Parameter(Tensor(0, ms.float32), name=f"sum.{name}", requires_grad=False) for name in ("loss", *self.terms)]
            self.accumulators = ParameterTuple([*optimizer.parameters.clone("sum", init="zeros"), *sums])
            self.weight = Tensor(1 / accumulate, ms.float32)
        self._add_scaler(loss_scale)
        self.num_gradients, self.num_losses = len(optimizer.parameters), 1 + len(self.terms)
        self.mean_gradients = collectives.MeanOfGradients(optimizer.parameters, self.num_losses)
        self.all_finite = AllFinite(optimizer.parameters)
        self.mean_statistics = collectives.MeanOfParameters(_moving_statistics(network))
        self.ema = ema
        if ema is not None:
            self.averaged = ParameterTuple(network.get_parameters())
            self.averages = self.averaged.clone(AVERAGE)
            self.updates = Parameter(Tensor(0, ms.float32), name=f"{AVERAGE}_updates", requires_grad=False)
        self.map = ops.HyperMap()
        self.value_and_grad = ops.value_and_grad(self.forward, None, optimizer.parameters, has_aux=True)

    def _add_scaler(self, loss_scale: Union[float, str, None]) -> None:
        self.scaler, self.dynamic = None, loss_scale == "dynamic"
        if self.dynamic:
            self.scaler = DynamicLossScaler(2.0**16, 2, 2000)
            self.loss_scale, self.loss_scale_counter = self.scaler.scale_value, self.scaler.counter  # parameters of this cell
            self.loss_scale.name, self.loss_scale_counter.name = "loss_scale", "loss_scale_counter"
        elif loss_scale is not None:
            self.scaler = StaticLossScaler(float(loss_scale))

    def forward(self, image, *values):
        """Return the losses; ``values``: further inputs, the targets, and with several parts the normalizers of the whole batch."""
        targets = values[len(self.input_names) :]
        maps = self.network(image, *values[: len(self.input_names)])
        numbers = ()
        if self.normalizers is not None:
            numbers = self.normalizers(*targets) if self.num_shards == 1 else targets[len(self.target_names)]
        named = _named(self.target_names, targets)
        count = len(self.map_names)
        sums = self.evaluate_losses(maps[:count], named, numbers)
        for stack in range(1, self.stacks):
            found = self.evaluate_losses(maps[stack * count : (stack + 1) * count], named, numbers)
            sums = self.map(_plus, sums, found)
        if self.stacks > 1:
            sums = self.map(ops.partial(_scale, self.stack_weight), sums)
        scaled = sums[0] if self.scaler is None else self.scaler.scale(sums[0])
        if self.by_image:
            sums = sums + (self.losses_of_images(maps[-count:], targets[: len(self.target_names)]),)
        return scaled, sums

    def losses_of_images(self, maps, targets):
        """Return the total loss of each image as a batch of one, ``(B,)``, from the last stack's maps."""
        totals = ()
        for image in range(maps[0].shape[0]):
            own_maps, own_targets, numbers = (), (), ()
            for value in maps:
                own_maps = own_maps + (ops.stop_gradient(value[image : image + 1]),)
            for value in targets:
                own_targets = own_targets + (value[image : image + 1],)
            if self.normalizers is not None:
                numbers = self.normalizers(*own_targets)
            totals = totals + (self.evaluate_losses(own_maps, _named(self.target_names, own_targets), numbers, True)[0],)
        return ops.stack(totals)

    def evaluate_losses(self, maps, targets, numbers, alone=False):
        """Return ``(total, *terms)`` for the maps of one stack; ``alone``: whether they are a whole batch instead of a part."""
        outputs = _named(self.map_names, maps)
        for name in self.map_names:  # losses are float32 for any precision of the network
            outputs[name] = outputs[name].astype(ms.float32)
        total = 0.0
        terms = ()
        start = 0
        losses = self.losses_alone if alone else self.losses
        for loss in losses.values():
            if loss.normalizers:
                end = start + len(loss.normalizers)
                value, parts = loss(outputs, targets, _named(loss.normalizers, numbers[start:end]))
                start = end
            else:
                value, parts = loss(outputs, targets)
            total = total + value
            for name in loss.terms:
                terms = terms + (parts[name],)
        return (total,) + terms

    # Tensors in a dictionary would be taken for constants, and the graph would be compiled again for every batch.
    def construct(self, image, learning_rate, last, *values):
        """Process one part of a batch; ``last`` (bool) tells that the update follows.

        Returns ``(total, *terms)``, with ``last`` averaged over all parts and processes, then with ``losses_alone`` the losses of images;
        and ``finite``: False if the update was skipped because a gradient was not finite.
        """
        (_, values), gradients = self.value_and_grad(image, *values)
        losses, by_image = values[: self.num_losses], values[self.num_losses :]
        if self.accumulate == 1:
            losses, finite = self.update(gradients, losses, learning_rate)
            return losses + by_image, finite
        self.map(_add, self.accumulators, gradients + losses)
        finite = Tensor(True)
        if last:
            means = self.map(ops.partial(_scale, self.weight), self.accumulators)
            losses, finite = self.update(means[: self.num_gradients], means[self.num_gradients :], learning_rate)
            self.map(_clear, self.accumulators)
        return losses + by_image, finite

    def update(self, gradients, losses, learning_rate):
        """Average gradients and losses over all processes in one exchange, and update; return the losses, and whether it updated."""
        if self.scaler is not None:
            gradients = self.scaler.unscale(gradients)
        means = self.mean_gradients(gradients + losses)
        gradients, losses = means[: self.num_gradients], means[self.num_gradients :]
        self.mean_statistics()
        finite = self.all_finite(gradients)
        if finite:
            if self.clip_norm is not None:
                gradients = ops.clip_by_global_norm(gradients, self.clip_norm)
            for index, rate in enumerate(self.rates):
                ops.assign(rate, learning_rate * self.rate_factors[index])
            self.optimizer(gradients)
            self.map(_copy, self.kept_statistics, self.statistics)
            if self.ema is not None:
                self.update_ema()
        else:
            self.map(_copy, self.statistics, self.kept_statistics)
        if self.dynamic:
            self.scaler.adjust(finite)
        return losses, finite

    def update_ema(self):
        """Update the exponential moving averages."""
        decay = ops.minimum(Tensor(self.ema, ms.float32), (1 + self.updates) / (10 + self.updates))
        self.map(ops.partial(_average, decay), self.averages, self.averaged)
        ops.assign_add(self.updates, Tensor(1, ms.float32))

    def count(self, batch: Optional[Mapping[str, np.ndarray]]) -> np.ndarray:
        """Return the ``normalizers`` of all losses, summed over the parts of a batch, ``(K,)`` float32; zeros without a batch. ``K`` is 0
        if the graph counts them itself, because it sees the whole batch."""
        if self.normalizers is None or self.num_shards == 1:
            return np.zeros(0, np.float32)
        counts = np.zeros(sum(len(loss.normalizers) for loss in self.losses.values()), np.float32)
        for part in () if batch is None else self._parts(batch, self.target_names):
            counts += self.normalizers(*part).asnumpy()
        return counts

    def run(
        self, batch: Mapping[str, np.ndarray], learning_rate: float, counts: Optional[np.ndarray] = None
    ) -> Tuple[Dict[str, float], bool]:
        """Run one step on a batch: arrays by name.

        Args:
            counts: the sums over all processes of :meth:`count`; not needed if those are empty.

        Returns:
            ``loss`` (weighted total) and every term, averaged over the parts of the batch and all processes; and whether the update was
            applied.
        """
        numbers = () if counts is None or not len(counts) else (Tensor(counts),)
        rate = Tensor(np.float32(learning_rate))
        by_image = []
        for number, (image, *rest) in enumerate(self._parts(batch, ("image", *self.input_names, *self.target_names))):
            values, finite = self(image, rate, Tensor(number == self.accumulate - 1), *rest, *numbers)
            by_image += [value.asnumpy() for value in values[self.num_losses :]]
        if self.by_image:
            self.image_losses = np.concatenate(by_image)
        return self.named(values), bool(finite)

    def _parts(self, batch: Mapping[str, np.ndarray], names: Sequence[str]) -> Iterator[Tuple[Tensor, ...]]:
        for part in zip(*(np.split(batch[name], self.accumulate) for name in names)):
            yield tuple(map(Tensor, part))

    def named(self, values: Sequence[Tensor]) -> Dict[str, float]:
        """Return the losses at the beginning of ``values``, a result of the graph, as numbers by name."""
        return dict(zip(("loss", *self.terms), (float(value.asnumpy()) for value in values)))

    @staticmethod
    def is_state(name: str) -> bool:
        """Return whether a checkpoint must contain the parameter with this name."""
        return name.partition(".")[0] not in _COPIES

    def start(self, loaded: Sequence[str] = ()) -> None:
        """Update the parameters that are copies of others, after the others have changed from outside. ``loaded``: names of copies that are
        already set."""
        pairs = list(zip(self.kept_statistics, self.statistics))
        if self.ema is not None:
            pairs += [(target, source) for target, source in zip(self.averages, self.averaged) if target.name not in loaded]
        for target, source in pairs:
            target.set_data(Tensor(source.asnumpy().copy()))

    @contextlib.contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Within the block, use the averaged parameters in the network, if averages are kept."""
        if self.ema is None:
            yield
            return
        own = [p.asnumpy().copy() for p in self.averaged]
        try:
            for target, source in zip(self.averaged, self.averages):
                target.set_data(Tensor(source.asnumpy().copy()))
            yield
        finally:
            for target, array in zip(self.averaged, own):
                target.set_data(Tensor(array))


def _moving_statistics(network: Network) -> List[Parameter]:
    """Return the moving statistics of normalisation layers; each process computes them from different batches."""
    layers = [cell for _, cell in network.cells_and_names() if isinstance(getattr(cell, "moving_mean", None), Parameter)]
    own = [layer for layer in layers if layer.use_batch_statistics is not False]
    return [statistics for layer in own for statistics in (layer.moving_mean, layer.moving_variance)]


def learning_rates(optimizer: nn.Optimizer) -> Tuple[ParameterTuple, Tuple[float, ...]]:
    """Return the optimizer's learning rates, without duplicates, and their ratios to the largest.

    Raises:
        ConfigError: the largest is not positive.
    """
    rates = optimizer.learning_rate
    different = list({id(rate): rate for rate in (rates if optimizer.is_group_lr else [rates])}.values())
    values = [float(rate.asnumpy()) for rate in different]
    if max(values) <= 0:
        raise ConfigError(f"optimizer.lr: the learning rate is {max(values):g}; it must be positive")
    return ParameterTuple(different), tuple(value / max(values) for value in values)
