"""The speed of convolutions on this machine, measured in a separate process: a broken MindSpore may crash the interpreter.

Run as ``python -m mindpoint.doctor.convolution``: prints one line of JSON.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import List

from mindpoint.doctor.check import Check
from mindpoint.runtime import guard

SECONDS = 120  # for importing MindSpore on a slow disk and compiling two graphs
CHANNELS, SIDE = 64, 64
# oneDNN's reference kernel slows 3x3 convolutions by 28 to 160 times and 1x1 ones not at all; with the fast one, both are about as fast.
SLOW = 0.25


def check_convolution() -> List[Check]:
    """Check whether MindSpore runs, on which device, and whether a 3x3 convolution takes oneDNN's fast path."""
    try:
        done = subprocess.run([sys.executable, "-m", __name__], capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return [Check("convolution", "no answer", problem=f"MindSpore did not finish two small convolutions in {SECONDS} seconds")]
    if done.returncode:
        said = next((line.strip() for line in reversed(done.stderr.splitlines()) if line.strip()), "")
        ending = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        return [Check("convolution", "failed", problem=f"MindSpore does not run here ({ending}): {said}")]
    return judge(**json.loads(done.stdout.splitlines()[-1]))


def judge(device: str, small: float, large: float) -> List[Check]:
    """Return the report on measured speeds.

    Args:
        device: the device that MindSpore uses.
        small, large: speed of a 1x1 and of a 3x3 convolution in GFLOP/s.
    """
    speed = f"3x3 at {large:.0f} GFLOP/s, 1x1 at {small:.0f}"
    checks = [Check("device", device)]
    if device != "CPU":
        return [*checks, Check("convolution", speed)]
    if large >= SLOW * small:
        return [*checks, Check("convolution", f"fast path on: {speed}")]
    problem = f"3x3 convolutions take oneDNN's slow reference kernel; set {guard.LIMIT}={guard.FAST} in the environment"
    return [*checks, Check("convolution", f"fast path off: {speed}", problem=problem)]


def measure() -> dict:
    """Return the arguments of :func:`judge` for this process."""
    import mindspore as ms

    ms.set_context(mode=ms.GRAPH_MODE)
    return {"device": ms.get_context("device_target"), "small": _speed(1), "large": _speed(3)}


def _speed(kernel: int) -> float:
    """Return the median speed in GFLOP/s of a convolution from ``CHANNELS`` to ``CHANNELS`` channels at ``SIDE`` x ``SIDE``."""
    import mindspore as ms
    import numpy as np
    from mindspore import nn

    network = nn.Conv2d(CHANNELS, CHANNELS, kernel, pad_mode="same", weight_init="ones")
    image = ms.Tensor(np.ones((1, CHANNELS, SIDE, SIDE), np.float32))
    network(image).asnumpy()  # compiles
    times = []
    for _ in range(7):
        started = time.perf_counter()
        network(image).asnumpy()
        times.append(time.perf_counter() - started)
    return 2 * (CHANNELS * SIDE * kernel) ** 2 / statistics.median(times) / 1e9


if __name__ == "__main__":
    print(json.dumps(measure()))
