"""Selects the device, seeds MindSpore, and switches compilation off for a while."""

from __future__ import annotations

import contextlib
from typing import Iterator, Optional

import mindspore as ms
from mindspore.nn.cell import _pynative_executor

from mindpoint.errors import ConfigError
from mindpoint.runtime import distributed


def setup(device: str, seed: int, device_id: Optional[int] = None, mode: str = "graph", jit_level: Optional[str] = None) -> None:
    """Select the device, join the other processes of a job, and seed MindSpore's random numbers (initial weights).

    Args:
        device: ``"CPU"``, ``"Ascend"``, or ``"auto"`` for the device that the installed MindSpore was built for.
        seed: not negative.
        device_id: index of the Ascend device on this host; None: from the environment.
        mode: ``"graph"`` or ``"eager"``.
        jit_level: optimisation level of graphs, ``"O0"`` to ``"O2"``; None: MindSpore's default.

    Raises:
        ConfigError: the installed MindSpore cannot use that device, or ``device_id`` is set for a process of a job.
    """
    _set_mode(ms.GRAPH_MODE if mode == "graph" else ms.PYNATIVE_MODE)
    if jit_level is not None:
        ms.set_context(jit_config={"jit_level": jit_level})
    target = name() if device == "auto" else device
    if device_id is not None:
        if target == "CPU":
            raise ConfigError(f"runtime.device_id: {device_id} is for an Ascend, but the device is a CPU; remove the key")
        if distributed.launched():
            raise ConfigError("runtime.device_id: each process of a job has its own device; remove the key")
    if device_id is not None or target != name():  # it cannot be changed after the first operator has run
        try:
            ms.set_device(target, device_id)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(f"runtime.device: {target} cannot be used here: {str(error).splitlines()[0]}") from error
    distributed.init()
    ms.set_seed(seed)


@contextlib.contextmanager
def operator_by_operator() -> Iterator[None]:
    """Run networks without compiling them within the block, or within the function that this decorates; restore the mode afterwards.

    The results are the same, up to rounding. For a few inputs it takes less time than a compilation. MindSpore decides about gradients when
    their function is made, so make it within the block.
    """
    before = ms.get_context("mode")
    _set_mode(ms.PYNATIVE_MODE)
    try:
        yield
    finally:
        ms.set_context(mode=before)


def _set_mode(mode: int) -> None:
    """Select MindSpore's mode, and end a gradient that an exception has interrupted.

    Without compiling, MindSpore would take the next gradient for one within the interrupted one and refuse ``tensor[0]`` there. It has no
    public function for that.
    """
    _pynative_executor.clear_res()
    ms.set_context(mode=mode)


def name() -> str:
    """Return the name of the device that networks run on, e.g. ``"CPU"``."""
    return str(ms.get_context("device_target"))
