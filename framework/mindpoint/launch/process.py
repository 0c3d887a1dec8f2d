"""Lifecycle of one process of a job that :mod:`mindpoint.launch.job` started."""

from __future__ import annotations

import faulthandler
import os
import sys
import traceback
from typing import Callable, NoReturn

from mindpoint.launch import heartbeat
from mindpoint.launch.job import STACKS
from mindpoint.runtime import activity, distributed


def run(work: Callable[[], int]) -> NoReturn:
    """Run the work and end the process with the exit code that it returns.

    MindSpore's cleanup at the end of a process of a cluster sometimes crashes. The work is done by then, so the process exits without that
    cleanup.
    """
    faulthandler.register(STACKS)
    activity.listen(heartbeat.beat)
    try:
        code = work()
        if code == 0:
            distributed.finish()
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    if code == 0:
        heartbeat.wait_for_launcher()
    os._exit(code)
