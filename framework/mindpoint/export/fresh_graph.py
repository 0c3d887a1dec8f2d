"""A network that is compiled anew for an export."""

from __future__ import annotations

from mindspore import nn

from mindpoint.model.network import Network


class FreshGraph(nn.Cell):
    """A network that MindSpore has not compiled yet: it would give an earlier export's graph again."""

    def __init__(self, network: Network):
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, image):
        return self.network(image)
