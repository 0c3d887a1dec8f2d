"""A network that is compiled again for each export."""

from __future__ import annotations

from typing import Optional

from mindspore import nn


class FreshGraph(nn.Cell):
    """A wrapper around a network. MindSpore compiles each wrapper anew; for the bare network, it would reuse the graph of an earlier
    export.

    Args:
        decoder: takes the maps; None: the maps are the outputs.
    """

    def __init__(self, network: nn.Cell, decoder: Optional[nn.Cell] = None):
        super().__init__(auto_prefix=False)
        self.network, self.decoder = network, decoder

    def construct(self, image, *inputs):
        maps = self.network(image, *inputs)
        return maps if self.decoder is None else self.decoder(*maps)
