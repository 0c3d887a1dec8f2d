"""What goes into a graph so that several processes compute together. In a single process each of these leaves things as they are.

MindSpore matches what processes exchange by its order alone: all must run the same graph on inputs of the same shapes.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np
from mindspore import Parameter, ParameterTuple, nn, ops

from mindpoint.runtime import distributed


class MeanOfGradients(nn.Cell):
    """Means over all processes of the gradients of ``parameters``, a tuple in their order."""

    def __init__(self, parameters: Sequence[Parameter]):
        super().__init__(auto_prefix=False)
        several = distributed.size() > 1
        self.reduce = nn.DistributedGradReducer(parameters, mean=True, degree=distributed.size()) if several else None

    def construct(self, gradients):
        return gradients if self.reduce is None else self.reduce(gradients)


class MeanOfParameters(nn.Cell):
    """Sets each of some small float32 parameters to its mean over all processes, in one exchange."""

    def __init__(self, parameters: Sequence[Parameter]):
        super().__init__(auto_prefix=False)
        self.several = distributed.size() > 1 and len(parameters) > 0
        if self.several:
            self.parameters = ParameterTuple(parameters)
            self.shapes = tuple(p.shape for p in parameters)
            self.ends = tuple(np.cumsum([int(np.prod(shape)) for shape in self.shapes]).tolist())
            self.reduce = ops.AllReduce()
            self.share = 1 / distributed.size()

    def construct(self):
        if self.several:
            parts = ()
            for parameter in self.parameters:
                parts = parts + (ops.reshape(parameter, (-1,)),)
            means = self.reduce(ops.concat(parts)) * self.share
            start = 0
            for index, end in enumerate(self.ends):
                ops.assign(self.parameters[index], ops.reshape(means[start:end], self.shapes[index]))
                start = end
        return True
