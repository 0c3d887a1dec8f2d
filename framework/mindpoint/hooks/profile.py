"""Profiling of training steps."""

from __future__ import annotations

import contextlib
import csv
import logging
import os
from pathlib import Path
from typing import Dict, List, Optional

from mindpoint.contracts.hook import Hook
from mindpoint.contracts.run import Run
from mindpoint.errors import ConfigError
from mindpoint.storage.files import make_folder

log = logging.getLogger("mindpoint")


class Profile(Hook):
    """Records the operators of some steps with MindSpore's profiler, in a folder.

    Args:
        start: the first step to record, counted from 1. Use 3 or more, because the first step compiles.
        stop: the last step to record.
        folder: output folder. Not given: ``profile`` in the run folder.
    """

    def __init__(self, start: int, stop: int, folder: Optional[str] = None):
        if not 1 <= start <= stop:
            raise ConfigError(f"Profile: steps {start} to {stop} are not a valid range; use 1 <= start <= stop")
        self.start, self.stop, self.folder = start, stop, folder
        self.profiler = None

    def before_train(self, run: Run) -> None:
        if self.start > run.total_steps:
            raise ConfigError(f"Profile: starts at step {self.start}, but the training has {run.total_steps} steps")

    def before_step(self, run: Run) -> None:
        if self.profiler is None and self.start <= run.step + 1 <= self.stop:
            from mindspore import profiler

            self.folder = make_folder(self.folder or run.run_dir / "profile")
            write = profiler.tensorboard_trace_handler(str(self.folder))
            self.profiler = profiler.profile(start_profile=False, on_trace_ready=write)
            self.profiler.start()

    def after_step(self, run: Run) -> None:
        if self.profiler is not None:
            self.profiler.step()
            if run.step == self.stop:
                self._finish()

    def after_train(self, run: Run) -> None:
        if self.profiler is not None:  # the training ended within the window
            self._finish()

    def _finish(self) -> None:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # MindSpore always draws a progress bar
            self.profiler.stop()
        self.profiler = None
        log.info("profile of steps %d to %d in %s\n%s", self.start, self.stop, self.folder, costs(self.folder))


def costs(folder: Path, most: int = 8) -> str:
    """Return the operators that took most time on the CPU, one per line; empty if MindSpore wrote no table of them."""
    spent: Dict[str, List[float]] = {}
    for path in folder.glob("*/FRAMEWORK/cpu_op_detail_info_*.csv"):
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                both = spent.setdefault(_name(row["op_type"], row["full_op_name"]), [0.0, 0])
                both[0] += float(row["op_total_time(ms)"])
                both[1] += int(row["op_occurrences"])
    total = sum(time for time, _ in spent.values())
    rows = sorted(((time, count, name) for name, (time, count) in spent.items()), reverse=True)
    return "\n".join(f"  {time / total:6.1%}  {time:10.2f} ms  {count:6d} times  {name}" for time, count, name in rows[:most])


def _name(kind: str, path: str) -> str:
    """Return the operator's type; for ``Custom``, MindSpore's name for all compiled kernels, the class of the cell that contains it."""
    if kind != "Custom":
        return kind
    *_, cell = (part for part in path.split("/")[:-1] if part != "Grad_Custom")
    owner = "training step" if cell == "Default" else cell.rpartition("-")[2]  # MindSpore's name for the outermost cell
    return owner + (", gradients" if "/Grad_Custom/" in path else "")
