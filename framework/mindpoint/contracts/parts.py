"""Base classes of the parts that are MindSpore cells. Importing this module imports MindSpore."""

from __future__ import annotations

from types import MappingProxyType
from typing import Dict, Mapping, Optional, Tuple

from mindspore import nn

from mindpoint.contracts.features import FeatureSpec

# MindSpore compiles `construct`; its first parameter must be called `self` and outputs are built as new tuples or dictionaries. A
# dictionary may travel inside a graph; one that leaves it makes custom operators fail, so the engine's outermost cells give tuples.


class Backbone(nn.Cell):
    """``construct(image (B, 3, H, W), *inputs) -> tuple of maps``, described by ``out_features`` in the same order, finest first.

    Attributes:
        out_features: the maps of one stack.
        divisor: heights and widths of the image must be multiples of it; None: the largest stride of ``out_features``.
        stacks: how often ``out_features`` repeat in the tuple, first stack first, as in an hourglass network. Neck and heads are built for
            each stack; the losses are averaged over the stacks, and only the last one counts outside of training.
        inputs: channels of further inputs ``(B, C, H, W)`` by name, in the order in which ``construct`` takes them; training samples
            carry them in ``Sample.inputs``.
    """

    out_features: Tuple[FeatureSpec, ...]
    divisor: Optional[int] = None
    stacks: int = 1
    inputs: Mapping[str, int] = MappingProxyType({})


class Neck(nn.Cell):
    """``construct(tuple of maps) -> tuple of maps``. The constructor names ``in_features``, the FeatureSpecs of the maps it is given."""

    out_features: Tuple[FeatureSpec, ...]


class Head(nn.Cell):
    """``construct(tuple of maps) -> {name: raw map (B, C, H, W)}``.

    The constructor names ``in_features``; it may name ``classes``.

    Attributes:
        out_maps: channels and stride of each map by name. Names of all heads of a network differ; strides may.
    """

    out_maps: Dict[str, FeatureSpec]


class Loss(nn.Cell):
    """``construct(outputs, targets) -> (total, {term: scalar})``.

    Outputs are the raw maps of all heads by name, targets the encoder's arrays with a batch axis in front. Sigmoid and clamping happen
    inside; inputs are never changed in place. ``total`` is the weighted sum, the terms are reported unweighted. No object in the batch must
    give finite values. The constructor may name ``classes``, ``maps`` and ``targets``, the names of all
    maps that the heads give and of all targets that the encoder gives.

    A batch may go through in parts, those of several processes and of ``train.accumulate``, whose values and gradients are averaged. For a
    mean over images that makes no difference. A loss that divides a sum by a number of objects lists that number in ``normalizers``,
    computes it in :meth:`count_normalizers`, and has a third argument: ``construct(outputs, targets, counts)``, the numbers of the whole
    batch. It divides by ``counts[name] / num_shards``; the average is then what the whole batch gives at once.

    Attributes:
        terms: names of the terms.
        needs_maps: names of head outputs it reads.
        needs_targets: names of targets it reads.
        normalizers: names of the numbers it divides by.
        num_shards: number of parts that a batch goes through in; the run sets it.
    """

    terms: Tuple[str, ...] = ()
    needs_maps: Tuple[str, ...] = ()
    needs_targets: Tuple[str, ...] = ()
    normalizers: Tuple[str, ...] = ()
    num_shards: int = 1

    def count_normalizers(self, targets):
        """``{name: float32 scalar}`` for all ``normalizers``, in these targets; of several parts they are added up."""
        return {}
