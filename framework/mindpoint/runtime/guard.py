"""Environment that MindSpore must find before it is imported.

On AVX-512 CPUs oneDNN, as MindSpore 2.9 and 2.10 use it, takes a reference kernel for 3x3 convolutions, up to 160 times slower than the
AVX2 one; threads that spin while waiting cost another 10 to 30 % of a step. Both are settled by the environment. A user's own
setting always wins. MindSpore's log is kept to errors: its warnings are about itself and drown what a user must see.
"""

from __future__ import annotations

import os

DEFAULTS = {"ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_WAIT_POLICY": "PASSIVE", "GLOG_v": "3"}


def apply() -> None:
    """Set what the user has not set. Worker processes inherit it."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
