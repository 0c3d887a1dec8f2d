"""The settings of a benchmark."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Optional, Tuple

from mindpoint.config import Config, load_config
from mindpoint.data.build import build_dataset
from mindpoint.errors import DataError, MindpointError
from mindpoint.runtime import cpu


@dataclass(frozen=True)
class Settings:
    """Options of ``mindpoint benchmark``.

    Attributes:
        config: name or path of the configuration.
        overrides: changes to the configuration.
        runs: measured rounds.
        warmup: unmeasured rounds before them.
        batch: batch size; None: as configured.
        workers: number of data workers; None: as configured.
        threads: cores to use; None: all.
    """

    config: str
    overrides: Tuple[str, ...] = ()
    runs: int = 20
    warmup: int = 3
    batch: Optional[int] = None
    workers: Optional[int] = None
    threads: Optional[int] = None

    def load(self, *more: str) -> Config:
        """Return the configuration with the command's changes and ``more``."""
        return load_config(self.config, [*self.overrides, *more])

    def load_with_data(self, split: str, *more: str) -> Tuple[Config, str]:
        """Return the configuration and a description of its data. If the data set of ``split`` is missing, noise replaces it."""
        config, place = self.load(*more), f"data.{split}.dataset"
        reason = f"{place} is missing"
        if config.has(place):
            try:
                return config, str(build_dataset(config, split))
            except DataError as error:
                reason = str(error)
        return self.load(*more, f"+{place}={{type: '{__package__}.random_data:RandomImages'}}"), f"images of noise, since {reason}"


def limit_threads(count: Optional[int]) -> None:
    """Restrict this process and its children to the first ``count`` cores. Call it before MindSpore is imported.

    Raises:
        MindpointError: the machine has fewer cores.
    """
    if count is None:
        return
    usable = sorted(os.sched_getaffinity(0))
    if not 1 <= count <= len(usable):
        raise MindpointError(f"--threads {count}: this process may use {cpu.cores()} cores")
    os.sched_setaffinity(0, usable[:count])
    os.environ["OMP_NUM_THREADS"] = str(count)
