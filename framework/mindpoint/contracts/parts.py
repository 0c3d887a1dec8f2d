"""Base classes of the parts that are MindSpore cells. Importing this module imports MindSpore."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Dict, Mapping, Optional, Tuple

from mindspore import nn

from mindpoint.contracts.features import FeatureSpec

# MindSpore compiles `construct`: its first parameter must be called `self`, and outputs must be new tuples or dictionaries. A
# dictionary may be passed inside a graph. One that leaves the graph makes custom operators fail, so the outermost cells return tuples.


class Backbone(nn.Cell):
    """``construct(image (B, 3, H, W), *inputs) -> tuple of maps``, described by ``out_features`` in the same order, finest first.

    Attributes:
        out_features: channels and stride of each map of one stack.
        divisor: heights and widths of the image must be multiples of it; None: the largest stride of ``out_features``.
        stacks: number of times that ``out_features`` repeat in the tuple, first stack first, as in an hourglass network. Each stack gets
            its own neck and heads. The losses are averaged over the stacks; only the last stack is used outside of training.
        inputs: number of channels of further inputs ``(B, C, H, W)`` by name, in the order of ``construct``; training samples hold them
            in ``Sample.inputs``.
    """

    out_features: Tuple[FeatureSpec, ...]
    divisor: Optional[int] = None
    stacks: int = 1
    inputs: Mapping[str, int] = MappingProxyType({})


class Neck(nn.Cell):
    """``construct(tuple of maps) -> tuple of maps``. The constructor takes ``in_features``, the FeatureSpecs of its input maps."""

    out_features: Tuple[FeatureSpec, ...]


class Head(nn.Cell):
    """``construct(tuple of maps) -> {name: raw map (B, C, H, W)}``.

    The constructor takes ``in_features``; it may take ``classes``.

    Attributes:
        out_maps: channels and stride of each map by name. No two maps of a network may have the same name; strides may differ.
    """

    out_maps: Dict[str, FeatureSpec]


class Loss(nn.Cell):
    """``construct(outputs, targets) -> (total, {term: scalar})``.

    Outputs are the raw maps of all heads by name; targets are the encoder's arrays with a batch axis in front. Sigmoid and clamping are
    part of the loss; inputs are never changed in place. ``total`` is the weighted sum, and the terms are reported unweighted. A batch
    without objects must give finite values. The constructor may take ``classes``, ``maps`` and ``targets``: the names of all maps of the
    heads and of all targets of the encoder.

    A batch may be processed in parts: in several processes, or with ``train.accumulate``. Values and gradients of the parts are averaged.
    For a mean over images the result is the same. A loss that divides a sum by a number of objects names that number in ``normalizers`` and
    computes it in :meth:`count_normalizers`. Its ``construct(outputs, targets, counts)`` has a third argument, the numbers of the whole
    batch. It divides by ``counts[name] / num_shards``; the average is then the value for the whole batch.

    Attributes:
        terms: names of the terms.
        needs_maps: names of the head outputs that it reads.
        needs_targets: names of the targets that it reads.
        normalizers: names of the numbers that it divides by.
        num_shards: number of parts that a batch is processed in; set by the run.
    """

    terms: Tuple[str, ...] = ()
    needs_maps: Tuple[str, ...] = ()
    needs_targets: Tuple[str, ...] = ()
    normalizers: Tuple[str, ...] = ()
    num_shards: int = 1

    def count_normalizers(self, targets: Mapping[str, Any]) -> Dict[str, Any]:
        """Return ``{name: float32 scalar}`` for all ``normalizers`` in these targets; the run sums them over the parts of a batch."""
        return {}
