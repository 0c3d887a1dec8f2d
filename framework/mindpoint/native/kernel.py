"""Use compiled C++ functions as MindSpore operators, and choose when to use them.

:func:`choose` decides between a kernel (``native``) and MindSpore's own operator (``portable``). ``auto`` uses the kernel on a CPU if it
can be compiled. The environment variable ``MINDPOINT_KERNELS`` (native, portable or auto) replaces a configured ``auto``.
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

KERNELS = "MINDPOINT_KERNELS"  # environment variable whose value is one of IMPLEMENTATIONS
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
        source: the file; it is compiled now if necessary.
        function: name of the function in the source.
        inputs: FLOAT or INTEGER for each input.
        outputs: number of outputs, all float32.
        shape: function that returns the output shapes for the input shapes. If it is None, the source must also define
            ``<function>InferShape``, and shapes may be dynamic.
        bprop: gradient function.
        variant: text that tells apart operators of the same C++ function but with other shape or gradient functions; MindSpore would
            otherwise confuse them.

    Raises:
        NativeBuildError: the source cannot be compiled.
    """
    registration = CustomRegOp(function)
    for index in range(len(inputs)):
        registration.input(index, f"x{index}")
    for index in range(outputs):
        registration.output(index, f"y{index}")
    information = registration.dtype_format(*inputs, *[FLOAT] * outputs).target("CPU").get_op_info()
    # Python shape functions fail for dynamic shapes, so the library computes those
    types = (lambda *given: given[0]) if outputs == 1 else (lambda *given: given[:outputs])
    made = ops.Custom(f"{build(source)}:{function}", shape, types, "aot", bprop=bprop, reg_info=information)
    made.add_prim_attr("variant", variant)
    return made


def choose(source: Path, implementation: str = "auto") -> str:
    """Return ``native`` or ``portable``: the configured implementation, or for ``auto`` the best one on this device. During an export it is
    always ``portable``.

    Raises:
        MindpointError: ``native`` is configured but cannot be used, or the name is unknown.
    """
    if implementation == "auto":
        implementation = os.environ.get(KERNELS) or "auto"
    if implementation not in IMPLEMENTATIONS:
        raise MindpointError(f"kernels: unknown implementation '{implementation}'; choose among {', '.join(IMPLEMENTATIONS)}")
    if implementation == "portable" or exporting() is not None:  # an exported file must not depend on a library compiled here
        return "portable"
    obstacle = _obstacle(source, ms.get_context("device_target"))
    if obstacle and implementation == "native":
        raise MindpointError(f"{source.stem}: the native implementation cannot be used: {obstacle}")
    return "portable" if obstacle else "native"


@ops.constexpr
def native(source):
    """Return whether the graph being compiled uses the kernels of a source; for use in ``construct``. False during exports."""
    return choose(source) == "native"


@functools.lru_cache(maxsize=None)
def _obstacle(source: Path, device: str) -> str:
    """Return why kernels cannot be used on this device, or an empty string if they can. The decision is logged once."""
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
