"""The CPU and memory that this process may use."""

from __future__ import annotations

import os
import platform
from functools import lru_cache
from pathlib import Path
from typing import Dict, FrozenSet, List, Optional, Set, Tuple

_CGROUP = Path("/sys/fs/cgroup")
_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology"


@lru_cache(maxsize=None)
def _first_processor() -> Dict[str, str]:
    """Return the first block of ``/proc/cpuinfo`` by field, in lower case; empty if the file does not exist."""
    fields: Dict[str, str] = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                name, colon, value = line.partition(":")
                if not colon:
                    break
                fields[name.strip().lower()] = value.strip()
    except OSError:
        pass
    return fields


def features() -> FrozenSet[str]:
    """Return the instruction sets by Linux's names, e.g. ``avx2``; empty if unknown."""
    processor = _first_processor()
    return frozenset((processor.get("flags") or processor.get("features") or "").split())


def model() -> str:
    """Return the maker's name of the CPU, e.g. ``AMD EPYC 7763 64-Core Processor``, or else the architecture."""
    return _first_processor().get("model name") or platform.machine()


def cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(usable_cores())


def usable_cores() -> Set[int]:
    """Return the numbers of the cores that this process may run on; all of them on systems that do not report them (Windows, macOS)."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def shares(processes: int) -> List[List[int]]:
    """Distribute the cores that this process may run on among ``processes`` processes; each gets all of them if there are too few.

    Threads of one physical core stay together, and cores of one socket as far as possible.
    """
    usable = sorted(usable_cores(), key=_place)
    if len(usable) < processes:
        return [usable] * processes
    ends = [len(usable) * number // processes for number in range(processes + 1)]
    return [usable[start:end] for start, end in zip(ends, ends[1:])]


def _place(core: int) -> Tuple[int, int, int]:
    """Return the socket and physical core of a Linux CPU number, and the number itself."""
    texts = [_read(Path(_TOPOLOGY.format(core)) / name) for name in ("physical_package_id", "core_id")]
    return (*(int(text or 0) for text in texts), core)


def quota() -> Optional[float]:
    """Return the CPU quota of a container in cores; None without a limit."""
    words = _read(_CGROUP / "cpu.max").split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0].isdigit() else None


def memory_limit() -> Optional[int]:
    """Return the memory limit of a container in bytes; None without a limit."""
    text = _read(_CGROUP / "memory.max").strip()
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
