"""One process of a job that :mod:`mindpoint.runtime.launch` started: the command ``mindpoint`` as one rank, or MindSpore's scheduler."""

from __future__ import annotations

import faulthandler
import os
import sys
import traceback
from typing import Callable, NoReturn, Sequence

from mindpoint.runtime import heartbeat
from mindpoint.runtime.launch import STACKS


def run(work: Callable[[], int]) -> NoReturn:
    """Do the work and end the process with the exit code that it returns.

    MindSpore's own tidying up at the end of a process with a cluster crashes now and then; the work is done by then and the process
    ends without it.
    """
    faulthandler.register(STACKS)
    try:
        code = work()
        if code == 0:
            from mindpoint.runtime import distributed

            distributed.finish()
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    if code == 0:
        heartbeat.stay()
    os._exit(code)


def _command(arguments: Sequence[str]) -> int:
    if not arguments:
        from mindpoint.runtime import distributed

        distributed.init()
        return 0
    from mindpoint.cli.main import main

    return main(arguments)


if __name__ == "__main__":
    run(lambda: _command(sys.argv[1:]))
