"""Use of MindSpore's compiled networks by several threads; forked processes are rejected."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Iterator, Optional

from mindpoint.errors import MindpointError

_LOCK = threading.RLock()  # one for all networks: MindSpore compiles and runs them in one runtime of the process
_process: Optional[int] = None


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Lock MindSpore for this thread within the block.

    Raises:
        MindpointError: this process was forked from one that has used MindSpore. A fork does not copy MindSpore's threads, so a call would
            never return.
    """
    global _process
    if _process is not None and _process != os.getpid():  # checked before the lock, which a thread of the parent may have held
        raise MindpointError(
            "MindSpore does not work in a process that was forked after its use. Start processes with "
            "multiprocessing.get_context('spawn'), or open the model only after the fork; or export it with "
            "'mindpoint export MODEL model.onnx': ONNX files run in forked processes"
        )
    with _LOCK:
        _process = os.getpid()
        yield
