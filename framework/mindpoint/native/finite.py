"""One compiled check of all gradients, in place of two MindSpore operators for each."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import mindspore as ms
from mindspore import Parameter, nn
from mindspore.amp import all_finite

from mindpoint.native.kernel import FLOAT, choose, operator

SOURCE = Path(__file__).with_name("finite.cc")


class AllFinite(nn.Cell):
    """``construct(gradients of parameters, a tuple) -> bool tensor``, whether all numbers are finite."""

    def __init__(self, parameters: Sequence[Parameter]):
        super().__init__(auto_prefix=False)
        self.operator = None
        if all(p.dtype == ms.float32 for p in parameters) and choose(SOURCE) == "native":
            count = len(parameters)
            self.operator = operator(SOURCE, "AllFinite", [FLOAT] * count, 1, lambda *shapes: [1], variant=str(count))

    def construct(self, gradients):
        if self.operator is None:
            return all_finite(gradients)
        return self.operator(*gradients)[0] > 0
