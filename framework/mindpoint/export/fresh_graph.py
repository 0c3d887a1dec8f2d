"""A network that is compiled once more for an export."""

from __future__ import annotations

from mindspore import nn


class FreshGraph(nn.Cell):
    """A network that MindSpore has not compiled yet: it would give an earlier export's graph again."""

    def __init__(self, network: nn.Cell):
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, image, *inputs):
        return self.network(image, *inputs)
