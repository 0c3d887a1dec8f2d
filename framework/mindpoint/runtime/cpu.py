"""The CPU and memory that this process may use."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Dict, FrozenSet, Optional

_CGROUP = Path("/sys/fs/cgroup")


@lru_cache(maxsize=None)
def _first_processor() -> Dict[str, str]:
    """The first block of ``/proc/cpuinfo`` by field, in lower case; empty where there is no such file."""
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
    """Instruction sets as Linux names them, e.g. ``avx2``; empty if they cannot be told."""
    processor = _first_processor()
    return frozenset((processor.get("flags") or processor.get("features") or "").split())


def model() -> str:
    """What the maker calls it, e.g. ``AMD EPYC 7763 64-Core Processor``, or else the architecture."""
    return _first_processor().get("model name") or os.uname().machine


def cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quota() -> Optional[float]:
    """Cores' worth of time that a container grants; None without a limit."""
    words = _read("cpu.max").split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0].isdigit() else None


def memory_limit() -> Optional[int]:
    """Bytes that a container grants; None without a limit."""
    text = _read("memory.max").strip()
    return int(text) if text.isdigit() else None


def _read(name: str) -> str:
    try:
        return (_CGROUP / name).read_text()
    except OSError:
        return ""
