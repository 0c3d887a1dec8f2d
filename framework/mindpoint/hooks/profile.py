"""Where the time of a step goes."""

from __future__ import annotations

import contextlib
import csv
import logging
import os
from pathlib import Path
from typing import List, Tuple

from mindpoint.contracts.hook import Hook
from mindpoint.engine.files import make_folder
from mindpoint.errors import ConfigError

log = logging.getLogger("mindpoint")


class Profile(Hook):
    """Records the operators of some steps with MindSpore's profiler, in the folder ``profile`` of the run.

    Args:
        start: the first step to record, counted from 1; steps after the first two are of interest, for the first one compiles.
        stop: the last one.
    """

    def __init__(self, start: int, stop: int):
        if not 1 <= start <= stop:
            raise ConfigError(f"Profile: steps {start} to {stop} are no window; it takes 1 <= start <= stop")
        self.start, self.stop = start, stop
        self.profiler = None

    def before_train(self, trainer) -> None:
        if self.start > trainer.total_steps:
            raise ConfigError(f"Profile: starts at step {self.start}, but the training has {trainer.total_steps} steps")

    def before_step(self, trainer) -> None:
        if self.profiler is None and self.start <= trainer.step + 1 <= self.stop:
            from mindspore import profiler

            self.folder = make_folder(trainer.run_dir / "profile")
            write = profiler.tensorboard_trace_handler(str(self.folder))
            self.profiler = profiler.profile(start_profile=False, on_trace_ready=write)
            self.profiler.start()

    def after_step(self, trainer) -> None:
        if self.profiler is not None:
            self.profiler.step()
            if trainer.step == self.stop:
                self._finish()

    def after_train(self, trainer) -> None:
        if self.profiler is not None:  # the training ended within the window
            self._finish()

    def _finish(self) -> None:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # MindSpore draws a bar, terminal or not
            self.profiler.stop()
        self.profiler = None
        log.info("profile of steps %d to %d in %s\n%s", self.start, self.stop, self.folder, costs(self.folder))


def costs(folder: Path, most: int = 8) -> str:
    """The operators that took most time on the CPU, one a line; empty if MindSpore wrote no table of them."""
    rows: List[Tuple[float, str, int]] = []
    for path in folder.glob("*/FRAMEWORK/cpu_op_type_info_*.csv"):
        with open(path, encoding="utf-8", newline="") as file:
            rows += [(float(r["total_compute_time"]), r["op_type"], int(r["type_occurrences"])) for r in csv.DictReader(file)]
    total = sum(row[0] for row in rows)
    return "\n".join(f"  {time / total:6.1%}  {time:10.2f} ms  {count:6d} times  {name}" for time, name, count in sorted(rows)[::-1][:most])
