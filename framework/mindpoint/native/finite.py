"""Check all gradients by a compiled kernel instead of two MindSpore operators per gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import mindspore as ms
from mindspore import Parameter, nn
from mindspore.amp import all_finite

from mindpoint.native.kernel import FLOAT, choose, operator

SOURCE = Path(__file__).with_name("finite.cc")
ARRAYS = 16  # inputs of the operator; MindSpore requires a fixed number


class AllFinite(nn.Cell):
    """``construct(tuple of gradients) -> bool tensor``, true if all numbers are finite.

    Args:
        parameters: the parameters whose gradients are checked. If any is not float32, MindSpore's own check is used.
    """

    def __init__(self, parameters: Sequence[Parameter]):
        super().__init__(auto_prefix=False)
        self.operator, count = None, len(parameters)
        if all(p.dtype == ms.float32 for p in parameters) and choose(SOURCE) == "native":
            self.operator = operator(SOURCE, "AllFinite", [FLOAT] * ARRAYS, 1, lambda *shapes: [1])
            self.starts, self.missing = tuple(range(0, count, ARRAYS)), -count % ARRAYS

    def construct(self, gradients):
        if self.operator is None:
            return all_finite(gradients)
        for _ in range(self.missing):  # repeat the last gradient to fill the last group
            gradients = gradients + (gradients[-1],)
        finite = 1.0
        for start in self.starts:  # in groups: MindSpore unrolls this loop and allows at most a thousand iterations
            finite = finite * self.operator(*gradients[start : start + ARRAYS])
        return finite[0] > 0
