"""The table of operators, and functions shared by several of them."""

from __future__ import annotations

import functools
from typing import Callable, Dict, List, Tuple

import numpy as np

from mindpoint.exporting.onnx_call import Call, Tensors

Convert = Callable[[Call], Tensors]
OPERATORS: Dict[str, Convert] = {}
"""Functions that add the nodes of an operator, by MindSpore's name of the operator."""


def converts(*names: str, args: Tuple[object, ...] = ()) -> Callable[[Callable[..., Tensors]], Callable[..., Tensors]]:
    """Register the decorated function for these operators of MindSpore; ``args`` are its first arguments, followed by the call."""

    def enter(function: Callable[..., Tensors]) -> Callable[..., Tensors]:
        OPERATORS.update(dict.fromkeys(names, functools.partial(function, *args)))
        return function

    return enter


def axes_of(call: Call, number: int) -> List[int]:
    """Return the axes that an argument names; empty for all."""
    axes = call.constant(number) if call.given(number) else ()
    return [int(axis) for axis in np.atleast_1d(np.asarray(axes, np.int64))]


def scalar(call: Call, value: float) -> np.ndarray:
    """Return a constant of the type of the first tensor."""
    return np.asarray(value, call.type)


def by_channel(call: Call, number: int) -> str:
    """Return an argument ``(C,)`` with further axes, so that it broadcasts with ``(B, C, ...)``."""
    axes = list(range(1, call.rank() - 1))
    return call.add("Unsqueeze", call.tensor(number), axes) if axes else call.tensor(number)


def pads_of(call: Call) -> List[int]:
    """Convert MindSpore's padding, both sides of one axis after another, to the order of ONNX: all beginnings, then all ends."""
    if call.text("pad_mode") == "valid":
        return [0] * 2 * (call.rank() - 2)
    pads = call.attribute("pad_list") or call.attribute("pad")
    return [*pads[0::2], *pads[1::2]]
