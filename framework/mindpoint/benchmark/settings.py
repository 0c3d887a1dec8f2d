"""What a benchmark runs with."""

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
    """Options of the command.

    Attributes:
        config: name or path of the configuration.
        overrides: changes to it.
        runs: measured rounds.
        warmup: rounds before them, whose times do not count.
        batch: images at once; None for what the configuration says.
        workers: of the data; None likewise.
        threads: cores to use; None for all.
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
        """Return the configuration, and what its data is; where the data set of ``split`` is not there, noise takes its place."""
        config, place = self.load(*more), f"data.{split}.dataset"
        reason = f"there is no {place}"
        if config.has(place):
            try:
                return config, str(build_dataset(config, split))
            except DataError as error:
                reason = str(error)
        return self.load(*more, f"+{place}={{type: '{__package__}.random_data:RandomImages'}}"), f"images of noise, since {reason}"


def limit_threads(count: Optional[int]) -> None:
    """Keep this process and its children to the first ``count`` cores. Before MindSpore is imported.

    Raises:
        MindpointError: there are not so many.
    """
    if count is None:
        return
    usable = sorted(os.sched_getaffinity(0))
    if not 1 <= count <= len(usable):
        raise MindpointError(f"--threads {count}: this process may use {cpu.cores()} cores")
    os.sched_setaffinity(0, usable[:count])
    os.environ["OMP_NUM_THREADS"] = str(count)
