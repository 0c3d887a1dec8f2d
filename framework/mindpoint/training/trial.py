"""A first run of network and losses, operator by operator, to check the outputs of each part against its declarations."""

from __future__ import annotations

import contextlib
import math
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np
from mindspore import Tensor, nn
from mindspore.common.seed import _KERNEL_SEED

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.guard import mistake, part_call
from mindpoint.contracts.parts import Loss
from mindpoint.data.samples import TrainingSamples
from mindpoint.model.network import Network
from mindpoint.runtime import device
from mindpoint.training.surroundings import random_state, set_random_state

_LEAST_SIDE = 64  # pixels
Arrays = Dict[str, np.ndarray]


def try_parts(network: Network, losses: Mapping[str, Loss], samples: TrainingSamples) -> None:
    """Run each part once on the first sample, before compilation. Weights, moving statistics and random state are not changed.

    The network runs on the smallest window of the image that it accepts. The losses get maps of full size, made by repeating the outputs
    for that window, and the sample's targets.

    Raises:
        PartError: a part fails, or its output differs from its declaration.
    """
    side = network.divisor * math.ceil(_LEAST_SIDE / network.divisor)
    inputs = [_window(samples.example[name], side) for name in ("image", *samples.inputs) if name == "image" or name in network.inputs]
    with _unchanged([network, *losses.values()]):
        maps = _network_maps(network, inputs, side)
        height, width = samples.example["image"].shape[1:]
        whole = {}
        for name, spec in network.maps.items():
            whole[name] = Tensor(_repeated(maps[name], height // spec.stride, width // spec.stride))
        targets = {name: Tensor(samples.example[name][None]) for name in samples.targets}
        for name, loss in losses.items():
            _try_loss(f"model.losses.{name}", loss, dict(whole), dict(targets))


@contextlib.contextmanager
def _unchanged(cells: Sequence[nn.Cell]) -> Iterator[None]:
    """Run operators eagerly, in evaluation mode, and restore the cells' parameters and random generators afterwards."""
    modes = [(cell, cell.training) for top in cells for _, cell in top.cells_and_names()]
    parameters = [(parameter, parameter.asnumpy().copy()) for cell in cells for parameter in cell.get_parameters()]
    state, seeds = random_state(), dict(_KERNEL_SEED)  # an operator's seed depends on the number of operators created before it
    try:
        with device.operator_by_operator():
            for cell in cells:
                cell.set_train(False)
            yield
    finally:
        for cell, training in modes:
            if cell.training != training:
                cell.add_flags(training=training)
                cell.training = training
        for parameter, before in parameters:
            if not np.array_equal(parameter.asnumpy(), before, equal_nan=parameter.asnumpy().dtype.kind == "f"):
                parameter.set_data(Tensor(before))
        _KERNEL_SEED.clear()
        _KERNEL_SEED.update(seeds)
        set_random_state(state)


def _window(array: np.ndarray, side: int) -> Tensor:
    """Return an array ``(C, H, W)`` as ``(1, C, side, side)``, repeated if it is smaller. Values that are not finite are replaced, because
    the training handles them."""
    return Tensor(np.nan_to_num(_repeated(array[None, :, :side, :side], side, side), posinf=0.0, neginf=0.0))


def _repeated(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    rows, columns = np.arange(height) % maps.shape[2], np.arange(width) % maps.shape[3]
    return np.ascontiguousarray(maps[:, :, rows[:, None], columns])


def _network_maps(network: Network, inputs: List[Tensor], side: int) -> Arrays:
    """Return the raw maps of the last stack by name, float32."""
    backbone = network.backbone
    with part_call("model.backbone", backbone):
        features = backbone(*inputs)
        given = _arrays(features)
    _check_features("model.backbone", backbone, given, tuple(backbone.out_features) * backbone.stacks, side)
    count = len(backbone.out_features)
    maps: Arrays = {}
    for index, stack in enumerate([*network.stacks, network]):
        maps = _stack_maps(stack, features[index * count : (index + 1) * count], side)
    return maps


def _stack_maps(stack: nn.Cell, features: Sequence[Tensor], side: int) -> Arrays:
    if stack.neck is not None:
        with part_call("model.neck", stack.neck):
            features = stack.neck(features)
            given = _arrays(features)
        _check_features("model.neck", stack.neck, given, stack.neck.out_features, side)
    maps: Arrays = {}
    for name, head in stack.heads.items():
        block = f"model.heads.{name}"
        with part_call(block, head):
            outputs = head(features)
            found = {key: value.asnumpy().astype(np.float32) for key, value in outputs.items()}
        _check_names(block, head, "maps", "out_maps", head.out_maps, found)
        for key, spec in head.out_maps.items():
            _check_shape(block, head, f"out_maps['{key}']", spec, found[key].shape, side)
        maps.update(found)
    return maps


def _arrays(features: Sequence[Tensor]) -> List[np.ndarray]:
    """Fetch the values, because MindSpore's operators report their errors only then."""
    return [feature.asnumpy() for feature in ((features,) if isinstance(features, Tensor) else features)]


def _check_features(block: str, part: nn.Cell, given: Sequence[np.ndarray], declared: Sequence[FeatureSpec], side: int) -> None:
    if len(given) != len(declared):
        raise mistake(block, part, f"declares {len(declared)} maps in out_features, but construct returns {len(given)}")
    for index, (spec, array) in enumerate(zip(declared, given)):
        _check_shape(block, part, f"out_features[{index % len(part.out_features)}]", spec, array.shape, side)


def _check_shape(block: str, part: nn.Cell, where: str, spec: FeatureSpec, shape: Tuple[int, ...], side: int) -> None:
    expected = (1, spec.channels, side // spec.stride, side // spec.stride)
    if tuple(shape) != expected:
        raise mistake(
            block,
            part,
            f"declares {spec.channels} channels at stride {spec.stride} in {where}: {expected} for an input (1, 3, {side}, {side}); "
            f"construct returns {tuple(shape)}",
        )


def _check_names(block: str, part: nn.Cell, what: str, where: str, declared: Sequence[str], given: Mapping[str, object]) -> None:
    missing = [name for name in declared if name not in given]
    if missing:
        raise mistake(
            block,
            part,
            f"declares the {what} {', '.join(declared)} in {where}, but returns {', '.join(given) or 'nothing'}; add {missing[0]}",
        )


def _try_loss(block: str, loss: Loss, maps: Dict[str, Tensor], targets: Dict[str, Tensor]) -> None:
    arguments = [maps, targets]
    if loss.normalizers:
        with part_call(block, loss):
            counts = loss.count_normalizers(targets)
            numbers = {name: float(value.asnumpy()) for name, value in counts.items()}
        _check_names(block, loss, "normalizers", "normalizers", loss.normalizers, numbers)
        arguments.append(counts)
    with part_call(block, loss):
        total, terms = loss(*arguments)
        values = {"the total": float(total.asnumpy()), **{name: float(value.asnumpy()) for name, value in terms.items()}}
    _check_names(block, loss, "terms", "terms", loss.terms, terms)
    bad = [f"{name} {value}" for name, value in values.items() if not math.isfinite(value)]
    if bad:
        raise mistake(block, loss, f"is not finite for the first sample: {', '.join(bad)}")
