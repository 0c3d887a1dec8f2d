"""Convolution, batch normalisation, residual and ReLU as one function. Where a kernel exists, it needs fewer passes over the maps."""

from __future__ import annotations

import contextlib
from typing import Iterator, List, Optional, Tuple

from mindspore import Tensor, nn

from mindpoint.native.batch_norm import SOURCE, finish, uses_batch

Step = Tuple[Optional[int], Optional[int], bool]  # indices of a cell and a normalisation in a sequence, or None; whether a ReLU follows


def conv_norm(conv: Optional[nn.Cell], norm: Optional[nn.Cell], x: Tensor, residual: Optional[Tensor] = None, relu: bool = True) -> Tensor:
    """Return ``relu(norm(conv(x)) + residual)``, for use in ``construct``.

    Args:
        conv: any cell, or None for ``conv(x) = x``. A cell with a static method ``finished(conv, x, norm, residual, relu)`` computes the
            whole expression by it if ``norm`` is None, or an accelerated batch normalisation with moving statistics. (The method is static
            because MindSpore compiles other methods again for every cell.)
        norm: any cell, or None for no normalisation. A batch normalisation that :func:`mindpoint.native.accelerate.accelerate` has changed
            also adds the residual and applies the ReLU.
        x: ``(B, C, H, W)``.
        residual: a map of the result's shape ``(B, O, Ho, Wo)``, or None.
        relu: whether to apply the ReLU.
    """
    if hasattr(conv, "finished") and (norm is None or (hasattr(norm, "fuses") and not uses_batch(norm))):
        return conv.finished(conv, x, norm, residual, relu)
    if hasattr(norm, "fuses"):
        return norm(x if conv is None else conv(x), residual, relu)
    return _one_by_one(conv, x, norm, residual, relu)


def _one_by_one(conv, x, norm, residual, relu):
    y = x if conv is None else conv(x)
    return finish(y if norm is None else norm(y), residual, relu)


@contextlib.contextmanager
def single_cells(network: nn.Cell) -> Iterator[None]:
    """Run every cell of a network separately within the block, in PyNative mode, so that the hooks of each cell are called."""
    kinds = {type(cell): type(cell).finished for _, cell in network.cells_and_names() if hasattr(cell, "finished")}
    for kind in kinds:
        kind.finished = staticmethod(_one_by_one)
    try:
        yield
    finally:
        for kind, finished in kinds.items():
            kind.finished = staticmethod(finished)


class NativeSequence(nn.SequentialCell):
    """A sequence of cells in which a normalisation or ReLU is computed together with the preceding convolution or normalisation."""

    SOURCE = SOURCE

    @staticmethod
    def geometry_of(cell: nn.Cell) -> Optional[Tuple[int, ...]]:
        """Return an empty tuple if any cells of the sequence can be computed together, else None."""
        return () if type(cell) is nn.SequentialCell and len(_steps(list(cell))) < len(cell) else None

    def prepare(self, _: Tuple[int, ...]) -> None:
        self.steps = _steps(list(self))

    def construct(self, x):
        for conv, norm, relu in self.steps:
            x = conv_norm(None if conv is None else self.cell_list[conv], None if norm is None else self.cell_list[norm], x, None, relu)
        return x


def _steps(cells: List[nn.Cell]) -> Tuple[Step, ...]:
    """Group the cells into steps, each of which is one call of :func:`conv_norm`."""
    steps: List[Step] = []
    index = 0
    while index < len(cells):
        conv = None if isinstance(cells[index], nn.BatchNorm2d) else index
        index += conv is not None
        norm = index if isinstance(_at(cells, index), nn.BatchNorm2d) else None
        index += norm is not None
        relu = type(_at(cells, index)) is nn.ReLU and (norm is not None or isinstance(cells[index - 1], nn.Conv2d))
        index += relu
        steps.append((conv, norm, relu))
    return tuple(steps)


def _at(cells: List[nn.Cell], index: int) -> Optional[nn.Cell]:
    return cells[index] if index < len(cells) else None
