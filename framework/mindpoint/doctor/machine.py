"""Checks of CPU, memory and folders."""

from __future__ import annotations

import os
import platform
import shutil
from typing import List, Optional

import psutil

from mindpoint.doctor.check import Check
from mindpoint.runtime import cpu, guard

GIB = 2**30
SMALL_MEMORY = 2 * GIB  # bytes; predicting one image of 512x512 takes about 1.5 GiB
_TOLD = ("avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve")
_THREADS = "OMP_NUM_THREADS"


def check_machine() -> List[Check]:
    return [_cpu(), _cores(), _memory(), _shm(), _guard()]


def _cpu() -> Check:
    told = [feature for feature in _TOLD if feature in cpu.features()]
    return Check("cpu", f"{cpu.model()} ({', '.join([platform.machine(), *told])})")


def _cores() -> Check:
    usable, there, quota = cpu.cores(), os.cpu_count() or 1, cpu.quota()
    value = f"{usable}" if usable == there else f"{usable} of {there}"
    if quota is not None:
        value += f", {quota:g} of them allowed by the container"
    threads = os.environ.get(_THREADS)
    if threads is None:
        return Check("cores", value)
    few = threads.isdigit() and int(threads) < usable
    note = f"{_THREADS} limits computing to {threads} of {usable} cores; unset it to use all" if few else None
    return Check("cores", f"{value}; {_THREADS}={threads}", note=note)


def _memory() -> Check:
    memory, limit = psutil.virtual_memory(), cpu.memory_limit()
    value = f"{_size(memory.available)} available of {_size(memory.total)}"
    room = memory.available
    if limit is not None and limit < memory.total:
        value, room = f"{value}, {_size(limit)} allowed by the container", min(room, limit)
    small = f"prediction at 512x512 takes about 1.5 GiB, training more; only {_size(room)} are free" if room < SMALL_MEMORY else None
    return Check("memory", value, note=small)


def _shm() -> Check:
    space = _free("/dev/shm")
    if space is None:  # needed for the semaphores of multiprocessing, not for batches
        return Check("shared memory", "no /dev/shm", note="data.train.processes cannot be used; use threads, the default")
    return Check("shared memory", f"{_size(space)} free in /dev/shm")


def _guard() -> Check:
    limit = guard.limit()
    if not guard.matters():
        return Check("instruction-set guard", f"not needed on this CPU ({guard.LIMIT} is {limit or 'not set'})")
    if limit == guard.FAST:
        return Check("instruction-set guard", f"active: {guard.LIMIT}={limit}")
    note = f"unset {guard.LIMIT}, or set it to {guard.FAST}, if the convolutions below are slow"
    return Check("instruction-set guard", f"your own setting: {guard.LIMIT}={limit}", note=note)


def _free(folder: str) -> Optional[int]:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / 2**20:.0f} MiB"
