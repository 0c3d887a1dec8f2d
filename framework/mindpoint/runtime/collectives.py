"""Collective operations inside a graph, with which several processes compute together. In a single process they change nothing.

MindSpore matches exchanges between processes by their order alone: all must run the same graph on inputs of the same shapes.
"""

from __future__ import annotations

from typing import Sequence, Tuple

import mindspore as ms
import numpy as np
from mindspore import Parameter, ParameterTuple, nn, ops

from mindpoint.runtime import distributed


class _Means(nn.Cell):
    """Averages tensors of these shapes over all processes in one exchange, since an exchange on a CPU has a high fixed cost."""

    def __init__(self, shapes: Sequence[Tuple[int, ...]]):
        super().__init__(auto_prefix=False)
        self.shapes = tuple(shapes)
        self.ends = tuple(np.cumsum([int(np.prod(shape)) for shape in self.shapes]).tolist())
        self.reduce = ops.AllReduce()
        self.share = 1 / distributed.size()

    def construct(self, values):
        parts = ()
        for value in values:
            parts = parts + (ops.reshape(value, (-1,)).astype(ms.float32),)
        whole = self.reduce(ops.concat(parts)) * self.share
        means = ()
        start = 0
        for index, end in enumerate(self.ends):
            means = means + (ops.reshape(whole[start:end], self.shapes[index]).astype(values[index].dtype),)
            start = end
        return means


class MeanOfGradients(nn.Cell):
    """Averages the gradients of ``parameters`` and then ``scalars`` numbers, a tuple in this order, over all processes."""

    def __init__(self, parameters: Sequence[Parameter], scalars: int = 0):
        super().__init__(auto_prefix=False)
        self.means = _Means([p.shape for p in parameters] + [()] * scalars) if distributed.size() > 1 else None

    def construct(self, values):
        return values if self.means is None else self.means(values)


class MeanOfParameters(nn.Cell):
    """Sets each of the given parameters to its mean over all processes."""

    def __init__(self, parameters: Sequence[Parameter]):
        super().__init__(auto_prefix=False)
        self.several = distributed.size() > 1 and len(parameters) > 0
        if self.several:
            self.parameters = ParameterTuple(parameters)
            self.means = _Means([p.shape for p in parameters])

    def construct(self):
        if self.several:
            means = self.means(self.parameters)
            for index, parameter in enumerate(self.parameters):
                ops.assign(parameter, means[index])
        return True
