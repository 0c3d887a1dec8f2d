"""Collective operations inside a graph, with which several processes compute together. In a single process they change nothing.

MindSpore matches exchanges between processes by their order alone: all must run the same graph on inputs of the same shapes.
"""

from __future__ import annotations

from typing import Sequence

import mindspore as ms
import numpy as np
from mindspore import Parameter, ParameterTuple, nn, ops

from mindpoint.runtime import distributed

_CONCAT, _CAST, _RESHAPE, _SLICE = ops.Concat(), ops.Cast(), ops.Reshape(), ops.Slice()  # primitives, which compile faster than functions


class _Means(nn.Cell):
    """Averages tensors of these numbers of values over all processes in one exchange, since an exchange on a CPU has a high fixed cost."""

    def __init__(self, sizes: Sequence[int]):
        super().__init__(auto_prefix=False)
        self.sizes = tuple(sizes)
        self.starts = tuple(np.cumsum((0, *sizes[:-1])).tolist())
        self.reduce = ops.AllReduce()
        self.share = 1 / distributed.size()
        self.map = ops.HyperMap()  # a loop over all tensors would exceed the depth that MindSpore allows

    def construct(self, values):
        whole = self.reduce(_CONCAT(self.map(_flat, values))) * self.share
        return self.map(ops.partial(_part, whole), values, self.starts, self.sizes)


def _flat(value):
    return _CAST(_RESHAPE(value, (-1,)), ms.float32)


def _part(whole, value, start, size):
    return _CAST(_RESHAPE(_SLICE(whole, (start,), (size,)), value.shape), value.dtype)


class MeanOfGradients(nn.Cell):
    """Averages the gradients of ``parameters`` and then ``scalars`` numbers, a tuple in this order, over all processes."""

    def __init__(self, parameters: Sequence[Parameter], scalars: int = 0):
        super().__init__(auto_prefix=False)
        self.means = _Means([p.size for p in parameters] + [1] * scalars) if distributed.size() > 1 else None

    def construct(self, values):
        return values if self.means is None else self.means(values)


class MeanOfParameters(nn.Cell):
    """Sets each of the given parameters to its mean over all processes."""

    def __init__(self, parameters: Sequence[Parameter]):
        super().__init__(auto_prefix=False)
        self.several = distributed.size() > 1 and len(parameters) > 0
        if self.several:
            self.parameters = ParameterTuple(parameters)
            self.means = _Means([p.size for p in parameters])

    def construct(self):
        if self.several:
            means = self.means(self.parameters)
            for index, parameter in enumerate(self.parameters):
                ops.assign(parameter, means[index])
        return True
