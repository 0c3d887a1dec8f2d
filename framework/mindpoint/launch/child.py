"""A process that ends together with the process that started it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Dict, Iterable, Optional, Sequence

from mindpoint.runtime.parent import die_with


class Child:
    """Starts a process in its own session; its output is appended to a file.

    The kernel kills it when the starting process dies for any reason. Start it from the main thread, because the kernel treats the end of
    the starting thread as the end of the process.

    Args:
        cores: numbers of the cores that it may run on; None: the same as this process.

    Attributes:
        name: name for messages.
        log: the file with its output.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Dict[str, str], log: Path, cores: Optional[Iterable[int]] = None):
        self.name, self.log = name, log
        parent = os.getpid()

        def prepare() -> None:
            die_with(parent)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # processes started by a shell in the background ignore it
            if cores is not None:
                os.sched_setaffinity(0, cores)

        with open(log, "ab") as output:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=prepare,
            )

    @property
    def code(self) -> Optional[int]:
        """Return the exit code, negative for the signal that killed it; None while it runs."""
        return self._process.poll()

    def signal(self, number: int) -> None:
        """Send a signal to this process only."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Wait at most ``seconds``; return whether it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.code is not None

    def kill(self) -> None:
        """Kill the process and the processes that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def state(self) -> str:
        """Return the kernel's process state, e.g. ``T`` for stopped, ``D`` for a device that does not respond; empty if unknown."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return ""
