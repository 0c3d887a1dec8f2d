"""Ending with the process that has started this one."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when ``parent``, its number, dies, however that happens; end now if it is already dead.

    Call it between fork and exec, or in a forked process. The kernel takes the end of the starting thread for the end of the process.
    """
    with contextlib.suppress(OSError, AttributeError):  # not Linux
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(1)
