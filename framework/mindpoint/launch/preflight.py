"""Tests whether several processes can work together on this machine, and how fast they sum gradients. Run as a worker of a job."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Sequence

import numpy as np

from mindpoint.launch import process
from mindpoint.runtime import activity, distributed

NUMBERS = (1, 1_000_000, 20_000_000)  # float32 values; the last is the size of a network's gradients
REPEATS = 5


def measure(result: Path, counts: Sequence[int] = NUMBERS) -> int:
    """Join the other processes and sum arrays of several sizes over all ranks; the first rank writes the durations.

    Args:
        result: JSON file with ``joined``, the seconds until all had joined, and ``sums``, pairs of a number of float32 values and the
            seconds for their sum.
        counts: numbers of float32 values to sum.
    """
    started = time.perf_counter()
    distributed.init()
    distributed.gather(None)
    joined = time.perf_counter() - started
    sums = [(count, _seconds(count)) for count in counts]
    if distributed.is_writer():
        result.write_text(json.dumps({"joined": joined, "sums": sums}))
    return 0


def _seconds(count: int) -> float:
    size = distributed.size()
    values = np.full(count, distributed.rank() + 1, np.float32)
    times = []
    for _ in range(REPEATS):
        activity.announce(f"sum of {count} numbers")
        started = time.perf_counter()
        total = distributed.sum_of(values)
        times.append(time.perf_counter() - started)
    wrong = total[total != size * (size + 1) / 2]
    if wrong.size:
        raise RuntimeError(f"the sum over {size} processes is {wrong[0]} instead of {size * (size + 1) / 2}")
    return median(times)


if __name__ == "__main__":
    process.run(lambda: measure(Path(sys.argv[1]), [int(count) for count in sys.argv[2:]] or NUMBERS))
