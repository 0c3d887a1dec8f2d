"""Base class of hooks that log values by step."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict

from mindpoint.contracts.hook import Hook
from mindpoint.contracts.run import Run
from mindpoint.errors import ConfigError
from mindpoint.storage.files import atomic_write


class StepLog(Hook):
    """Writes the values of every few steps and the statistics of every evaluation.

    When a training starts, entries after ``run.step`` in the run folder are removed, because a resumed training repeats these steps.

    Args:
        every: number of steps between two records.
    """

    def __init__(self, every: int = 1):
        if every < 1:
            raise ConfigError("every must be at least 1")
        self.every = every

    def after_step(self, run: Run) -> None:
        if run.step % self.every == 0:
            self.write_step(run.step, step_values(run))

    def after_eval(self, run: Run) -> None:
        self.write_statistics(run.step, run.epoch, run.metrics)

    def write_step(self, step: int, values: Dict[str, float]) -> None:
        """Write :func:`step_values`."""
        raise NotImplementedError

    def write_statistics(self, step: int, epoch: int, statistics: Dict[str, float]) -> None:
        """Write the statistics of an evaluation after ``epoch`` epochs; NaN where undefined."""
        raise NotImplementedError


def step_values(run: Run) -> Dict[str, float]:
    """Return the losses of the last step, and with them the values of :data:`mindpoint.visual.history.NO_LOSSES`; epochs count from 1."""
    return {
        "epoch": run.epoch + 1,
        "learning_rate": run.learning_rate,
        **run.losses,
        "data_seconds": round(run.data_seconds, 4),
        "step_seconds": round(run.step_seconds, 4),
        "skipped_steps": run.skipped_steps,
        **({} if run.loss_scale is None else {"loss_scale": run.loss_scale}),
    }


def drop_later(path: Path, run: Run, step_of: Callable[[str], int], is_statistics: Callable[[str], bool]) -> None:
    """Remove lines from a file that a resumed training will write again, and an incomplete last line.

    Args:
        step_of: function that returns the step of a line, and raises ValueError for an incomplete line.
        is_statistics: function that tells whether a line is from an evaluation. The evaluation of an epoch that is not closed will be
            repeated.
    """
    if not path.is_file():
        return
    evaluated = run.closed_epochs * run.steps_per_epoch

    def stays(line: str) -> bool:
        try:
            return line.endswith("\n") and step_of(line) <= (evaluated if is_statistics(line) else run.step)
        except ValueError:
            return False

    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if stays(line)]
    if kept != lines:
        with atomic_write(path) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")
