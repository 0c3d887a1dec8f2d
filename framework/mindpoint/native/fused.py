"""Convolution, batch normalisation, residual and ReLU as one function, which uses fewer passes over the maps where a kernel exists."""

from __future__ import annotations

import contextlib
from typing import Iterator, List, Optional, Tuple

from mindspore import Tensor, nn

from mindpoint.native.batch_norm import SOURCE, finish, uses_batch

Step = Tuple[Optional[int], Optional[int], bool]  # a cell and a normalisation of a sequence, either of which may be missing; ReLU


def conv_norm(conv: Optional[nn.Cell], norm: Optional[nn.Cell], x: Tensor, residual: Optional[Tensor] = None, relu: bool = True) -> Tensor:
    """Return ``relu(norm(conv(x)) + residual)``, for use in ``construct``.

    Args:
        conv: any cell; None: x itself. A convolution with a function ``finished(conv, x, norm, residual, relu)`` does everything in
            its kernel where the normalisation uses moving statistics, or without normalisation. (A static method: MindSpore compiles
            methods again for every cell.)
        norm: any cell; None: without. A batch normalisation that :func:`mindpoint.native.accelerate.accelerate` replaced also does what
            follows it.
        x: ``(B, C, H, W)``.
        residual: a map of the result's shape ``(B, O, Ho, Wo)``; None: nothing is added.
        relu: False: without ReLU.
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
    """Run every cell of a network by itself within the block, so that its hooks see it; in PyNative mode."""
    kinds = {type(cell): type(cell).finished for _, cell in network.cells_and_names() if hasattr(cell, "finished")}
    for kind in kinds:
        kind.finished = staticmethod(_one_by_one)
    try:
        yield
    finally:
        for kind, finished in kinds.items():
            kind.finished = staticmethod(finished)


class NativeSequence(nn.SequentialCell):
    """A sequence of cells in which normalisations and ReLUs are done by the convolution or normalisation in front of them."""

    SOURCE = SOURCE

    @staticmethod
    def geometry_of(cell: nn.Cell) -> Optional[Tuple[int, ...]]:
        """Return an empty tuple if the sequence has steps of more than one cell, else None."""
        return () if type(cell) is nn.SequentialCell and len(_steps(list(cell))) < len(cell) else None

    def prepare(self, _: Tuple[int, ...]) -> None:
        self.steps = _steps(list(self))

    def construct(self, x):
        for conv, norm, relu in self.steps:
            x = conv_norm(None if conv is None else self.cell_list[conv], None if norm is None else self.cell_list[norm], x, None, relu)
        return x


def _steps(cells: List[nn.Cell]) -> Tuple[Step, ...]:
    """Return what :func:`conv_norm` does at a time."""
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
