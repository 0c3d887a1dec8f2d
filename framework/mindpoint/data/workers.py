"""Workers that fill batches: threads or processes write samples directly into the arrays that the training reads."""

from __future__ import annotations

import collections
import functools
import mmap
import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple

import cv2
import numpy as np

from mindpoint.errors import DataError
from mindpoint.runtime.parent import die_with

Arrays = Dict[str, np.ndarray]
Write = Callable[[int, Arrays], object]
"""Function that writes the sample at a position into arrays, and returns a remark about it."""

AHEAD = 2  # batches that are being filled while one is in use


def filled(
    write: Write, example: Mapping[str, np.ndarray], batches: Iterable[Sequence[int]], batch_size: int, workers: int, processes: bool
) -> Iterator[Tuple[Arrays, List[object]]]:
    """Yield the batches in order, each with the results of ``write`` for its samples.

    The arrays are reused: a batch is valid until the next one is requested. Batches are not copied: threads share them, and processes have
    them in shared memory.

    Args:
        write: function that is called in the workers, which are started here; processes are forked.
        example: a sample; the arrays of a batch have its shapes and types after an axis of ``batch_size``.
        batches: sample positions of each batch.
        workers: number of threads or processes.

    Raises:
        DataError: a process was killed. Errors of ``write`` are raised when the batch is requested.
    """
    cv2.setNumThreads(0)  # the workers run in parallel
    slots = [{name: _array((batch_size, *a.shape), a.dtype, processes) for name, a in example.items()} for _ in range(AHEAD + 1)]
    if processes:
        pool, task = (
            ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _become_worker, (os.getpid(), write, slots)),
            _write_in_process,
        )
    else:
        pool, task = ThreadPoolExecutor(workers, "data"), functools.partial(_write, write, slots)
    waiting: collections.deque = collections.deque()
    try:
        for number, positions in enumerate(batches):
            slot = number % len(slots)
            waiting.append((slots[slot], [pool.submit(task, slot, row, int(position)) for row, position in enumerate(positions)]))
            if len(waiting) == len(slots):
                yield _finished(*waiting.popleft())
        while waiting:
            yield _finished(*waiting.popleft())
    except BrokenProcessPool as error:  # when a sample is submitted or fetched
        raise DataError(
            "a data worker process was killed, perhaps for lack of memory; use threads with data.train.processes=false"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(arrays: Arrays, futures: list) -> Tuple[Arrays, List[object]]:
    return arrays, [future.result() for future in futures]


def _array(shape: Tuple[int, ...], dtype: np.dtype, shared: bool) -> np.ndarray:
    if not shared:
        return np.empty(shape, dtype)
    # Anonymous memory: it is not limited by a container's /dev/shm, and needs no clean-up.
    memory = mmap.mmap(-1, max(1, int(np.prod(shape)) * dtype.itemsize))
    return np.frombuffer(memory, dtype, int(np.prod(shape))).reshape(shape)


def _write(write: Write, slots: Sequence[Arrays], slot: int, row: int, position: int) -> object:
    return write(position, {name: array[row, ...] for name, array in slots[slot].items()})


_job: tuple = ()
"""In a worker process: the arguments of :func:`_write` shared by all samples."""


def _become_worker(parent: int, write: Write, slots: Sequence[Arrays]) -> None:
    global _job
    _job = (write, slots)
    for number in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C and a closed terminal signal all processes; the training handles them
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGHUP, signal.SIGTERM))
    die_with(parent)


def _write_in_process(slot: int, row: int, position: int) -> object:
    return _write(*_job, slot, row, position)
