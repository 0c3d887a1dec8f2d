"""Environment that MindSpore must find before it runs.

On AVX-512 CPUs oneDNN, as MindSpore 2.9 and 2.10 use it, takes a reference kernel for 3x3 convolutions, up to 160 times slower than the
AVX2 one; threads that spin while waiting cost another 10 to 30 % of a step. Both are settled by the environment. A user's own
setting always wins.

Importing ``mindpoint``, or any part of it, applies the guard; processes that are started afterwards inherit it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from typing import Iterator, Optional

from mindpoint.runtime import cpu

LIMIT = "ONEDNN_MAX_CPU_ISA"
FAST = "AVX2"
# What oneDNN reads, in this order; the second is its older name.
_LIMITS = (LIMIT, "DNNL_MAX_CPU_ISA")
_WAITING = "OMP_WAIT_POLICY"


def apply() -> None:
    """Set what the user has not set, and warn if MindSpore was there first: then it may be too late."""
    os.environ.setdefault(_WAITING, "PASSIVE")
    if not matters() or limit() is not None:
        return
    os.environ[LIMIT] = FAST  # oneDNN reads it when it first makes a convolution
    if "mindspore" in sys.modules:
        warnings.warn(
            f"mindspore was imported before mindpoint. If it has run a convolution already, convolutions stay up to 160 times slower on "
            f"this CPU until the process ends: import mindpoint first, or set {LIMIT}={FAST} in the environment",
            RuntimeWarning,
            stacklevel=3,
        )


@contextlib.contextmanager
def lifted() -> Iterator[None]:
    """Within the block the limit of :func:`apply` is off, for another library with a oneDNN of its own, which reads it at its first network:
    OpenVINO has no use for the limit, and no bfloat16 with it."""
    ours = matters() and os.environ.get(LIMIT) == FAST
    if ours:
        del os.environ[LIMIT]
    try:
        yield
    finally:
        if ours:
            os.environ[LIMIT] = FAST


def matters() -> bool:
    """Tell whether oneDNN must be kept from this CPU's instructions: an x86 CPU with AVX-512, or one whose features cannot be told."""
    if os.uname().machine not in ("x86_64", "amd64", "i686"):
        return False
    features = cpu.features()
    return not features or any(feature.startswith("avx512") for feature in features)


def limit() -> Optional[str]:
    """Return the largest instruction set that oneDNN may use, as the environment says; None for no limit."""
    return next((os.environ[name] for name in _LIMITS if name in os.environ), None)
