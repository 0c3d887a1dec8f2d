"""What hooks that write values by step have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict

from mindpoint.contracts.hook import Hook
from mindpoint.storage.files import atomic_write
from mindpoint.errors import ConfigError, OutputError


class StepLog(Hook):
    """Writes the values of every so many steps and the statistics of every evaluation.

    What stands in the run folder from steps after ``trainer.step`` when a training starts is taken out: a resumed training does these
    steps again.

    Args:
        every: steps between two records.
    """

    def __init__(self, every: int = 1):
        if every < 1:
            raise ConfigError("every must be at least 1")
        self.every = every

    def after_step(self, trainer) -> None:
        if trainer.step % self.every == 0:
            self.write_step(trainer.step, step_values(trainer))

    def after_eval(self, trainer) -> None:
        self.write_statistics(trainer.step, trainer.epoch, trainer.metrics)

    def write_step(self, step: int, values: Dict[str, float]) -> None:
        """Write :func:`step_values`."""
        raise NotImplementedError

    def write_statistics(self, step: int, epoch: int, statistics: Dict[str, float]) -> None:
        """Write the statistics of an evaluation after ``epoch`` epochs; NaN where undefined."""
        raise NotImplementedError


def step_values(trainer) -> Dict[str, float]:
    """``epoch`` (from 1), ``learning_rate``, ``loss``, every term, ``data_seconds``, ``step_seconds``, ``skipped_steps`` of the last step."""
    return {
        "epoch": trainer.epoch + 1,
        "learning_rate": trainer.learning_rate,
        **trainer.losses,
        "data_seconds": round(trainer.data_seconds, 4),
        "step_seconds": round(trainer.step_seconds, 4),
        "skipped_steps": trainer.skipped_steps,
    }


def append(path: Path, text: str) -> None:
    """Add whole lines to a file.

    Raises:
        OutputError: no permission or no space.
    """
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def drop_later(path: Path, trainer, step_of: Callable[[str], int], is_statistics: Callable[[str], bool]) -> None:
    """Take out of a file of lines what a resumed training writes again, and a last line that was not written to its end.

    Args:
        step_of: the step of a line; ValueError for a line that is not whole.
        is_statistics: whether it is of an evaluation; that of an epoch which is not closed will be repeated.
    """
    if not path.is_file():
        return
    evaluated = trainer.closed_epochs * trainer.steps_per_epoch

    def stays(line: str) -> bool:
        try:
            return line.endswith("\n") and step_of(line) <= (evaluated if is_statistics(line) else trainer.step)
        except ValueError:
            return False

    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if stays(line)]
    if kept != lines:
        with atomic_write(path) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")
