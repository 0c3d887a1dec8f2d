"""Environment variables that must be set before MindSpore runs.

On AVX-512 CPUs oneDNN, as used by MindSpore 2.9 and 2.10, selects a reference kernel for 3x3 convolutions, which is up to 160 times slower
than the AVX2 one. Threads that spin while waiting cost another 10 to 30 % of a step. Environment variables prevent both. Variables set by
the user take precedence.

Importing ``mindpoint``, or any part of it, applies the guard; processes started afterwards inherit it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import warnings
from typing import Iterator, Optional

from mindpoint.runtime import cpu

LIMIT = "ONEDNN_MAX_CPU_ISA"
FAST = "AVX2"
# The variables that oneDNN reads, in this order; the second is the older name.
_LIMITS = (LIMIT, "DNNL_MAX_CPU_ISA")
_WAITING = "OMP_WAIT_POLICY"


def apply() -> None:
    """Set the variables that the user has not set; warn if MindSpore was imported before, because it may then be too late."""
    os.environ.setdefault(_WAITING, "PASSIVE")
    if not matters() or limit() is not None:
        return
    os.environ[LIMIT] = FAST  # oneDNN reads it when it creates its first convolution
    if "mindspore" in sys.modules:
        warnings.warn(
            f"mindspore was imported before mindpoint. If it has run a convolution already, convolutions stay up to 160 times slower on "
            f"this CPU until the process ends: import mindpoint first, or set {LIMIT}={FAST} in the environment",
            RuntimeWarning,
            stacklevel=3,
        )


@contextlib.contextmanager
def lifted() -> Iterator[None]:
    """Within the block, remove the limit set by :func:`apply`, for a library whose own oneDNN reads the limit at the first network.
    OpenVINO does not need the limit, and cannot use bfloat16 with it."""
    ours = matters() and os.environ.get(LIMIT) == FAST
    if ours:
        del os.environ[LIMIT]
    try:
        yield
    finally:
        if ours:
            os.environ[LIMIT] = FAST


def matters() -> bool:
    """Tell whether oneDNN must be limited on this CPU: an x86 CPU with AVX-512, or one with unknown features."""
    if platform.machine().lower() not in ("x86_64", "amd64", "i686"):
        return False
    features = cpu.features()
    return not features or any(feature.startswith("avx512") for feature in features)


def limit() -> Optional[str]:
    """Return the largest instruction set that the environment allows oneDNN; None without a limit."""
    return next((os.environ[name] for name in _LIMITS if name in os.environ), None)
