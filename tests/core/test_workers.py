"""Workers that fill batches: order, errors, and what is left behind when a process dies."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from mindpoint.data.workers import filled
from mindpoint.errors import DataError

EXAMPLE = {"number": np.zeros((), np.int64), "picture": np.zeros((3, 4), np.float32)}
BATCHES = [range(start, start + 5) for start in range(0, 60, 5)]


def write(position, arrays):
    time.sleep((position * 7919 % 5) * 0.001)  # so that samples are ready in another order than they were asked for
    arrays["number"][...] = position
    arrays["picture"][...] = position + np.arange(12).reshape(3, 4)
    return f"wrote {position}"


@pytest.mark.parametrize("workers, processes", [(1, False), (3, False), (1, True), (3, True)])
def test_batches_are_complete_and_in_order(workers, processes):
    numbers = []
    for arrays, said in filled(write, EXAMPLE, BATCHES, 5, workers, processes):
        time.sleep(0.002)  # while a batch is in use, nothing may be written over it
        assert said == [f"wrote {number}" for number in arrays["number"]]
        np.testing.assert_array_equal(arrays["picture"], arrays["number"][:, None, None] + np.arange(12).reshape(3, 4))
        numbers += arrays["number"].tolist()
    assert numbers == list(range(60))


@pytest.mark.parametrize("processes", [False, True])
def test_an_error_comes_with_its_batch(processes):
    def fail(position, arrays):
        if position == 11:
            raise DataError("11 is broken")
        return write(position, arrays)

    stream = filled(fail, EXAMPLE, BATCHES, 5, 2, processes)
    assert [next(stream)[0]["number"][0] for _ in range(2)] == [0, 5]
    with pytest.raises(DataError, match="11 is broken"):
        next(stream)


@pytest.mark.parametrize("batches_before", [1, 3])
def test_a_killed_process_is_an_error_and_no_hang(batches_before):
    def slow(position, arrays):
        time.sleep(0.02)
        return os.getpid()

    stream = filled(slow, EXAMPLE, [range(5)] * 1000, 5, 2, True)
    pids = [next(stream)[1][0] for _ in range(batches_before)]
    os.kill(pids[-1], signal.SIGKILL)
    with pytest.raises(DataError, match="was killed"):
        for _ in stream:
            pass


def test_a_closing_terminal_leaves_processes_at_work():
    """SIGINT and SIGHUP are for the training; all three signals reach what a process starts itself."""

    def state(position, arrays):
        ways = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)]
        return os.getpid(), ways, signal.pthread_sigmask(signal.SIG_BLOCK, ())

    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP, signal.SIGTERM))  # as in a training
    try:
        pids = set()
        for _, told in filled(state, EXAMPLE, BATCHES, 5, 2, True):
            for pid, ways, blocked in told:
                assert ways == [signal.SIG_IGN, signal.SIG_IGN, signal.SIG_DFL] and not blocked
                pids.add(pid)
            for pid in pids:
                os.kill(pid, signal.SIGHUP)
                os.kill(pid, signal.SIGINT)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_processes_end_with_their_batches():
    stream = filled(lambda position, arrays: os.getpid(), EXAMPLE, BATCHES, 5, 2, True)
    pids = set(next(stream)[1])
    stream.close()
    assert not any(map(psutil.pid_exists, pids))


@pytest.mark.slow
@pytest.mark.parametrize("started", [1, 100], ids=["while its processes start", "while they work"])
def test_a_killed_training_leaves_no_process(started):
    code = """
import numpy as np, os, time
from mindpoint.data.workers import filled
def write(position, arrays):
    time.sleep(0.001)
    print(os.getpid(), flush=True)
for _ in filled(write, {"x": np.zeros(1)}, [range(4)] * 100000, 4, 3, True):
    pass
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as training:
        for _ in range(started):
            assert training.stdout.readline()
        workers = psutil.Process(training.pid).children()
        training.kill()
    assert len(workers) == 3
    assert psutil.wait_procs(workers, timeout=20)[1] == []
