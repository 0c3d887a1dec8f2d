"""The processes of a job, as seen from one of them. Without a job everything here is that of a single process.

A job is started by ``mindpoint launch`` or MindSpore's ``msrun``. Every rank must call these functions in the same order.
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
    """Join the other processes; the device must have been chosen and no tensor made. The scheduler of a job does not return from here."""
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
    """Return the number of this process among all, from 0."""
    if not _initialized:
        return 0
    from mindspore import communication

    return communication.get_rank()


def size() -> int:
    """Return how many processes there are."""
    if not _initialized:
        return 1
    from mindspore import communication

    return communication.get_group_size()


def is_writer() -> bool:
    """Tell whether this process is the one that writes files and speaks on the console: the first."""
    return rank() == 0


def sum_of(values: np.ndarray) -> np.ndarray:
    """Sum over the ranks of float32 arrays of one shape."""
    if size() == 1:
        return values
    from mindspore import Tensor, ops

    return ops.AllReduce()(Tensor(values)).asnumpy()


def mean(values: Sequence[float]) -> List[float]:
    """Mean over the ranks of each of a few numbers, as float32."""
    return (sum_of(np.asarray(values, np.float32)) / np.float32(size())).tolist()


def gather(value: T) -> List[T]:
    """Return what every rank gives, by rank; any value that can be pickled."""
    if size() == 1:
        return [value]
    from mindspore import mint

    found = [None] * size()
    mint.distributed.all_gather_object(found, pickle.dumps(value))
    return [pickle.loads(data) for data in found]


def collect(values: Sequence[T]) -> List[T]:
    """Return what all ranks have, by rank. Cheap as long as nobody has anything."""
    return list(itertools.chain(*gather(values))) if any(mean([len(values)])) else []


def agree(value: Optional[T]) -> Optional[T]:
    """Return the first value in rank order that is not None; None if all are. Cheap in that case."""
    return next(iter(collect([] if value is None else [value])), None)


def check_same(what: str, digest: object) -> None:
    """Make sure that all ranks have the same.

    Raises:
        TrainingError: a rank has something else; the message says ``what``.
    """
    digests = gather(digest)
    different = [str(rank) for rank, other in enumerate(digests) if other != digests[0]]
    if different:
        raise TrainingError(f"rank {', '.join(different)}: not the same {what} as rank 0; start all with the same arguments and files")


def finish() -> None:
    """Wait for the others, so that none leaves while another still counts on it."""
    gather(None)
