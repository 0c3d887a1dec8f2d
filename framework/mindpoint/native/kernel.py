"""Compiled C++ functions as MindSpore operators, and the choice of when to use them.

``choose`` decides between a kernel (``native``) and MindSpore's own operator (``portable``). ``auto`` takes the kernel on a CPU where it
can be compiled. The environment variable ``MINDPOINT_KERNELS`` (native, portable or auto) decides wherever ``auto`` is configured.
"""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path
from typing import Callable, Optional, Sequence

import mindspore as ms
from mindspore import ops
from mindspore.ops import CustomRegOp, DataType

from mindpoint.errors import MindpointError
from mindpoint.native.build import build
from mindpoint.native.exporting import exporting

KERNELS = "MINDPOINT_KERNELS"  # environment variable: one of the implementations
IMPLEMENTATIONS = ("auto", "native", "portable")
FLOAT, INTEGER = DataType.F32_Default, DataType.I64_Default
_logger = logging.getLogger("mindpoint")


def operator(
    source: Path,
    function: str,
    inputs: Sequence,
    outputs: int,
    shape: Optional[Callable] = None,
    bprop: Optional[Callable] = None,
    variant: str = "",
) -> ops.Custom:
    """Return an operator that calls a function of a C++ source.

    Args:
        source: the file, compiled now if necessary.
        function: name of the function in the source. Without ``shape``, the source must define ``<function>InferShape`` as well, and shapes
            may be dynamic.
        inputs: FLOAT or INTEGER for each input.
        outputs: number of outputs, all float32.
        shape: function that returns the output shape for the input shapes.
        bprop: gradient function.
        variant: distinguishes operators of one function. Without it, MindSpore may use the shape and gradient functions of one operator for
            another.

    Raises:
        NativeBuildError: the source cannot be compiled.
    """
    registration = CustomRegOp(function)
    for index in range(len(inputs)):
        registration.input(index, f"x{index}")
    for index in range(outputs):
        registration.output(index, f"y{index}")
    information = registration.dtype_format(*inputs, *[FLOAT] * outputs).target("CPU").get_op_info()
    # the shapes come from the library where they may be dynamic: Python shape functions fail then
    types = (lambda *given: given[0]) if outputs == 1 else (lambda *given: given[:outputs])
    made = ops.Custom(f"{build(source)}:{function}", shape, types, "aot", bprop=bprop, reg_info=information)
    made.add_prim_attr("variant", variant)
    return made


def choose(source: Path, implementation: str = "auto") -> str:
    """Return ``native`` or ``portable``, as configured or as possible on this device. Raises MindpointError if ``native`` is configured and
    impossible."""
    if implementation == "auto":
        implementation = os.environ.get(KERNELS) or "auto"
    if implementation not in IMPLEMENTATIONS:
        raise MindpointError(f"kernels: unknown implementation '{implementation}'; choose among {', '.join(IMPLEMENTATIONS)}")
    if implementation == "portable" or exporting() is not None:  # an exported file must not depend on a library of this machine
        return "portable"
    obstacle = _obstacle(source, ms.get_context("device_target"))
    if obstacle and implementation == "native":
        raise MindpointError(f"{source.stem}: the native implementation cannot be used: {obstacle}")
    return "portable" if obstacle else "native"


@ops.constexpr
def native(source):
    """Return whether the graph being compiled uses the kernels of a source; for use in ``construct``. Exports do not use them."""
    return choose(source) == "native"


@functools.lru_cache(maxsize=None)
def _obstacle(source: Path, device: str) -> str:
    """Return why kernels cannot be used on this device; empty if they can. The reason is logged once."""
    if device != "CPU":
        _logger.info("%s: using MindSpore's own operator on %s", source.stem, device)
        return f"it needs a CPU, but the device is {device}"
    try:
        build(source)
    except MindpointError as error:
        _logger.warning("%s: using MindSpore's own, slower operator instead of a compiled kernel: %s", source.stem, error)
        return str(error)
    _logger.info("%s: compiled kernel", source.stem)
    return ""
