"""The C++ kernel of the deformable convolution as a MindSpore operator."""

from __future__ import annotations

import functools
from pathlib import Path

from mindspore import ops
from mindspore.ops import CustomRegOp, DataType

from mindpoint_centernet.ops.native_build import build

SOURCE = Path(__file__).with_name("deform_conv.cc")


def _registration(name: str, inputs: list, outputs: int) -> dict:
    registration = CustomRegOp(name)
    for index in range(len(inputs)):
        registration.input(index, f"x{index}")
    for index in range(outputs):
        registration.output(index, f"y{index}")
    return registration.dtype_format(*inputs, *[DataType.F32_Default] * outputs).target("CPU").get_op_info()


@functools.lru_cache(maxsize=None)
def kernel() -> ops.Custom:
    """Operator (x, offset, mask, weight, bias, geometry) -> y with its gradient.

    Everything is float32 but geometry: constant int64 (6,), stride, padding and dilation, each (vertical, horizontal). Shapes may be
    dynamic. The gradient keeps only the inputs. Raises NativeBuildError where the source cannot be compiled.
    """
    library = str(build(SOURCE))
    # The shapes come from the library: Python shape functions fail for dynamic shapes.
    tensors = [DataType.F32_Default] * 5 + [DataType.I64_Default]
    backward = ops.Custom(
        f"{library}:DeformConvGrad",
        None,
        lambda x, offset, mask, weight, bias, geometry, dy: (x, offset, mask, weight, bias),
        "aot",
        reg_info=_registration("DeformConvGrad", tensors + [DataType.F32_Default], 5),
    )

    def bprop(x, offset, mask, weight, bias, geometry, out, dout):
        dx, doffset, dmask, dweight, dbias = backward(x, offset, mask, weight, bias, geometry, dout)
        return dx, doffset, dmask, dweight, dbias, ops.zeros_like(geometry)

    return ops.Custom(
        f"{library}:DeformConv",
        None,
        lambda x, offset, mask, weight, bias, geometry: x,
        "aot",
        bprop=bprop,
        reg_info=_registration("DeformConv", tensors, 1),
    )
