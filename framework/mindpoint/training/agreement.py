"""Values that all processes of a training must share."""

from __future__ import annotations

import hashlib
from typing import List, Optional, Sequence, Tuple

import numpy as np

from mindpoint.config import Config
from mindpoint.runtime import distributed
from mindpoint.training.step import TrainStep


def check_same_start(config: Config, images: int, step: TrainStep) -> None:
    """Check that all processes start from the same state; otherwise they would train different networks.

    Raises:
        TrainingError: configuration, number of images, weights or state of the optimizer differ.
    """
    parameters = step.parameters_dict()
    digest = hashlib.sha256()
    for name in sorted(parameters):
        digest.update(name.encode() + parameters[name].asnumpy().tobytes())
    distributed.check_same("configuration", config.to_yaml())
    distributed.check_same("number of training images", images)
    distributed.check_same("initial weights and state of the optimizer", digest.hexdigest())


def agree_before_step(counts: np.ndarray, flags: Sequence[bool]) -> Tuple[np.ndarray, List[bool]]:
    """Return the sums of float32 counts over all processes, ``(K,)``, and for each flag whether any process has set it, in one exchange."""
    sums = distributed.sum_of(np.concatenate([counts, np.array(flags, np.float32)]))
    return sums[: len(counts)], [bool(number) for number in sums[len(counts) :]]


def agree_on_end(stop_reason: Optional[str], signal: Optional[int]) -> Tuple[Optional[str], Optional[int]]:
    """Return the first stop reason and the first signal of any process, in rank order, in one exchange."""
    found = distributed.collect([] if stop_reason is None and signal is None else [(stop_reason, signal)])
    return (
        next((reason for reason, _ in found if reason is not None), None),
        next((received for _, received in found if received is not None), None),
    )
