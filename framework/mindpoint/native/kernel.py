"""Compiled C++ functions as MindSpore operators, and whether to use them.

``choose`` decides between a kernel (``native``) and MindSpore's own operator (``portable``). ``auto`` takes the kernel on a CPU where it
can be compiled. The environment variable ``MINDPOINT_KERNELS`` (native, portable or auto) decides for all that ask for ``auto``.
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
    """Return a function of a C++ source as an operator.

    Args:
        source: the file, compiled now if need be.
        function: its name there; without ``shape`` there is also ``<function>InferShape``, and shapes may be dynamic.
        inputs: FLOAT or INTEGER for each.
        outputs: how many, all float32.
        shape: output shape from input shapes.
        bprop: gradient.
        variant: tells operators of one function apart; MindSpore takes the shape and gradient functions of either for both otherwise.

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
    """``native`` or ``portable``, as asked or as possible on this device. MindpointError if ``native`` is asked for and impossible."""
    if implementation == "auto":
        implementation = os.environ.get("MINDPOINT_KERNELS") or "auto"
    if implementation not in IMPLEMENTATIONS:
        raise MindpointError(f"kernels: implementation '{implementation}' is none of {', '.join(IMPLEMENTATIONS)}")
    if implementation == "portable" or exporting() is not None:  # a file must not ask for a library of this machine
        return "portable"
    obstacle = _obstacle(source, ms.get_context("device_target"))
    if obstacle and implementation == "native":
        raise MindpointError(f"{source.stem}: the native implementation cannot be used: {obstacle}")
    return "portable" if obstacle else "native"


@ops.constexpr
def native(source):
    """In ``construct``: whether the graph being compiled, which may be one for export, takes the kernels of a source."""
    return choose(source) == "native"


@functools.lru_cache(maxsize=None)
def _obstacle(source: Path, device: str) -> str:
    """Why there is no kernel for this device; empty if there is one. Logged once."""
    if device != "CPU":
        _logger.info("%s: MindSpore's own operator, on %s", source.stem, device)
        return f"it is for CPUs, the device is {device}"
    try:
        build(source)
    except MindpointError as error:
        _logger.warning("%s: MindSpore's own operator, slower than a compiled kernel: %s", source.stem, error)
        return str(error)
    _logger.info("%s: compiled kernel", source.stem)
    return ""
