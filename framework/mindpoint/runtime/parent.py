"""Ties the life of this process to the process that started it."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
try:
    _prctl = ctypes.CDLL(None).prctl
except (AttributeError, TypeError):  # macOS, Windows
    _prctl = None


def die_with(parent: int) -> None:
    """Let the kernel kill this process when ``parent``, a process id, dies for any reason; exit now if it is already dead.

    Call it between fork and exec, or in a forked process. The kernel treats the end of the starting thread as the end of the process.
    """
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above
        os._exit(1)
