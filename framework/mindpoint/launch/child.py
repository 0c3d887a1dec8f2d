"""A process that does not outlive the one that started it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Dict, Iterable, Optional, Sequence

from mindpoint.runtime.parent import die_with


class Child:
    """Starts a process in a session of its own, with its output at the end of a file.

    The kernel kills it when the starting process dies, however that happens; it is to be started from the main thread, since the kernel
    takes the end of the starting thread for the end of the process.

    Args:
        cores: those that it may run on, by number; None: the same as this process.

    Attributes:
        name: for messages.
        log: the file with its output.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Dict[str, str], log: Path, cores: Optional[Iterable[int]] = None):
        self.name, self.log = name, log
        parent = os.getpid()

        def prepare() -> None:
            die_with(parent)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell has those that it starts in the background ignore it
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
        """Exit code, negative for the signal that killed it; None while it runs."""
        return self._process.poll()

    def signal(self, number: int) -> None:
        """Send a signal to it alone."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Tell whether it has ended within that time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.code is not None

    def kill(self) -> None:
        """End it and what it has started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def state(self) -> str:
        """The kernel's letter for what it does, e.g. ``T`` for stopped, ``D`` for a device that does not answer; empty if unknown."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return ""
