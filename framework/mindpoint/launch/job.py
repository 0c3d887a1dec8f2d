"""Starts the processes of a job on MindSpore's cluster engine, and ends them all when one fails. Does not import MindSpore."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from mindpoint.errors import MindpointError
from mindpoint.launch import heartbeat
from mindpoint.launch.child import Child
from mindpoint.launch.log_tail import LogTail, last_error
from mindpoint.runtime import cpu
from mindpoint.storage.files import temporary_folder

HUNG = 124  # exit code, as in `timeout`
STACKS = signal.SIGUSR1  # makes a worker print the stacks of its threads
_POLL = 0.1  # seconds
_SAME = 2.0  # seconds within which other ranks may fail for the same reason
_GRACE = 30.0  # seconds for ending after a signal
_INTERRUPTED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
_KILLED = 128 + signal.SIGKILL
_STATES = {"T": ", stopped by a signal", "D": ", waiting for a device or file that does not respond"}


@dataclass(frozen=True)
class Job:
    """The processes to start on this host.

    Attributes:
        command: command of a worker.
        scheduler: command of the scheduler; empty if another host runs it.
        workers: number of workers on this host.
        host, port: address of the scheduler.
        logs: folder for one log per process.
        silence: seconds without a heartbeat after which a worker counts as hung.
        hosts, host_rank: number of hosts, each with the same number of workers, and the index of this host.
        show: copy the output of the first rank to standard output.
    """

    command: Sequence[str]
    scheduler: Sequence[str]
    workers: int
    host: str
    port: int
    logs: Path
    silence: float = 600.0
    hosts: int = 1
    host_rank: int = 0
    show: bool = True

    @property
    def shows_first(self) -> bool:
        return self.show and self.host_rank == 0

    def environment(self) -> Dict[str, str]:
        """Return the environment of scheduler and workers; the user's settings are kept."""
        # MindSpore's CPU collectives give up after 30 s by default; the launcher watches for hangs instead.
        wait = str(int(self.silence) + 60)
        defaults = {
            "MS_CPU_COMM_OP_TIMEOUT": wait,
            "MS_TOPO_TIMEOUT": wait,
            "MS_RETRY_INTERVAL_LOWER": "0",
            "MS_RETRY_INTERVAL_UPPER": "1",
            "OMP_NUM_THREADS": str(max(1, cpu.cores() // self.workers)),
            "PYTHONUNBUFFERED": "1",
            "PYTHONSAFEPATH": "" if {"", os.getcwd()} & set(sys.path) else "1",  # modules are found as in this process
        }
        cluster = {"MS_WORKER_NUM": self.workers * self.hosts, "MS_SCHED_HOST": self.host, "MS_SCHED_PORT": self.port}
        return {**defaults, **os.environ, **{name: str(value) for name, value in cluster.items()}}


class JobFailed(MindpointError):
    """A process of the job failed, hung, or was killed; the others were terminated."""

    def __init__(self, message: str, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code


def run(job: Job) -> None:
    """Start the job, show the output of its first rank, and return when all ranks have succeeded. Leaves no process behind.

    Raises:
        JobFailed: a process failed; the error holds the exit code for the command.
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP; the workers were asked to end first.
    """
    with contextlib.ExitStack() as stack:
        beats = stack.enter_context(temporary_folder())
        stack.enter_context(_interrupted_by(signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        running = _Running(job, beats)
        stack.callback(running.kill)
        running.start()
        stack.callback(running.tail.show)
        try:
            while not running.done():
                running.tail.show()
                time.sleep(_POLL)
            if job.hosts > 1:
                time.sleep(_SAME)  # lets the last messages to other hosts arrive
        except KeyboardInterrupt:
            running.ask_to_end()
            raise


class _Running:
    """The processes of a job on this host."""

    def __init__(self, job: Job, beats: Path):
        self.job = job
        self.scheduler: Optional[Child] = None
        self.workers: List[Child] = []
        self.pulses = [heartbeat.Pulse(beats / str(local)) for local in range(job.workers)]
        self.beats = beats
        self.tail = LogTail(self._log(0) if job.shows_first else None)

    @property
    def children(self) -> List[Child]:
        return self.workers + ([self.scheduler] if self.scheduler else [])

    def start(self) -> None:
        job, environment = self.job, self.job.environment()
        if job.scheduler:
            self.scheduler = Child("the scheduler", job.scheduler, {**environment, "MS_ROLE": "MS_SCHED"}, job.logs / "scheduler.log")
        # Idle threads of MindSpore spin, and would occupy the core on which another process computes.
        for local, cores in enumerate(cpu.shares(job.workers)):
            rank = str(self._rank(local))
            own = {"MS_ROLE": "MS_WORKER", "MS_NODE_ID": rank, "RANK_ID": rank, "DEVICE_ID": str(local)}
            own[heartbeat.VARIABLE] = str(self.beats / str(local))
            self.workers.append(Child(f"rank {rank}", job.command, {**environment, **own}, self._log(local), cores))

    def _rank(self, local: int) -> int:
        return self.job.host_rank * self.job.workers + local

    def _log(self, local: int) -> Path:
        return self.job.logs / f"rank-{self._rank(local)}.log"

    def done(self) -> bool:
        """Tell whether all workers have succeeded.

        Raises:
            JobFailed: a process has failed, or its heartbeat has stopped.
        """
        failed = [child for child in self.children if child.code]
        if failed:
            raise self._failure(min(failed, key=lambda child: child.code > 0))  # a killed process makes others fail
        signs = self._signs()
        if self.scheduler and self.scheduler.code is not None and len(signs) == len(self.workers):
            raise JobFailed(f"the scheduler ended before the job did; see {self.scheduler.log}", 1)
        if any(sign.age > self.job.silence for _, sign in signs):
            raise self._hang(signs)
        return not signs

    def _signs(self) -> List[Tuple[Child, heartbeat.Beat]]:
        """Return the last heartbeat of each active worker."""
        signs = [(worker, pulse.last()) for worker, pulse in zip(self.workers, self.pulses) if worker.code is None]
        return [(worker, sign) for worker, sign in signs if sign.what != heartbeat.FINISHED]

    def _failure(self, cause: Child) -> JobFailed:
        if cause.code in _INTERRUPTED:  # all handle it at the same step, and the first one saves its state
            self._wait(_GRACE)
        if self._said_by_first(cause):
            cause, said = self.workers[0], ""
        else:
            said = last_error(cause.log)
        if cause.code > 0:
            how, code = f"ended with exit code {cause.code}", cause.code
        else:
            how, code = f"was killed by {_signal_name(-cause.code)}", 128 - cause.code
            if code == _KILLED:  # so it could not report anything
                how, said = f"{how}, perhaps for lack of memory", ""
            if cause in self.workers:
                how += f"; its last activity: {self.pulses[self.workers.index(cause)].last().what}"
        lines = [f"{cause.name} {how}" + (f"; its last message:\n{said}" if said else "")]
        if cause is self.scheduler:  # it also ends when a worker is silent, e.g. stopped
            lines += [_doing(*sign) for sign in self._signs()]
        return self._failed("\n".join(lines), code)

    def _said_by_first(self, cause: Child) -> bool:
        """Wait a moment; return whether the first rank, which the console shows, has failed with the same error."""
        first = self.workers[0]
        return self.job.shows_first and bool(
            first.wait(_SAME) and first.code == cause.code > 0 and last_error(first.log) == last_error(cause.log)
        )

    def _hang(self, signs: List[Tuple[Child, heartbeat.Beat]]) -> JobFailed:
        """Return the failure for hung workers: the cause is the rank with the least progress, since others wait for it."""
        for worker, _ in signs:
            worker.signal(STACKS)
        states = [_STATES.get(worker.state(), "") for worker, _ in signs]
        _, _, cause = max((state != "", sign.age, worker.name) for state, (worker, sign) in zip(states, signs))
        lines = [_doing(*sign) for sign in signs]
        time.sleep(_SAME)  # lets the workers write their stacks
        return self._failed(
            f"{cause} hangs: no activity for {self.job.silence:g} s (--hang-timeout)\n"
            + "\n".join(lines)
            + "\nthe end of each log shows the stacks of its process",
            HUNG,
        )

    def _failed(self, message: str, code: int) -> JobFailed:
        full = ", on a full disk: free some space" * (shutil.disk_usage(self.job.logs).free == 0)  # so they could not report their errors
        return JobFailed(f"{message}\nall processes were ended; their logs are in {self.job.logs}{full}", code)

    def ask_to_end(self) -> None:
        """Pass an interruption on, so that a training can save its state."""
        for worker in self.workers:
            worker.signal(signal.SIGINT)
        with contextlib.suppress(KeyboardInterrupt):  # a second interruption ends the wait
            self._wait(_GRACE)

    def _wait(self, seconds: float) -> None:
        """Wait until no worker is active, at most ``seconds``."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._signs():
            self.tail.show()
            time.sleep(_POLL)

    def kill(self) -> None:
        for child in self.children:
            child.kill()


def _doing(worker: Child, sign: heartbeat.Beat) -> str:
    return f"{worker.name}: {sign.what} for {sign.age:.0f} s{_STATES.get(worker.state(), '')}"


@contextlib.contextmanager
def _interrupted_by(*numbers: signal.Signals) -> Iterator[None]:
    """Let signals end the job like Ctrl-C, including SIGINT, which processes started by a shell in the background ignore."""

    def interrupt(number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def worker_command(*arguments: str) -> List[str]:
    """Return the command of a worker that runs ``mindpoint`` with these arguments; without arguments, the command of the scheduler."""
    return [sys.executable, "-m", "mindpoint.worker", *arguments]


def address(master: Optional[str], listen: bool) -> Tuple[str, int]:
    """Return the parts of ``HOST:PORT``; by default this host and a free port.

    Args:
        listen: the scheduler will run on this host: check that it can listen there.

    Raises:
        MindpointError: the address is malformed, or this host cannot listen there.
    """
    if master is None:
        return "127.0.0.1", _free_port("127.0.0.1")
    host, _, number = master.rpartition(":")
    if not host or not number.isdigit() or not 0 < int(number) < 65536:
        raise MindpointError(f"--master {master}: write HOST:PORT, e.g. 10.0.0.1:8118")
    try:
        host, port = socket.gethostbyname(host), int(number)
    except OSError as error:
        raise MindpointError(f"--master {master}: unknown host {host}: {error.strerror}") from error
    if listen:
        try:
            _listen(host, port)
        except OSError as error:
            raise MindpointError(f"--master {host}:{port}: the scheduler cannot listen there: {error.strerror}; choose another") from error
    return host, port


def _free_port(host: str) -> int:
    """Return a port below the kernel's range for outgoing connections, which could occupy it while the scheduler imports MindSpore."""
    for port in random.SystemRandom().sample(range(10000, 32000), 100):
        with contextlib.suppress(OSError):
            _listen(host, port)
            return port
    raise MindpointError(f"no free port at {host}; choose one with --master {host}:PORT")


def _listen(host: str, port: int) -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port))
        server.listen()
