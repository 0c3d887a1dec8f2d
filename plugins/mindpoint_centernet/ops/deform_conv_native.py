"""The C++ kernel of the deformable convolution as a MindSpore operator."""

from __future__ import annotations

import functools
from pathlib import Path

from mindpoint.native.kernel import FLOAT, INTEGER, operator
from mindspore import ops

SOURCE = Path(__file__).with_name("deform_conv.cc")


@functools.lru_cache(maxsize=None)
def kernel() -> ops.Custom:
    """Return the operator (x, offset, mask, weight, bias, geometry) -> y with its gradient.

    Everything is float32 except geometry: constant int64 (6,), stride, padding and dilation, each (vertical, horizontal). Shapes may be
    dynamic. The gradient keeps only the inputs. Raises NativeBuildError if the source cannot be compiled.
    """
    tensors = [FLOAT] * 5 + [INTEGER]
    backward = operator(SOURCE, "DeformConvGrad", [*tensors, FLOAT], 5)

    def bprop(x, offset, mask, weight, bias, geometry, out, dout):
        dx, doffset, dmask, dweight, dbias = backward(x, offset, mask, weight, bias, geometry, dout)
        return dx, doffset, dmask, dweight, dbias, ops.zeros_like(geometry)

    return operator(SOURCE, "DeformConv", tensors, 1, bprop=bprop)
