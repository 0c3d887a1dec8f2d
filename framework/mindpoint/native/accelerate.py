"""Replace MindSpore's operators by compiled kernels in any network."""

from __future__ import annotations

from mindspore import nn

from mindpoint.native.batch_norm import NativeBatchNorm2d
from mindpoint.native.conv2d import NativeConv2d
from mindpoint.native.fused import NativeSequence
from mindpoint.native.kernel import choose
from mindpoint.native.resample import NativeMaxPool2d, NativeUpsample, NativeZeroPad2d

KINDS = (NativeConv2d, NativeBatchNorm2d, NativeUpsample, NativeMaxPool2d, NativeZeroPad2d, NativeSequence)


def accelerate(network: nn.Cell) -> int:
    """Let MindSpore's cells in a network use native kernels, where one exists. Return the number of changed cells.

    A changed cell becomes an instance of a derived class. Its parameters and their names stay the same; results differ only by rounding.
    """
    count = 0
    for _, cell in list(network.cells_and_names()):
        for kind in KINDS:
            geometry = kind.geometry_of(cell)
            if geometry is not None and choose(kind.SOURCE) == "native":
                cell.__class__ = kind
                cell.prepare(tuple(int(number) for number in geometry))
                count += 1
    return count


def use_bfloat16(network: nn.Cell) -> None:
    """Let all cells that have a method ``use_bfloat16`` multiply in bfloat16. Such a cell decides about the cells within it."""
    for cell in network.cells():
        if hasattr(cell, "use_bfloat16"):
            cell.use_bfloat16()
        else:
            use_bfloat16(cell)
