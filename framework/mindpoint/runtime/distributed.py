"""The processes of a job, from the point of view of one of them. Without a job there is a single process.

``mindpoint launch`` or MindSpore's ``msrun`` starts a job. Every rank must call these functions in the same order.
"""

from __future__ import annotations

import itertools
import os
import pickle
from typing import List, Optional, Sequence, TypeVar

import numpy as np

from mindpoint.errors import TrainingError
from mindpoint.runtime import activity

T = TypeVar("T")

_initialized = False


def launched() -> bool:
    """Tell whether this process is part of a job."""
    return "MS_ROLE" in os.environ


def init() -> None:
    """Join the other processes. The device must be selected and no tensor created yet. In the scheduler of a job, this call does not
    return."""
    global _initialized
    if not launched() or _initialized:
        return
    from mindspore import communication

    activity.announce(f"waiting for all processes to join at {os.environ.get('MS_SCHED_HOST')}:{os.environ.get('MS_SCHED_PORT')}")
    communication.init()
    if os.environ["MS_ROLE"] == "MS_SCHED":
        raise SystemExit(0)
    _initialized = True


def rank() -> int:
    """Return the rank of this process, from 0."""
    if not _initialized:
        return 0
    from mindspore import communication

    return communication.get_rank()


def size() -> int:
    """Return the number of processes."""
    if not _initialized:
        return 1
    from mindspore import communication

    return communication.get_group_size()


def is_writer() -> bool:
    """Tell whether this process writes files and prints on the console: rank 0."""
    return rank() == 0


def sum_of(values: np.ndarray) -> np.ndarray:
    """Return the sum over the ranks of float32 arrays of the same shape."""
    if size() == 1:
        return values
    from mindspore import Tensor, ops

    return ops.AllReduce()(Tensor(values)).asnumpy()


def mean(values: Sequence[float]) -> List[float]:
    """Return the mean of each number over the ranks, computed in float32."""
    return (sum_of(np.asarray(values, np.float32)) / np.float32(size())).tolist()


def gather(value: T) -> List[T]:
    """Return the values of all ranks, by rank; they may have any type that can be pickled."""
    if size() == 1:
        return [value]
    from mindspore import mint

    found = [None] * size()
    mint.distributed.all_gather_object(found, pickle.dumps(value))
    return [pickle.loads(data) for data in found]


def collect(values: Sequence[T]) -> List[T]:
    """Return the items of all ranks, by rank. Cheap if all are empty."""
    return list(itertools.chain(*gather(values))) if any(mean([len(values)])) else []


def agree(value: Optional[T]) -> Optional[T]:
    """Return the first value in rank order that is not None; None if all are None. Cheap in that case."""
    return next(iter(collect([] if value is None else [value])), None)


def check_same(what: str, digest: object) -> None:
    """Check that all ranks have the same value.

    Raises:
        TrainingError: the value of a rank differs; the message names ``what``.
    """
    digests = gather(digest)
    different = [str(rank) for rank, other in enumerate(digests) if other != digests[0]]
    if different:
        raise TrainingError(f"rank {', '.join(different)}: differs from rank 0 in the {what}; start all with the same arguments and files")


def finish() -> None:
    """Wait for the other processes, so that no process exits while another still depends on it."""
    gather(None)
