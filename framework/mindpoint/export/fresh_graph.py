"""A network that is compiled once more for an export."""

from __future__ import annotations

from typing import Optional

from mindspore import nn


class FreshGraph(nn.Cell):
    """A network that MindSpore has not compiled yet: it would give an earlier export's graph again.

    Args:
        decoder: takes the maps; None: they are given as they are.
    """

    def __init__(self, network: nn.Cell, decoder: Optional[nn.Cell] = None):
        super().__init__(auto_prefix=False)
        self.network, self.decoder = network, decoder

    def construct(self, image, *inputs):
        maps = self.network(image, *inputs)
        return maps if self.decoder is None else self.decoder(*maps)
