"""Choosing the device and seeding MindSpore."""

from __future__ import annotations

import mindspore as ms

from mindpoint.errors import ConfigError
from mindpoint.runtime import distributed


def setup(device: str, seed: int) -> None:
    """Compile graphs for the device, join the other processes of a job, and seed what MindSpore draws at random (initial weights).

    Args:
        device: ``"CPU"``, ``"Ascend"``, or ``"auto"`` for what the installed MindSpore was built for.
        seed: not negative.

    Raises:
        ConfigError: the installed MindSpore cannot use that device.
    """
    ms.set_context(mode=ms.GRAPH_MODE)
    if device not in ("auto", ms.get_context("device_target")):  # it cannot be set again once something has run
        try:
            ms.set_device(device)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(f"runtime.device: {device} cannot be used here: {str(error).splitlines()[0]}") from error
    distributed.init()
    ms.set_seed(seed)


def name() -> str:
    """Of the device that networks run on, e.g. ``"CPU"``."""
    return str(ms.get_context("device_target"))
