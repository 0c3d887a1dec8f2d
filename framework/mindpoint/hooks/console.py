"""Console output during training."""

from __future__ import annotations

import statistics
import sys
import time
from typing import Dict, List, NamedTuple

from mindpoint.contracts.hook import Hook
from mindpoint.contracts.run import Run
from mindpoint.errors import ConfigError
from mindpoint.runtime.progress import Bar, clock, duration, on_terminal
from mindpoint.runtime.tables import flow
from mindpoint.visual.history import mean_of_finite


class _Step(NamedTuple):
    losses: Dict[str, float]
    data_seconds: float
    step_seconds: float


class Console(Hook):
    """Prints a line every few steps: epoch, step, the total and every term, learning rate, loss scale if used, time per step for data and
    for computing, images per second, and remaining time. Losses are means (of finite values) and times are medians since the previous
    line. On a terminal a bar for the current epoch is shown below.

    Args:
        every: number of steps between two lines.
    """

    def __init__(self, every: int = 20):
        if every < 1:
            raise ConfigError("every must be at least 1")
        self.every = every
        self.bar = None
        self.pending: List[_Step] = []  # since the last line

    def before_train(self, run: Run) -> None:
        length = f"{run.epochs} epoch{'s' * (run.epochs != 1)} of {run.steps_per_epoch} steps"
        self._say(f"run folder {run.run_dir}")
        self._say(flow([f"{run.images} images", length, f"{run.batch_size} images per step"], ", "))

    def before_epoch(self, run: Run) -> None:
        if on_terminal():
            self.bar = Bar(f"epoch {run.epoch + 1}", run.steps_per_epoch)
            self.bar.update(run.step - run.epoch * run.steps_per_epoch)  # not 0 after a resume

    def after_step(self, run: Run) -> None:
        self.pending.append(_Step(run.losses, run.data_seconds, run.step_seconds))
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {run.losses['loss']:.4g}", refresh=False)
            self.bar.update()
        if run.step % self.every == 0 or run.ended:
            self._say(self._line(run))
            self.pending = []

    def after_epoch(self, run: Run) -> None:
        self._close_bar()
        if run.skipped_steps:
            self._say(f"steps skipped so far because of non-finite gradients: {run.skipped_steps}")

    def before_eval(self, run: Run) -> None:
        self.eval_started = time.perf_counter()

    def after_eval(self, run: Run) -> None:
        self._say(f"{len(run.detections)} images evaluated in {clock(time.perf_counter() - self.eval_started)}")

    def after_train(self, run: Run) -> None:
        self._close_bar()
        if run.stop_reason:
            self._say(f"stopped: {run.stop_reason}")

    def _line(self, run: Run) -> str:
        losses = {name: mean_of_finite([step.losses[name] for step in self.pending]) for name in run.losses}
        data = statistics.median(step.data_seconds for step in self.pending)
        computing = statistics.median(step.step_seconds for step in self.pending)  # the first step compiles and would distort a mean
        return flow(
            [
                f"epoch {run.epoch + 1}/{run.epochs}",
                f"step {run.step}/{run.total_steps}",
                *(f"{name} {value:.4g}" for name, value in losses.items()),
                f"lr {run.learning_rate:.3g}",
                *([] if run.loss_scale is None else [f"loss scale {run.loss_scale:g}"]),
                f"data {duration(data)}",
                f"step {duration(computing)}",
                f"{run.batch_size / (data + computing):.1f} images/s",
                f"{clock((run.total_steps - run.step) * (data + computing))} left",
            ]
        )

    def _close_bar(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _say(self, text: str) -> None:
        if self.bar is not None:
            self.bar.write(text, file=sys.stdout)
        else:
            print(text, flush=True)
