"""Convolution, batch normalisation, residual and ReLU as one function, which uses fewer passes over the maps where a kernel exists."""

from __future__ import annotations

from typing import List, Optional, Tuple

from mindspore import Tensor, nn

from mindpoint.native.batch_norm import SOURCE, finish


def conv_norm(conv: nn.Cell, norm: nn.Cell, x: Tensor, residual: Optional[Tensor] = None, relu: bool = True) -> Tensor:
    """Return ``relu(norm(conv(x)) + residual)``, for use in ``construct``.

    Args:
        conv: any cell.
        norm: any cell; a batch normalisation that :func:`mindpoint.native.accelerate.accelerate` replaced also does what follows it.
        residual: a map like the result; None: nothing is added.
        relu: False: without ReLU.
    """
    return norm_relu(norm, conv(x), residual, relu)


def norm_relu(norm: nn.Cell, x: Tensor, residual: Optional[Tensor] = None, relu: bool = True) -> Tensor:
    """Return ``relu(norm(x) + residual)``: see :func:`conv_norm`."""
    if hasattr(norm, "fuses"):
        return norm(x, residual, relu)
    return finish(norm(x), residual, relu)


class NativeSequence(nn.SequentialCell):
    """A sequence of cells in which batch normalisations do the work of the ReLUs that follow them."""

    SOURCE = SOURCE

    @staticmethod
    def geometry_of(cell: nn.Cell) -> Optional[Tuple[int, ...]]:
        """Return the indices of the batch normalisations with a ReLU behind them, or None if there are none or the cell is unsupported."""
        if type(cell) is not nn.SequentialCell:
            return None
        cells: List[nn.Cell] = list(cell)
        pairs = zip(cells, cells[1:])
        return tuple(i for i, (cell, next) in enumerate(pairs) if isinstance(cell, nn.BatchNorm2d) and type(next) is nn.ReLU) or None

    def prepare(self, norms: Tuple[int, ...]) -> None:
        """Keep for each cell whether a ReLU follows that it does, leaving out those ReLUs."""
        left_out = [index + 1 for index in norms]
        self.steps = tuple((index, index in norms) for index in range(len(self)) if index not in left_out)

    def construct(self, x):
        for index, relu in self.steps:
            cell = self.cell_list[index]
            x = norm_relu(cell, x) if relu else cell(x)
        return x
