"""What a person sees while a training runs."""

from __future__ import annotations

import statistics
import sys
import time
from typing import Dict, List, NamedTuple

from tqdm import tqdm

from mindpoint.contracts.hook import Hook
from mindpoint.visual.history import mean_of_finite
from mindpoint.errors import ConfigError
from mindpoint.runtime.progress import clock, duration, on_terminal


class _Step(NamedTuple):
    losses: Dict[str, float]
    data_seconds: float
    step_seconds: float


class Console(Hook):
    """Every so many steps a line: epoch, step, the total and every term, learning rate, time for data and for computing a step, images a
    second, and what time the rest will take. Losses are means (of what is finite) and times medians since the line before. On a terminal
    a bar for the running epoch stands below.

    Args:
        every: steps between two lines.
    """

    def __init__(self, every: int = 20):
        if every < 1:
            raise ConfigError("every must be at least 1")
        self.every = every
        self.bar = None
        self.pending: List[_Step] = []  # since the last line

    def before_train(self, trainer) -> None:
        self._say(
            f"run folder {trainer.run_dir}\n{len(trainer.loader.samples)} images, {trainer.epochs} epoch{'s' * (trainer.epochs != 1)} of "
            f"{trainer.steps_per_epoch} steps, {trainer.loader.batch_size} images a step"
        )

    def before_epoch(self, trainer) -> None:
        if on_terminal():
            self.bar = tqdm(
                total=trainer.steps_per_epoch, desc=f"epoch {trainer.epoch + 1}", leave=False, dynamic_ncols=True, file=sys.stderr
            )
            self.bar.update(trainer.step - trainer.epoch * trainer.steps_per_epoch)  # not 0 after a resume

    def after_step(self, trainer) -> None:
        self.pending.append(_Step(trainer.losses, trainer.data_seconds, trainer.step_seconds))
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {trainer.losses['loss']:.4g}", refresh=False)
            self.bar.update()
        if trainer.step % self.every == 0 or trainer.ended:
            self._say(self._line(trainer))
            self.pending = []

    def after_epoch(self, trainer) -> None:
        self._close_bar()
        if trainer.skipped_steps:
            self._say(f"steps left out so far because of gradients that are not finite: {trainer.skipped_steps}")

    def before_eval(self, trainer) -> None:
        self.eval_started = time.perf_counter()

    def after_eval(self, trainer) -> None:
        self._say(f"{len(trainer.detections)} images evaluated in {clock(time.perf_counter() - self.eval_started)}")

    def after_train(self, trainer) -> None:
        self._close_bar()
        if trainer.stop_reason:
            self._say(f"stopped: {trainer.stop_reason}")

    def _line(self, trainer) -> str:
        losses = {name: mean_of_finite([step.losses[name] for step in self.pending]) for name in trainer.losses}
        data = statistics.median(step.data_seconds for step in self.pending)
        computing = statistics.median(step.step_seconds for step in self.pending)  # the first step compiles and would spoil a mean
        terms = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
        return (
            f"epoch {trainer.epoch + 1}/{trainer.epochs}  step {trainer.step}/{trainer.total_steps}  {terms}  "
            f"lr {trainer.learning_rate:.3g}  data {duration(data)}  step {duration(computing)}  "
            f"{trainer.loader.batch_size / (data + computing):.1f} images/s  "
            f"{clock((trainer.total_steps - trainer.step) * (data + computing))} left"
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
